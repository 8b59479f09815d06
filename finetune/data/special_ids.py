"""Read the special ids of a tokenizer, as the training data needs them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from collection.record import ROLES
from core.errors import SourceError
from tokenizer.vocabulary import EOS, PAD, UNK, Tokenizer

_SPACE: Final = "\u2581"  # mT5's own model has its sentinels with this in front


@dataclass(frozen=True)
class SpecialIds:
    """A tokenizer's size, the ids that mark the turns of a conversation, and the sentinels of span corruption."""

    size: int
    sentinels: tuple[int, ...] = ()  # <extra_id_0> first
    roles: tuple[int, ...] = ()  # the symbol of each of collection.record.ROLES; empty where the tokenizer has none
    sha256: str = ""  # of tokenizer.model
    pad: int = PAD
    eos: int = EOS

    @classmethod
    def of(cls, tokenizer: Path) -> SpecialIds:
        """Read them from a folder that `glotmill tokenizer train` wrote, or from a .model file.

        A tokenizer with <|user|> and <|assistant|> has role symbols. Where it lacks <|system|> or <|tool|>, those turns
        take the user's symbol, since their text also comes from outside the model.

        Raises:
            SourceError: the path is neither.
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

    def check(self, *arrays: npt.NDArray[np.int32]) -> None:
        """Raise a SourceError if an array has an id that the tokenizer does not have."""
        for ids in arrays:
            # Seen as unsigned numbers, negative ids are too large as well.
            if ids.size and (most := int(ids.view(np.uint32).max())) >= self.size:
                raise SourceError(
                    f"the training data has id {most}; expected ids below {self.size}, the size of the tokenizer. "
                    "Find the damaged token shard with `glotmill collection validate`"
                )


def _first(processor: Any, *pieces: str) -> int:
    """Return the id of the first of these pieces that the tokenizer has, or -1."""
    for piece in pieces:
        number = int(processor.piece_to_id(piece))
        if number != UNK:
            return number
    return -1
