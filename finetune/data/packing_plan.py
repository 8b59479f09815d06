"""Plan a block: some thousand examples, drawn, shuffled and packed together, as a function of the seed and its number.

A plan knows lengths only. Every host makes the same plans, and reads the ids of its own rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.data.example_index import ExampleIndex
from finetune.data.examples import EXAMPLE, ExamplePointer, Lengths, Pair
from finetune.data.packing import first_fit
from finetune.data.shuffle import key_of, order
from finetune.data.sources import DataSources

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PackingPlan:
    """The examples of a block, sorted by row: those of row r are row_starts[r] to row_starts[r + 1]."""

    block: int
    group: Numbers  # [examples], number in the mixture's groups
    before: Numbers  # [examples], how many the group gave before
    examples: npt.NDArray[Any]  # [examples] of EXAMPLE, in the store of the group's source
    lengths: Lengths
    row_starts: Numbers  # [rows + 1]

    @property
    def rows(self) -> int:
        return len(self.row_starts) - 1


@dataclass(frozen=True)
class PackingPlanner:
    """Plans of all blocks, at random access."""

    sources: DataSources

    def plan(self, block: int) -> PackingPlan:
        """Choose the examples of a block, and those of them that share a row."""
        config, drawn = self.sources.config, self.sources.mixture.draw(block)
        examples, lengths = self._look_up(drawn.group, drawn.item)
        shuffled = order(len(examples), key_of("examples", config.seed, block))
        if config.pack:
            row_of = first_fit(lengths.inputs[shuffled], lengths.targets[shuffled], config.inputs, config.targets)
        else:
            row_of = np.arange(len(examples))
        rows = int(row_of.max(initial=-1)) + 1
        row_of = order(rows, key_of("rows", config.seed, block))[row_of]
        chosen = shuffled[np.argsort(row_of, kind="stable")]
        return PackingPlan(
            block,
            drawn.group[chosen],
            drawn.before[chosen],
            examples[chosen],
            lengths.take(chosen),
            np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=rows))]),
        )

    def _look_up(self, group: Numbers, item: Numbers) -> tuple[npt.NDArray[Any], Lengths]:
        """Return the examples with these numbers in their groups, and their lengths."""
        examples, lengths = np.empty(len(group), EXAMPLE), Lengths.empty(len(group))
        for number, index in enumerate(self._indexes):
            of_index = np.flatnonzero(self._index_of[group] == number)
            chosen = index.examples[self._starts[group[of_index]] + item[of_index]]
            examples[of_index] = chosen
            for column, values in zip(lengths, index.kind.cut(index.store, chosen), strict=True):
                column[of_index] = values
        return examples, lengths

    def pairs(self, plan: PackingPlan, row: int) -> list[Pair]:
        """Read the examples of one row."""
        chosen = slice(int(plan.row_starts[row]), int(plan.row_starts[row + 1]))
        columns = (plan.group[chosen].tolist(), plan.before[chosen].tolist(), plan.examples[chosen].tolist())
        return [self._pair(*example) for example in zip(*columns, strict=True)]

    def _pair(self, group: int, before: int, example: tuple[int, ...]) -> Pair:
        index = self._group_indexes[group]
        name = self.sources.mixture.groups[group]
        key = key_of("spans", self.sources.config.seed, *name, before) if name.use == "spans" else 0
        return index.kind.render(index.store, ExamplePointer._make(example), key)

    @cached_property
    def _indexes(self) -> list[ExampleIndex]:
        return list(self.sources.indexes.values())

    @cached_property
    def _group_indexes(self) -> list[ExampleIndex]:
        """The index of each group."""
        return [self.sources.indexes[name.source, name.use] for name in self.sources.mixture.groups]

    @cached_property
    def _index_of(self) -> Numbers:
        """The number of each group's index, [groups]."""
        numbers = {key: number for number, key in enumerate(self.sources.indexes)}
        return np.array([numbers[name.source, name.use] for name in self.sources.mixture.groups], np.int64)

    @cached_property
    def _starts(self) -> Numbers:
        """Where each group begins in its index, [groups]."""
        starts = {name: group.start for name, group in self.sources.groups("train")}
        return np.array([starts[name] for name in self.sources.mixture.groups], np.int64)
