"""Configure requests to servers: pace, key and prices. None of it changes the content of a request."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated, Final
from urllib.parse import urlsplit

from annotated_types import Ge, Gt

from core.errors import ConfigError

_KEYS: Final = {"cohere": "COHERE_API_KEY", "openai": "OPENAI_API_KEY"}
_HOSTS: Final = {"cohere": ("cohere.com", "cohere.ai"), "openai": ("openai.com",)}


@dataclass(frozen=True)
class RemoteConfig:
    """The number of concurrent requests, their rate, and the handling of failures."""

    concurrency: Annotated[int, Ge(1)] = 16  # requests at once, in each process
    requests_per_minute: Annotated[float, Ge(0)] = 0  # over all processes of this machine; 0: no limit
    timeout: Annotated[float, Gt(0)] = 120  # seconds that one request may take as a whole
    retries: Annotated[int, Ge(0)] = 6  # after 408, 409, 425, 429, 5xx, a timeout, a lost connection, a broken answer
    backoff: Annotated[float, Gt(0)] = 1  # seconds before the first retry, doubled for each next one, at most a minute
    longest_wait: Annotated[float, Gt(0)] = 600  # seconds; a server that asks to wait for longer stops the run
    give_up_after: Annotated[int, Ge(1)] = 20  # requests in a row without an answer that stop the run
    cache: str = ""  # folder of the answers, on this machine; empty: OUT/answers


@dataclass(frozen=True)
class Prices:
    """The prices of a server, in US dollars for a million tokens."""

    input: float = 0  # US dollars for a million tokens that are sent; 0 both: unknown
    output: float = 0  # the same for tokens that are answered

    @property
    def known(self) -> bool:
        return self.input > 0 or self.output > 0

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        return (self.input * input_tokens + self.output * output_tokens) / 1e6


@dataclass(frozen=True)
class Account:
    """The environment variable that holds the key, and the prices.

    Without a name, COHERE_API_KEY and OPENAI_API_KEY are sent to the hosts of these vendors; other hosts get no key.
    """

    api_key_env: str = ""  # environment variable with the key; empty: the vendor's own, for the vendor's hosts alone
    usd_per_million: Prices = field(default_factory=Prices)


def key_of(kind: str, url: str, account: Account) -> str:
    """Return the key for a server, or "" to send none. Raise ConfigError if the named variable is not set."""
    if account.api_key_env:
        key = os.environ.get(account.api_key_env, "").strip()
        if not key:
            raise ConfigError(
                f"the environment variable {account.api_key_env} is not set: expected the key for {url} in it"
            )
        return key
    host = urlsplit(url).hostname or ""
    own = any(host == name or host.endswith(f".{name}") for name in _HOSTS.get(kind, ()))
    return os.environ.get(_KEYS[kind], "").strip() if own else ""


def checked_url(url: str) -> str:
    """Return a server's URL without a trailing slash. Raise ConfigError if it is malformed or holds a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"{url!r} is not the URL of a server: expected http://HOST:PORT or https://HOST, with or without a path"
        )
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            f"the URL of {parts.hostname} holds a name, a password or a query: expected the key in an environment "
            "variable, named by api_key_env"
        )
    return url.rstrip("/")
