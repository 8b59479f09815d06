"""Define the interface of a client, and keep its key secret."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any, Final, Protocol

from core.errors import MissingDependencyError
from core.remote.answer import Answer, Request


class Client(Protocol):
    """A client of one server. `server` names its kind and address, and is part of the key of a cached answer."""

    server: str

    def send(self, request: Request) -> Answer:
        """Return the answer to one request, sent once. Raise Failure without one. Threads may call it concurrently."""

    def close(self) -> None:
        """Close the connections."""


class Secret:
    """A key that is never printed."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Secret(***)" if self._key else "Secret()"

    def __bool__(self) -> bool:
        return bool(self._key)

    def reveal(self) -> str:
        """Return the key itself, for the code that sends it."""
        return self._key

    def hidden_in(self, text: str) -> str:
        """Return `text` without the key: a server may repeat what it was sent."""
        return text.replace(self._key, "***") if len(self._key) >= _SECRET else text


# Shorter keys are words such as EMPTY for a local server: not secret, and possible in an answer.
_SECRET: Final = 12


def finish(names: Mapping[str, str], reason: Any) -> str:
    """Return the finish reason for a server's word, or that word in lower case if it is not in `names`."""
    text = str(reason or "unknown")
    return names.get(text, text.lower())


def need(module: str, purpose: str = "asking a server") -> None:
    """Raise MissingDependencyError if a package is not installed."""
    if importlib.util.find_spec(module) is None:
        raise MissingDependencyError(module, "augment", purpose)
