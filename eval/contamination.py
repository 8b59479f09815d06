"""Is what a model is asked in what it was trained on? Looked up in the collection, by n-grams of every script."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from collection import store
from collection.contamination import ContaminationIndex, EvaluationText, find_all, plain
from core.errors import SourceError

_TOGETHER: Final = 2_000
_HELD_OUT: Final = ("validation", "test")  # splits that nothing is trained on


class Share(NamedTuple):
    """The share of a task's examples in one language that the collection holds; too short ones are left out."""

    items: int
    told: int
    found: int

    @property
    def share(self) -> float | None:
        return self.found / self.told if self.told else None


def measure(sets: Mapping[str, Mapping[str, Sequence[str]]], collection: Path) -> dict[str, Share]:
    """For each set, the texts of whose items stand by id, what the collection's training rows hold of it.

    SourceError where there is no collection.
    """
    check_collection(collection)
    items = [
        EvaluationText(name, key, text)
        for name, its in sets.items()
        for key, texts in its.items()
        for text in texts
        if text
    ]
    index = ContaminationIndex.of(items)
    # A text that several examples share is in the index once, in the order of first occurrence.
    owners: dict[tuple[str, str], set[str]] = {}
    for item in items:
        owners.setdefault((item.set, plain(item.text)), set()).add(item.id)
    places = list(owners.items())
    found: dict[str, set[str]] = defaultdict(set)
    rows = iter(_texts(collection))
    while some := list(islice(rows, _TOGETHER)):
        for hit in find_all(some, index):
            (name, _), keys = places[hit.item]
            found[name] |= keys
    counts = index.counts()
    shares = {}
    for name, its in sets.items():
        total = counts.get(name)
        too_short = total.short_items if total else len(its)
        shares[name] = Share(len(its), len(its) - too_short, len(found[name]))
    return shares


def check_collection(collection: Path) -> None:
    """SourceError where there is no collection."""
    if not (collection / "manifest.json").is_file():
        raise SourceError(f"{collection} is no collection: expected a folder that `glotmill build` wrote")


def _texts(collection: Path) -> Iterable[str]:
    for record in store.records(collection):
        if record.split not in _HELD_OUT:
            yield "\n".join(message.content for message in record.messages)
