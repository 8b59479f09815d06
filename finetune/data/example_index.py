"""List the examples of a source, sorted by group: one array of EXAMPLE, in which each group is a range.

A group is the examples of one data set in one language that are for one purpose. An index is made when a run begins. It
is in memory, or, where it is large, in a temporary file that is mapped: sources of any size take little memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.data.examples import EXAMPLE, ExampleKind
from finetune.data.shuffle import key_of, mix
from finetune.data.token_store import RowKind, TokenBatch, TokenStore, scratch_array

_HOLD_OUT: Final = key_of("held out")
TRAINED: Final = frozenset(("", "train"))  # splits

Purpose = Literal["train", "validation"]
Numbers = npt.NDArray[np.int64]


class ExampleGroup(NamedTuple):
    """A range of an index; `dataset` is the rows' source where they have no data set."""

    dataset: str
    language: str
    purpose: Purpose
    start: int
    size: int


@dataclass(frozen=True)
class RowSelection:
    """The rows of a store that count, and those of them that validate."""

    of: tuple[str, ...] = ()  # only rows of these sources; empty: all
    hold_out: float = 0.0  # share of the rows that validate instead
    hold_out_of: tuple[str, ...] = ()  # in these languages

    def purpose(self, kind: RowKind, held_out: bool) -> Purpose | None:
        """Return what rows of a kind are for; None where they do not count."""
        if (self.of and kind.source not in self.of) or kind.split not in TRAINED | {"validation"}:
            return None
        held_out = held_out and kind.language in self.hold_out_of
        return "validation" if held_out or kind.split == "validation" else "train"


@dataclass(frozen=True, eq=False)
class ExampleIndex:
    """The examples of a store of one kind; `left_out` counts turns that make no example, by reason."""

    store: TokenStore
    kind: ExampleKind
    groups: tuple[ExampleGroup, ...]
    examples: npt.NDArray[Any]  # of EXAMPLE, in the order of the groups
    left_out: dict[str, int]

    @classmethod
    def of(cls, store: TokenStore, kind: ExampleKind, selection: RowSelection) -> ExampleIndex:
        """Count the examples of each group, then put each example in its place."""
        table = _GroupTable.of(store, selection)
        left_out: Counter[str] = Counter()
        counts = np.zeros(len(table.keys), np.int64)
        for groups, _ in _by_batch(store, kind, table, left_out):
            counts += np.bincount(groups, minlength=len(counts))
        starts = np.cumsum(counts) - counts
        out = scratch_array(int(counts.sum()), EXAMPLE)
        free = starts.copy()  # the first free place of each group
        for groups, examples in _by_batch(store, kind, table, Counter()):
            by_group = np.argsort(groups, kind="stable")
            added = np.bincount(groups, minlength=len(counts))
            offsets = np.repeat(free - (np.cumsum(added) - added), added)
            out[np.arange(len(by_group)) + offsets] = examples[by_group]
            free += added
        ranges = zip(table.keys, starts.tolist(), counts.tolist(), strict=True)
        groups_with_examples = tuple(ExampleGroup(*key, start, size) for key, start, size in ranges if size)
        return cls(store, kind, groups_with_examples, out, dict(left_out))


@dataclass(frozen=True, eq=False)
class _GroupTable:
    """The groups that rows can be in; of each kind of row the group's number, or -1 where the row does not count."""

    keys: tuple[tuple[str, str, Purpose], ...]
    group: Numbers  # [kinds]
    group_held_out: Numbers  # [kinds], of rows that are held out
    hold_out: float

    @classmethod
    def of(cls, store: TokenStore, selection: RowSelection) -> _GroupTable:
        wanted = [
            [
                (kind.dataset or kind.source, kind.language, purpose)
                if (purpose := selection.purpose(kind, held_out))
                else None
                for kind in store.kinds
            ]
            for held_out in (False, True)
        ]
        keys = sorted({key for column in wanted for key in column if key})
        numbers = {key: number for number, key in enumerate(keys)}
        group, held_out = (np.array([numbers[key] if key else -1 for key in column], np.int64) for column in wanted)
        return cls(tuple(keys), group, held_out, selection.hold_out)

    def groups_of(self, batch: TokenBatch, rows: npt.NDArray[Any]) -> Numbers:
        """Return the group of each of some rows."""
        kinds = batch.row_kinds[rows]
        if not self.hold_out:
            return self.group[kinds]
        held_out = is_held_out(batch.id_words(rows), self.hold_out)
        return np.where(held_out, self.group_held_out[kinds], self.group[kinds])


def _by_batch(
    store: TokenStore, kind: ExampleKind, table: _GroupTable, left_out: Counter[str]
) -> Iterator[tuple[Numbers, npt.NDArray[Any]]]:
    """Yield group and example of all examples of rows that count, batch by batch."""
    for number, batch in enumerate(store.batches):
        found = kind.find(batch)
        for reason, rows in found.left_out.items():
            left_out[reason] += int((table.group[batch.row_kinds[rows]] >= 0).sum())
        groups = table.groups_of(batch, found.examples["row"])
        found.examples["batch"] = number
        counts = groups >= 0
        yield groups[counts], found.examples[counts]


def is_held_out(id_words: npt.NDArray[np.uint64], share: float) -> npt.NDArray[np.bool_]:
    """Return which record ids, [rows, 2], fall into the share that validates: the same in every run and collection."""
    return np.asarray(mix(id_words[:, 1] ^ np.uint64(_HOLD_OUT)) < np.uint64(share * 2.0**64))
