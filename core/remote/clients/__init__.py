"""Send a request once to each kind of server and read its answer; `core.remote.session` retries and limits.

`cohere` speaks Cohere's v2 chat through the official SDK, `openai` the chat of OpenAI and compatible servers.
"""

from __future__ import annotations

from typing import Final

from core.errors import UnknownNameError
from core.remote.clients.client import Client, need
from core.remote.config import Account, RemoteConfig, checked_url, key_of

__all__ = ["KINDS", "Client", "make_client"]

KINDS: Final = ("cohere", "openai")


def make_client(kind: str, url: str, account: Account, config: RemoteConfig) -> Client:
    """Return a client of a chat server. Raise UnknownNameError for the kind, ConfigError for a bad URL or key."""
    url = checked_url(url)
    need("httpx")
    if kind == "cohere":
        need("cohere")
        from core.remote.clients.cohere import CohereClient

        return CohereClient(url, key_of(kind, url, account), config)
    if kind == "openai":
        from core.remote.clients.openai import OpenAIClient

        return OpenAIClient(url, key_of(kind, url, account), config)
    raise UnknownNameError("kind of server", kind, KINDS, f"expected one of {', '.join(KINDS)}")
