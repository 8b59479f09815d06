"""What a client is, and how it keeps its key to itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any, Final, Protocol

from core.errors import MissingDependencyError
from core.remote.answer import Answer, Request


class Client(Protocol):
    """`server` names kind and address: an answer in the cache belongs to it."""

    server: str

    def send(self, request: Request) -> Answer:
        """The answer to one request, sent once; Failure where there is none. Threads may call it at once."""

    def close(self) -> None:
        """Closes its connections."""


class Secret:
    """A key that shows itself nowhere."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Secret(***)" if self._key else "Secret()"

    def __bool__(self) -> bool:
        return bool(self._key)

    def reveal(self) -> str:
        """The key itself: for the one place that sends it."""
        return self._key

    def hidden_in(self, text: str) -> str:
        """`text` without the key: a server may repeat what it was sent."""
        return text.replace(self._key, "***") if len(self._key) >= _SECRET else text


# Servers of one's own are given words like EMPTY for a key, which are no secret, and may stand in an answer.
_SECRET: Final = 12


def finish(names: Mapping[str, str], reason: Any) -> str:
    """A server's word for why an answer ended, as ours where there is one."""
    text = str(reason or "unknown")
    return names.get(text, text.lower())


def need(module: str, purpose: str = "asking a server") -> None:
    """MissingDependencyError where a package that talks to servers is not installed."""
    if importlib.util.find_spec(module) is None:
        raise MissingDependencyError(module, "augment", purpose)
