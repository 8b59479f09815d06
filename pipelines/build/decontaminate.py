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
from typing import Any, Final, NamedTuple

from collection import privacy
from collection.contamination import ContaminationConfig, ContaminationHit, ContaminationIndex, EvaluationText, find
from collection.manifest import Input
from collection.normalize import normalize
from core import tables
from core.errors import ConfigError, SourceError, UnknownNameError
from core.paths import local
from pipelines.shards import plan

_ROWS_AT_ONCE: Final = 1_000


@dataclass(frozen=True)
class EvaluationSet:
    """A set that must not be trained on. `path` is as that of a source: file, folder, glob, hf://."""

    name: str
    path: str
    encoding: str = "utf-8"
    fields: tuple[str, ...] = ()  # such as ["question", "answers.text"]; empty: every text in a row

    def __post_init__(self) -> None:
        if not self.name or not self.path or not all(self.fields):
            raise ConfigError(f"evaluation set {self.name!r}: expected a name, a path, and no empty field")


@dataclass(frozen=True)
class DecontaminateConfig(ContaminationConfig):
    """Which evaluation sets are kept out, and what counts as one of their items."""

    sets: tuple[EvaluationSet, ...] = field(default_factory=tuple)  # [[decontaminate.sets]] with name and path

    def __post_init__(self) -> None:
        names = [one.name for one in self.sets]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError(f"two evaluation sets are called {twice[0]}: expected a name of its own for each")


def report(index: ContaminationIndex, rows: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """Return for each set its items, those too short to check, those found, and the rows dropped by language.

    `rows` are the set, the item and the language of each row that was dropped.
    """
    hit: dict[str, set[str]] = {}
    languages: dict[str, Counter[str]] = {}
    for name, item, language in rows:
        hit.setdefault(name, set()).add(item)
        languages.setdefault(name, Counter())[language] += 1
    return {
        name: {
            "items": total.items,
            "too_short": total.short_items,
            "texts": total.texts,
            "texts_too_short": total.short_texts,
            "items_hit": len(hit.get(name, ())),
            "rows_dropped": sum(languages.get(name, Counter()).values()),
            "languages": dict(sorted(languages.get(name, Counter()).items())),
        }
        for name, total in index.counts().items()
    }


def read_sets(sets: Sequence[EvaluationSet]) -> tuple[list[EvaluationText], list[Input]]:
    """Return the texts of all sets, and the files that they were read from.

    Every text in a row counts, however deep in it: a question, its choices, its answer; or those in the fields that are
    named. What many rows of a set say in one field, a licence or an instruction, is no item, and no bare address is.
    SourceError for a set without rows, or with one that cannot be read: an item passed over would be trained on.
    """
    items: list[EvaluationText] = []
    inputs: list[Input] = []
    for one in sets:
        planned = plan([(one.path, one.encoding)])
        inputs += planned.inputs
        found = list(_items(one, [piece.slice for task in planned.tasks for piece in task.slices]))
        if not found:
            fields = f" under {', '.join(one.fields)}" if one.fields else ""
            raise SourceError(f"evaluation set {one.name}: no text in {one.path}{fields}")
        items += found
    return items, inputs


def _items(one: EvaluationSet, slices: Sequence[tables.Slice]) -> Iterator[EvaluationText]:
    texts: list[_Text] = []
    rows = 0
    several = len({part.name for part in slices}) > 1  # their ids may be the same
    for part in slices:
        for row in itertools.chain.from_iterable(tables.read(part)):
            if isinstance(row, tables.BadRow):
                what = f"{row.location} cannot be read ({row.fault}: {row.detail})"
                raise SourceError(f"evaluation set {one.name}: {what}")
            rows += 1
            before = f"{part.name}:" if several else ""
            for found in _texts(row.data, _Text("", "", "")):
                named = f"{before}{_NO_CHARACTER.sub(_UNKNOWN, found.item)}" if found.item else ""
                texts.append(found._replace(item=named or tables.location(part, row.number)))
    if missing := [name for name in one.fields if not any(_is_in(text.field, name) for text in texts)]:
        known = {text.field for text in texts}
        raise UnknownNameError(f"field of evaluation set {one.name}", missing[0], known, "expected one with text in it")
    wanted = [text for text in texts if _is_wanted(text.field, one.fields) and not _ADDRESS.fullmatch(text.text)]
    said = Counter((text.field, text.text) for text in wanted)
    most = max(_MOST_AT_LEAST, _MOST_SHARE * rows) if rows > _FEW_ROWS else rows
    telling = [text for text in wanted if said[text.field, text.text] <= most]
    for item, _, text in telling or wanted:
        yield EvaluationText(one.name, item, text)
        # Rows were cleaned when they were ingested: an item has to be found in what became of it.
        cleaned = privacy.mask(normalize(text))[0]
        if cleaned != text:
            yield EvaluationText(one.name, item, cleaned)


class _Text(NamedTuple):
    """A text in a row: the item that it belongs to, the names that lead to it, itself."""

    item: str
    field: str
    text: str


_FEW_ROWS: Final = 20
# A text that more of a set's rows say in one field is no item.
_MOST_SHARE, _MOST_AT_LEAST = 0.05, 10
_NO_CHARACTER: Final = re.compile(r"[\ud800-\udfff]")
_UNKNOWN: Final = "\N{REPLACEMENT CHARACTER}"
_ADDRESS: Final = re.compile(r"\s*(?:[A-Za-z][\w+.-]*://|www\.)\S+\s*")


def _is_wanted(field: str, fields: Sequence[str]) -> bool:
    if fields:
        return any(_is_in(field, name) for name in fields)
    return field.rpartition(".")[2] != "id"


def _is_in(field: str, name: str) -> bool:
    return field == name or field.startswith(f"{name}.")


def _texts(value: Any, there: _Text) -> Iterator[_Text]:
    """Every text in a value; the members of a list have one name, and an object with an id is an item of its own."""
    if isinstance(value, str):
        yield there._replace(text=value)
    elif isinstance(value, Mapping):
        if value.get("id"):
            there = there._replace(item=str(value["id"]))
        for name, one in value.items():
            yield from _texts(one, there._replace(field=f"{there.field}.{name}" if there.field else str(name)))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, there)


def hits(
    index: Path, texts: Sequence[str], config: ContaminationConfig
) -> Iterator[tuple[int, ContaminationHit, tuple[str, str]]]:
    """Each row that holds an item: its place, the hit, and set and id of the item."""
    index = local(index)
    stat = index.stat()
    found = _load(index, stat.st_ino, stat.st_mtime_ns)
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        for hit in find(texts[start : start + _ROWS_AT_ONCE], found, config):
            yield start + hit.row, hit, found.name(hit.item)


@functools.lru_cache(maxsize=1)
def _load(index: Path, *_: int) -> ContaminationIndex:
    # Kept by what the file is, not by its name alone: a later run in the same process has another one there.
    return ContaminationIndex.load(index)
