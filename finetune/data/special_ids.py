"""The ids with a meaning of their own, as the training data needs them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from collection.record import ROLES
from tokenizer.vocabulary import EOS, PAD, UNK, Tokenizer

_SPACE: Final = "\u2581"  # mT5's own model has its sentinels with this in front


@dataclass(frozen=True)
class Vocabulary:
    """Of a tokenizer: its size, the ids that mark the turns of a conversation, and the sentinels of span corruption."""

    size: int
    sentinels: tuple[int, ...] = ()  # <extra_id_0> first
    roles: tuple[int, ...] = ()  # the symbol of each of collection.record.ROLES; empty where the tokenizer has none
    sha256: str = ""  # of tokenizer.model
    pad: int = PAD
    eos: int = EOS

    @classmethod
    def of(cls, tokenizer: Path) -> Vocabulary:
        """Of a folder that `glotmill tokenizer train` wrote, or a .model file; SourceError where it is neither.

        <|user|> and <|assistant|> make role symbols; what has no symbol of its own (<|system|>, <|tool|>) takes the
        user's, since it comes from outside, too.
        """
        model = Tokenizer.load(tokenizer)
        processor = model.processor
        sentinels: list[int] = []
        while (
            number := _first(processor, f"<extra_id_{len(sentinels)}>", f"{_SPACE}<extra_id_{len(sentinels)}>")
        ) >= 0:
            sentinels.append(number)
        symbols = {role: _first(processor, f"<|{role}|>") for role in ROLES}
        has_symbols = symbols["user"] >= 0 and symbols["assistant"] >= 0
        return cls(
            model.size,
            tuple(sentinels),
            tuple(symbols[role] if symbols[role] >= 0 else symbols["user"] for role in ROLES) if has_symbols else (),
            hashlib.sha256(model.path.read_bytes()).hexdigest(),
        )


def _first(processor: Any, *pieces: str) -> int:
    """The id of the first of these pieces that there is; -1 where there is none."""
    for piece in pieces:
        number = int(processor.piece_to_id(piece))
        if number != UNK:
            return number
    return -1
