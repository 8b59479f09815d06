"""Read evaluation sets, and find the rows of a build that hold one of their texts.

The sets are small and are read whole, in any format of a source. Tasks read their index from one file.
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
    """The evaluation sets to keep out, and when a row counts as holding one of their texts."""

    sets: tuple[EvaluationSet, ...] = field(default_factory=tuple)  # [[decontaminate.sets]] with name and path

    def __post_init__(self) -> None:
        names = [evaluation_set.name for evaluation_set in self.sets]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError(f"two evaluation sets are called {twice[0]}: give each set another name")


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

    Every text in a row counts, at any depth (a question, its choices, its answer), or only the named fields. Texts that
    many rows of a set have in one field, such as a licence or an instruction, do not count, nor do bare web addresses.

    Raises:
        SourceError: a set has no rows, or a row that cannot be read. A skipped row could be trained on.
    """
    items: list[EvaluationText] = []
    inputs: list[Input] = []
    for evaluation_set in sets:
        planned = plan([(evaluation_set.path, evaluation_set.encoding)])
        inputs += planned.inputs
        texts = list(
            _texts_of_set(evaluation_set, [row_range.slice for task in planned.tasks for row_range in task.slices])
        )
        if not texts:
            fields = f" under {', '.join(evaluation_set.fields)}" if evaluation_set.fields else ""
            raise SourceError(f"evaluation set {evaluation_set.name}: no text in {evaluation_set.path}{fields}")
        items += texts
    return items, inputs


def _texts_of_set(evaluation_set: EvaluationSet, slices: Sequence[tables.Slice]) -> Iterator[EvaluationText]:
    name, fields = evaluation_set.name, evaluation_set.fields
    texts, rows = _read_texts(name, slices)
    if missing := [field for field in fields if not any(_is_in(text.field, field) for text in texts)]:
        known = {text.field for text in texts}
        raise UnknownNameError(f"field of evaluation set {name}", missing[0], known, "expected one with text in it")
    wanted = [text for text in texts if _is_wanted(text.field, fields) and not _ADDRESS.fullmatch(text.text)]
    counts = Counter((text.field, text.text) for text in wanted)
    most = max(_MOST_AT_LEAST, _MOST_SHARE * rows) if rows > _FEW_ROWS else rows
    distinctive = [text for text in wanted if counts[text.field, text.text] <= most]
    for item, _, text in distinctive or wanted:
        yield EvaluationText(name, item, text)
        # Ingest cleans rows, so the cleaned form of the text must be found, too.
        cleaned = privacy.mask(normalize(text))[0]
        if cleaned != text:
            yield EvaluationText(name, item, cleaned)


def _read_texts(name: str, slices: Sequence[tables.Slice]) -> tuple[list[_Text], int]:
    """Return every text of a set, and the number of its rows."""
    texts: list[_Text] = []
    rows = 0
    many_files = len({part.name for part in slices}) > 1  # ids may be the same in two files
    for part in slices:
        prefix = f"{part.name}:" if many_files else ""
        for row in itertools.chain.from_iterable(tables.read(part)):
            if isinstance(row, tables.BadRow):
                fault = f"{row.location} cannot be read ({row.fault}: {row.detail})"
                raise SourceError(f"evaluation set {name}: {fault}")
            rows += 1
            for text in _texts(row.data, _Text("", "", "")):
                item = f"{prefix}{_NO_CHARACTER.sub(_UNKNOWN, text.item)}" if text.item else ""
                texts.append(text._replace(item=item or tables.location(part, row.number)))
    return texts, rows


class _Text(NamedTuple):
    """A text in a row, with the id of its example and the path of its field, such as `answers.text`."""

    item: str
    field: str
    text: str


_FEW_ROWS: Final = 20
# A text does not count if more rows than this share, and than this number, have it in one field.
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


def _texts(value: Any, parent: _Text) -> Iterator[_Text]:
    """Yield every text in a value. Members of a list have one field name; an object with an id is its own example."""
    if isinstance(value, str):
        yield parent._replace(text=value)
    elif isinstance(value, Mapping):
        if value.get("id"):
            parent = parent._replace(item=str(value["id"]))
        for name, member in value.items():
            yield from _texts(member, parent._replace(field=f"{parent.field}.{name}" if parent.field else str(name)))
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _texts(member, parent)


def hits(
    index: Path, texts: Sequence[str], config: ContaminationConfig
) -> Iterator[tuple[int, ContaminationHit, tuple[str, str]]]:
    """Yield for each row that holds an evaluation text: its index, the hit, and the set and id of the text."""
    index = local(index)
    stat = index.stat()
    loaded = _load(index, stat.st_ino, stat.st_mtime_ns)
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        for hit in find(texts[start : start + _ROWS_AT_ONCE], loaded, config):
            yield start + hit.row, hit, loaded.name(hit.item)


@functools.lru_cache(maxsize=1)
def _load(index: Path, *_: int) -> ContaminationIndex:
    # Cached by inode and time, too: a later run in the same process may write another index to the same path.
    return ContaminationIndex.load(index)
