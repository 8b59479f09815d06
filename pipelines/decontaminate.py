"""Decontamination: rows that hold an item of an evaluation set are kept out of what is built.

The sets are small and are read at once, whatever their form; their index travels to the tasks as one file.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from collection.contamination import ContaminationConfig, Hit, Index, Item, find
from collection.manifest import Input
from collection.reject import Reject
from glotmill.errors import SourceError
from pipelines import readers
from pipelines.shards import plan

_ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True)
class EvaluationSet:
    """A set that must not be trained on. `path` is as that of a source: file, folder, glob, hf://."""

    name: str
    path: str
    encoding: str = "utf-8"


@dataclass(frozen=True)
class DecontaminateConfig(ContaminationConfig):
    """Which evaluation sets are kept out, and what counts as one of their items."""

    sets: tuple[EvaluationSet, ...] = field(default_factory=tuple)  # [[decontaminate.sets]] with name and path


def report(index: Index, rows: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """What was found of each set: its items, those too short to be told, those hit; rows dropped by language.

    `rows` are the set, the item and the language of each row that was dropped.
    """
    hit: dict[str, set[str]] = {}
    languages: dict[str, Counter[str]] = {}
    for name, item, language in rows:
        hit.setdefault(name, set()).add(item)
        languages.setdefault(name, Counter())[language] += 1
    return {
        name: {
            "items": items,
            "too_short": too_short,
            "items_hit": len(hit.get(name, ())),
            "rows_dropped": sum(languages.get(name, Counter()).values()),
            "languages": dict(sorted(languages.get(name, Counter()).items())),
        }
        for name, (items, too_short) in index.counts().items()
    }


def read_sets(sets: Sequence[EvaluationSet]) -> tuple[list[Item], list[Input]]:
    """The texts of all sets, and the files that they were read from.

    Every text in a row counts, however deep in it: a question, its choices, its answer. SourceError for a set without
    rows, or with one that cannot be read: an item that is passed over would be trained on.
    """
    items: list[Item] = []
    inputs: list[Input] = []
    for one in sets:
        planned = plan([(one.path, one.encoding)])
        inputs += planned.inputs
        before = len(items)
        for part in (piece.slice for task in planned.tasks for piece in task.pieces):
            for row in itertools.chain.from_iterable(readers.read(part)):
                if isinstance(row, Reject):
                    raise SourceError(
                        f"evaluation set {one.name}: {row.location} cannot be read ({row.reason}: {row.detail})"
                    )
                place = readers.location(part, row.number)
                named = str(row.data.get("id") or place)
                items += [Item(one.name, named, text) for text in _texts(row.data)]
        if len(items) == before:
            raise SourceError(f"evaluation set {one.name}: no text in {one.path}")
    return items, inputs


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def hits(index: Path, texts: Sequence[str], config: ContaminationConfig) -> Iterator[tuple[int, Hit, tuple[str, str]]]:
    """Each row that holds an item: its place, the hit, and set and id of the item."""
    stat = index.stat()
    found = _load(index, stat.st_ino, stat.st_mtime_ns)
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        for hit in find(texts[start : start + _ROWS_AT_ONCE], found, config):
            yield start + hit.row, hit, found.name(hit.item)


@functools.lru_cache(maxsize=1)
def _load(index: Path, *_: int) -> Index:
    # Kept by what the file is, not by its name alone: a later run in the same process has another one there.
    return Index.load(index)
