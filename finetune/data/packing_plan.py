"""A block: some thousand examples, drawn, shuffled and packed together, as a function of the seed and its number.

The plan of a block knows lengths only. Every host makes the same plan, and reads the ids of its own rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from finetune.data import spans
from finetune.data.conversation import Lengths, Pair
from finetune.data.packing import first_fit
from finetune.data.shuffle import key_of, order
from finetune.data.sources import Corpus
from finetune.data.token_store import ExampleStore


@dataclass(frozen=True)
class Block:
    """The examples of a block, sorted by row: those of row r are row_starts[r] to row_starts[r + 1]."""

    number: int
    group: npt.NDArray[np.int64]  # [examples], number in the mixture's groups
    before: npt.NDArray[np.int64]  # [examples], how many the group gave before
    turn: npt.NDArray[np.int64]  # [examples], in the store of the group's source
    piece: npt.NDArray[np.int64]  # [examples], of a text for span corruption
    lengths: Lengths
    row_starts: npt.NDArray[np.int64]  # [rows + 1]

    @property
    def rows(self) -> int:
        return len(self.row_starts) - 1


@dataclass(frozen=True)
class Blocks:
    """All blocks of a corpus, at random access."""

    corpus: Corpus

    def plan(self, number: int) -> Block:
        """Which examples a block has, and which of them share a row."""
        config, drawn = self.corpus.config, self.corpus.mixture.draw(number)
        turn, piece = self._point(drawn.group, drawn.item)
        lengths = self._measure(drawn.group, turn, piece)
        shuffled = order(len(turn), key_of("examples", config.seed, number))
        if config.pack:
            fitted = first_fit(lengths.inputs[shuffled], lengths.targets[shuffled], config.inputs, config.targets)
        else:
            fitted = np.arange(len(turn))
        rows = int(fitted.max(initial=-1)) + 1
        fitted = order(rows, key_of("rows", config.seed, number))[fitted]
        by_row = np.argsort(fitted, kind="stable")
        chosen = shuffled[by_row]
        return Block(
            number,
            drawn.group[chosen],
            drawn.before[chosen],
            turn[chosen],
            piece[chosen],
            lengths.take(chosen),
            np.concatenate([[0], np.cumsum(np.bincount(fitted, minlength=rows))]),
        )

    def _point(
        self, group: npt.NDArray[np.int64], item: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Turn and piece of each example."""
        turn, piece = np.empty(len(group), np.int64), np.empty(len(group), np.int64)
        for index, (_, pointers) in enumerate(self._sides):
            here = self._side_of[group] == index
            found = pointers[self._starts[group[here]] + item[here]]
            turn[here], piece[here] = found["turn"], found["piece"]
        return turn, piece

    def _measure(
        self, group: npt.NDArray[np.int64], turn: npt.NDArray[np.int64], piece: npt.NDArray[np.int64]
    ) -> Lengths:
        columns = Lengths.empty(len(group))
        for index, ((label, use), _) in enumerate(self._sides):
            here = np.flatnonzero(self._side_of[group] == index)
            store, turns = self.corpus.stores[label], turn[here]
            if use == "answers":
                found = self.corpus.rendering.measure(store, turns)
            else:
                sizes = store.turn_starts[turns + 1] - store.turn_starts[turns]
                begins, ends = spans.piece_bounds(sizes, piece[here], self.corpus.longest_text)
                found = spans.measure(ends - begins, self.corpus.config.spans)
            for column, values in zip(columns, found, strict=True):
                column[here] = values
        return columns

    def pairs(self, block: Block, row: int) -> list[Pair]:
        """The examples of one row, with their ids."""
        return [self._pair(block, index) for index in range(block.row_starts[row], block.row_starts[row + 1])]

    def _pair(self, block: Block, index: int) -> Pair:
        group = int(block.group[index])
        name = self.corpus.mixture.groups[group]
        store, turn = self.corpus.stores[name.source], int(block.turn[index])
        if name.use == "answers":
            return self.corpus.rendering.render(store, turn)
        key = key_of("spans", self.corpus.config.seed, *name, block.before[index])
        return corrupted(self.corpus, store, turn, int(block.piece[index]), key)

    @cached_property
    def _sides(self) -> list[tuple[tuple[str, str], npt.NDArray[np.void]]]:
        return [(key, index.pointers) for key, index in self.corpus.indexes.items()]

    @cached_property
    def _side_of(self) -> npt.NDArray[np.int64]:
        """[groups]: which index a group is of."""
        numbers = {key: number for number, (key, _) in enumerate(self._sides)}
        return np.array([numbers[name.source, name.use] for name in self.corpus.mixture.groups], np.int64)

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """[groups]: where a group begins in its index."""
        starts = {name: group.start for name, group in self.corpus.groups("train")}
        return np.array([starts[name] for name in self.corpus.mixture.groups], np.int64)


def corrupted(corpus: Corpus, store: ExampleStore, turn: int, piece: int, key: int) -> Pair:
    """A piece of a turn under span corruption."""
    ids = store.turn(turn)
    begin, end = spans.piece_bounds(len(ids), piece, corpus.longest_text)
    return spans.corrupt(ids[begin:end], key, corpus.config.spans, corpus.vocabulary)
