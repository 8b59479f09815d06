"""Preference pairs: of several answers to one question, the chosen one and one that was passed over.

A stage in which generators compete keeps the losers among its rejects, as `not_chosen`, whole and with the id of the
row that was chosen instead. A part of `rejects/` speaks of the part of `data/` that has its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from collection import record, store
from collection.record import Message, Record
from collection.reject import Reason
from core.errors import SourceError

_CHOSEN: Final = "chosen: "


@dataclass(frozen=True, slots=True)
class Preference:
    """A record, and an answer to the same question that is worse, with the model that gave it."""

    chosen: Record
    rejected: str
    rejected_by: str

    def to_json(self) -> dict[str, Any]:
        """Return the pair in the form that trainers read: `prompt`, `chosen` and `rejected`, each a list of turns."""

        def turns(*messages: Message) -> list[dict[str, str]]:
            return [message._asdict() for message in messages]

        return {
            "id": self.chosen.id,
            "language": self.chosen.language,
            "prompt": turns(*self.chosen.messages[:-1]),
            "chosen": turns(self.chosen.messages[-1]),
            "rejected": turns(Message("assistant", self.rejected)),
            "chosen_model": self.chosen.generator,
            "rejected_model": self.rejected_by,
        }


def preferences(folder: Path) -> Iterator[Preference]:
    """Every pair of a folder, in the order of the chosen rows; pairs of equal answers are left out.

    SourceError where a loser was cut when it was stored.
    """
    for path in store.parts(folder, "rejects"):
        losers = _losers(path)
        if not losers:
            continue
        for batch in store.batches(folder / "data" / path.name):
            for chosen in record.from_batch(batch):
                for text, model in losers.get(chosen.id, ()):
                    if text != chosen.target:
                        yield Preference(chosen, text, model)


def _losers(path: Path) -> Mapping[str, list[tuple[str, str]]]:
    """Answers that were passed over and their models, by the id of the row that was chosen."""
    losers: dict[str, list[tuple[str, str]]] = {}
    for batch in store.batches(path, ["reason", "detail", "raw"]):
        for row in batch.to_pylist():
            if row["reason"] != Reason.NOT_CHOSEN.value:
                continue
            try:
                raw = json.loads(row["raw"])
            except ValueError:
                raise SourceError(
                    f"{path}: an answer that was not chosen is cut: make it with a larger raw_limit"
                ) from None
            chosen = row["detail"].removeprefix(_CHOSEN)
            losers.setdefault(chosen, []).append((raw["messages"][-1]["content"], raw["generator"] or ""))
    return losers
