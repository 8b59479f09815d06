"""Decontamination: rows that hold an item of an evaluation set are kept out of what is built.

The sets are small and are read at once, whatever their form; their index travels to the tasks as one file.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from collection.contamination import ContaminationConfig, Hit, Index, Item, find
from collection.manifest import Input
from collection.reject import Reject
from glotmill.errors import SourceError
from glotmill.paths import local
from pipelines import readers
from pipelines.shards import plan

_ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True)
class EvaluationSet:
    """A set that must not be trained on. `path` is as that of a source: file, folder, glob, hf://."""

    name: str
    path: str
    encoding: str = "utf-8"
    fields: tuple[str, ...] = ()  # such as ["question", "answers.text"]; empty: every text in a row


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

    Every text in a row counts, however deep in it: a question, its choices, its answer; or those in the fields that are
    named. What most rows of a set say in one field, a licence or an instruction, is no item, and no bare address is.
    SourceError for a set without rows, or with one that cannot be read: an item passed over would be trained on.
    """
    items: list[Item] = []
    inputs: list[Input] = []
    for one in sets:
        planned = plan([(one.path, one.encoding)])
        inputs += planned.inputs
        found = _items(one, [piece.slice for task in planned.tasks for piece in task.pieces])
        if not found:
            fields = f" under {', '.join(one.fields)}" if one.fields else ""
            raise SourceError(f"evaluation set {one.name}: no text in {one.path}{fields}")
        items += found
    return items, inputs


def _items(one: EvaluationSet, slices: Sequence[readers.Slice]) -> list[Item]:
    texts: list[tuple[str, str, str]] = []  # item, field, text
    rows = 0
    several = len({part.name for part in slices}) > 1  # their ids may be the same
    for part in slices:
        for row in itertools.chain.from_iterable(readers.read(part)):
            if isinstance(row, Reject):
                what = f"{row.location} cannot be read ({row.reason}: {row.detail})"
                raise SourceError(f"evaluation set {one.name}: {what}")
            rows += 1
            named = _CLEAN.sub("\ufffd", str(row.data.get("id") or ""))
            place = f"{part.name}:{named}" if several else named
            texts += [
                (place if named else readers.location(part, row.number), field, text)
                for field, text in _texts(row.data)
                if _is_wanted(field, one.fields) and not _ADDRESS.fullmatch(text)
            ]
    said = Counter((field, text) for _, field, text in texts) if rows > _FEW_ROWS else Counter()
    return [Item(one.name, name, text) for name, field, text in texts if said[field, text] <= rows / 2]


_FEW_ROWS: Final = 20
_CLEAN: Final = re.compile(r"[\ud800-\udfff]")
_ADDRESS: Final = re.compile(r"\s*(?:[A-Za-z][\w+.-]*://|www\.)\S+\s*")


def _is_wanted(field: str, fields: Sequence[str]) -> bool:
    return not fields or any(field == name or field.startswith(f"{name}.") for name in fields)


def _texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, with the names that lead to it; the members of a list have one name."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(one, f"{field}.{name}" if field else str(name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, field)


def hits(index: Path, texts: Sequence[str], config: ContaminationConfig) -> Iterator[tuple[int, Hit, tuple[str, str]]]:
    """Each row that holds an item: its place, the hit, and set and id of the item."""
    index = local(index)
    stat = index.stat()
    found = _load(index, stat.st_ino, stat.st_mtime_ns)
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        for hit in find(texts[start : start + _ROWS_AT_ONCE], found, config):
            yield start + hit.row, hit, found.name(hit.item)


@functools.lru_cache(maxsize=1)
def _load(index: Path, *_: int) -> Index:
    # Kept by what the file is, not by its name alone: a later run in the same process has another one there.
    return Index.load(index)
