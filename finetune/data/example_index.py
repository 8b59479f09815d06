"""Where the examples of a source stand in its store, group by group: one array of pointers, a stretch for each group.

A group is the examples of one data set in one language that are for one use. The array is memory-mapped: a source of
hundreds of millions of rows takes no more memory than a small one.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from core import files
from core.errors import OutputError, explain_os_error
from finetune.data.conversation import ASSISTANT
from finetune.data.shuffle import key_of, mix
from finetune.data.spans import SHORTEST, pieces
from finetune.data.store_layout import Kind
from finetune.data.token_store import ExampleStore, taking_turns

FORMAT: Final = 2
POINTER: Final = np.dtype([("turn", "<i8"), ("piece", "<i4")])
_CHUNK: Final = 1 << 20
_HOLD_OUT: Final = key_of("held out")
TRAINED: Final = frozenset(("", "train"))  # splits

Purpose = Literal["train", "validation"]
Use = Literal["answers", "spans"]


class Group(NamedTuple):
    """A stretch of an index; `dataset` is the rows' source where they have no data set."""

    dataset: str
    language: str
    purpose: Purpose
    start: int
    size: int


@dataclass(frozen=True)
class Selection:
    """Which rows of a store count, and what an example of them is."""

    use: Use
    of: tuple[str, ...] = ()  # only rows of these sources; empty: all
    all_turns: bool = True  # answers: every assistant turn, or the last one
    longest: int = 0  # spans: a longer text is taken in pieces
    hold_out: float = 0.0  # share of the rows that validate instead
    hold_out_of: tuple[str, ...] = field(default=())  # in these languages


@dataclass(frozen=True)
class ExampleIndex:
    """The examples of a source for one use; `left_out` counts turns that make none, by reason."""

    path: Path
    groups: tuple[Group, ...]
    left_out: dict[str, int]

    @cached_property
    def pointers(self) -> npt.NDArray[Any]:
        """[examples] of POINTER, in the order of the groups."""
        size = sum(group.size for group in self.groups)
        return np.asarray(np.memmap(self.path, POINTER, "r", shape=(size,))) if size else np.empty(0, POINTER)

    @classmethod
    def open(cls, store: ExampleStore, selection: Selection) -> ExampleIndex:
        """The index of a store, kept beside it and made where it is not there yet."""
        name = f"index-{key_of(FORMAT, json.dumps(dataclasses.asdict(selection), sort_keys=True)):016x}"
        path = store.folder / f"{name}.bin"
        try:
            with taking_turns(path):
                return cls._read(path) or cls._write(path, store, selection)
        except OSError as error:
            raise OutputError(explain_os_error(error, f"cannot write the index of the examples to {path}")) from error

    @classmethod
    def _read(cls, path: Path) -> ExampleIndex | None:
        """The index at a path; None where there is none, or not a whole one."""
        try:
            values = json.loads(path.with_suffix(".json").read_text("utf-8"))
            found = cls(path, tuple(Group(*group) for group in values["groups"]), values["left_out"])
            whole = path.stat().st_size == sum(group.size for group in found.groups) * POINTER.itemsize
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return found if whole else None

    @classmethod
    def _write(cls, path: Path, store: ExampleStore, selection: Selection) -> ExampleIndex:
        with files.appearing(path) as temporary:
            groups, left_out = _make(temporary, store, selection)
        values = {"groups": groups, "left_out": left_out}
        files.write_text(path.with_suffix(".json"), json.dumps(values, ensure_ascii=False))
        return cls(path, tuple(groups), left_out)


def _make(path: Path, store: ExampleStore, selection: Selection) -> tuple[list[Group], dict[str, int]]:
    """Counts the examples of each group, then puts each in its place."""
    keys, tables = _keys(store, selection)
    left_out: Counter[str] = Counter()
    counts = np.zeros(len(keys), np.int64)
    for groups, _ in _examples(store, selection, tables, left_out):
        counts += np.bincount(groups, minlength=len(keys))
    next_place = np.cumsum(counts) - counts
    filled = [
        Group(*key, int(start), int(size)) for key, start, size in zip(keys, next_place, counts, strict=True) if size
    ]
    path.touch()
    if counts.sum():
        out = np.memmap(path, POINTER, "w+", shape=(int(counts.sum()),))
        for groups, pointers in _examples(store, selection, tables, Counter()):
            order = np.argsort(groups, kind="stable")
            here = np.bincount(groups, minlength=len(keys))
            offset = np.repeat(next_place - (np.cumsum(here) - here), here)
            out[np.arange(len(order)) + offset] = pointers[order]
            next_place += here
        out.flush()
    return filled, dict(left_out)


