"""Define a request to a server, its answer, and the failure of a request without an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
import xxhash

from core.errors import ConfigError, GlotmillError

COMPLETE: Final = "complete"
LENGTH: Final = "length"  # cut at the limit of tokens
# The finish reasons of a complete answer.
WHOLE: Final = (COMPLETE, "unknown", "eos", "eos_token")


_TAKEN: Final = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "max_new_tokens", "n", "best_of", "stream"}
)
_TAKEN_BY: Final = {
    "max_completion_tokens": "max_tokens is the key for it",
    "max_new_tokens": "max_tokens is the key for it",
    "n": "one answer is asked for",
    "best_of": "one answer is asked for",
    "stream": "answers are taken whole",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request: the JSON body, without any key, and the largest possible number of tokens in the answer."""

    body: Mapping[str, Any]
    most_tokens: int = 0

    @classmethod
    def chat(
        cls, model: str, messages: tuple[tuple[str, str], ...], max_tokens: int, parameters: Mapping[str, Any] = {}
    ) -> Request:
        """Return a chat request with the keys that Cohere's v2 API and OpenAI's API share, and `parameters` unchanged.

        Raises:
            ConfigError: a parameter has a key of its own in the configuration, or would make an answer cost more.
        """
        if taken := sorted(_TAKEN & parameters.keys()):
            raise ConfigError(
                f"parameters.{taken[0]} cannot be set: {_TAKEN_BY.get(taken[0], 'it has a key of its own')}"
            )
        turns = [{"role": role, "content": content} for role, content in messages]
        return cls({"model": model, "messages": turns, "max_tokens": max_tokens, **parameters}, max_tokens)

    def key(self, server: str) -> str:
        """Return 32 hex digits that identify this request to this server."""
        body = orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS)
        return xxhash.xxh3_128_hexdigest(server.encode() + b"\0" + body)

    @property
    def input_tokens(self) -> int:
        """The largest possible number of input tokens: no tokenizer makes more tokens of a text than it has bytes."""
        return len(orjson.dumps(self.body))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its text, its finish reason (`complete`, `length` or the server's word), the model's own name.

    `cached` means that the answer was on disk already and no request was sent.
    """

    text: str
    finish_reason: str = COMPLETE
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached: bool = False

    def to_bytes(self) -> bytes:
        values = asdict(self)
        del values["cached"]
        return orjson.dumps(values)

    @classmethod
    def from_bytes(cls, data: bytes) -> Answer:
        return cls(**orjson.loads(data), cached=True)


class Failure(GlotmillError):
    """One request without an answer.

    Failures are counted by `kind`: `timeout`, `connection`, `broken_answer`, `status_500`. `again` means that a retry
    may succeed. `fatal` means that no request can succeed, as with a wrong key. `retry_after` is the number of seconds
    that the server asked the client to wait.
    """

    def __init__(
        self, kind: str, message: str, *, again: bool = False, fatal: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{kind}: {message}" if message else kind)
        self.kind, self.again, self.fatal, self.retry_after = kind, again, fatal, retry_after
