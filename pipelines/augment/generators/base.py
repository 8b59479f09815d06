"""What a generator is, and how one is set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from collection.record import Message
from core.remote.answer import Answer
from core.remote.config import Account


@dataclass(frozen=True, slots=True)
class Question:
    """What a generator is asked: the turns of a conversation that it is to go on, and the row that they are made of."""

    row_id: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Generator(Protocol):
    """Answers questions. `name` is the model, where the answer itself does not name it."""

    name: str

    def answer(self, question: Question) -> Answer:
        """The answer; Failure where there is none. Threads may call it at once."""


@dataclass(frozen=True)
class GeneratorConfig:
    """One generator. Of these, account changes nothing in what is made."""

    spec: str = ""  # http:URL or replay:PATH; --generator
    kind: str = ""  # of the server: cohere or openai; empty: cohere for Cohere's own hosts, openai for all others
    model: str = ""  # as the server calls it; also http:URL#MODEL
    max_tokens: int = 2_048  # of an answer
    parameters: dict[str, Any] = field(default_factory=dict)  # sent as they are: temperature, seed, p (top_p), ...
    account: Account = field(default_factory=Account)