def _keys(
    store: ExampleStore, selection: Selection
) -> tuple[list[tuple[str, str, Purpose]], tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """The groups that there can be, and of each kind of row its group, when it is not held out and when it is."""

    def purpose(kind: Kind, held: bool) -> Purpose | None:
        if (selection.of and kind.source not in selection.of) or kind.split not in TRAINED | {"validation"}:
            return None
        held = held and kind.language in selection.hold_out_of
        return "validation" if held or kind.split == "validation" else "train"

    wanted = [
        [
            (kind.dataset or kind.source, kind.language, found) if (found := purpose(kind, held)) else None
            for kind in store.kinds
        ]
        for held in (False, True)
    ]
    keys = sorted({key for column in wanted for key in column if key})
    numbers = {key: number for number, key in enumerate(keys)}
    first, second = (np.array([numbers[key] if key else -1 for key in column], np.int64) for column in wanted)
    return keys, (first, second)


def _examples(
    store: ExampleStore,
    selection: Selection,
    tables: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    left_out: Counter[str],
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[Any]]]:
    """Group and pointer of every example, a stretch of turns at a time."""
    candidates = _answers if selection.use == "answers" else _texts
    for start in range(0, store.turns, _CHUNK):
        pointers, none = candidates(store, selection, start, min(start + _CHUNK, store.turns))
        for reason, turns in none.items():  # of rows that count at all
            left_out[reason] += int((tables[0][store.row_kinds[store.turn_rows[turns]]] >= 0).sum())
        rows = store.turn_rows[pointers["turn"]]
        kinds = store.row_kinds[rows]
        groups = tables[0][kinds]
        if selection.hold_out:
            held = is_held_out(store.row_ids[rows], selection.hold_out)
            groups = np.where(held, tables[1][kinds], groups)
        yield groups[groups >= 0], pointers[groups >= 0]


def is_held_out(row_ids: npt.NDArray[np.uint8], share: float) -> npt.NDArray[np.bool_]:
    """Of ids [rows, 16], which fall into the share that validates: the same ones in every run and collection."""
    ends = np.ascontiguousarray(row_ids[:, 8:]).view("<u8").reshape(-1)
    return np.asarray(mix(ends ^ np.uint64(_HOLD_OUT)) < np.uint64(share * 2.0**64))


# Examples, and the turns that make none, by reason.
Candidates = tuple[npt.NDArray[Any], dict[str, npt.NDArray[np.int64]]]


def _answers(store: ExampleStore, selection: Selection, start: int, end: int) -> Candidates:
    """Assistant turns that say something, after something was said."""
    turns = np.arange(start, end)
    unanswered = turns[:0]
    is_answer = store.turn_roles[start:end] == ASSISTANT
    if not selection.all_turns:
        is_last = turns + 1 == store.row_turns[store.turn_rows[start:end] + 1]
        unanswered = turns[is_last & ~is_answer]
        is_answer &= is_last
    answers = turns[is_answer]
    starts = store.turn_starts[answers]
    empty = store.turn_starts[answers + 1] == starts
    unasked = ~empty & (starts == store.turn_starts[store.row_turns[store.turn_rows[answers]]])
    return _pointers(answers[~empty & ~unasked]), {
        "empty answers": answers[empty],
        "answers to nothing": answers[unasked],
        "conversations that do not end with an answer": unanswered,
    }


def _texts(store: ExampleStore, selection: Selection, start: int, end: int) -> Candidates:
    """Every turn, whoever said it, in pieces."""
    lengths = np.diff(store.turn_starts[start : end + 1])
    long_enough = lengths >= SHORTEST
    turns = start + np.flatnonzero(long_enough)
    counts = pieces(lengths[long_enough], selection.longest)
    out = _pointers(np.repeat(turns, counts))
    out["piece"] = np.arange(len(out)) - np.repeat(np.cumsum(counts) - counts, counts)
    return out, {"texts of one id or none": start + np.flatnonzero(~long_enough)}


def _pointers(turns: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    out = np.zeros(len(turns), POINTER)
    out["turn"] = turns
    return out
