"""A conversation as examples: each assistant turn is a target, the turns before it are its inputs.

One turn before:    inputs = its ids + eos                               (mT5's form, and Aya's)
Several, with role symbols in the tokenizer:
                    inputs = <|system|> ids <|user|> ids ... + eos
Several, without:   inputs = ids eos ids eos ... ids eos                 (eos between turns, and at the end)
Always:             targets = ids + eos

Too long inputs lose their oldest whole turns first: what was said last matters most, and half a turn misleads. A system
turn at the start, which speaks for the whole conversation, stays as long as it and the last turn fit. If the last turn
alone is too long, its end is cut, as SeqIO cuts. Inputs end with eos even then; a target that was cut does not, so that
nobody learns to stop in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collection.record import ROLES
from finetune.data.special_ids import Vocabulary
from finetune.data.token_store import ExampleStore

SYSTEM: Final = ROLES.index("system")
ASSISTANT: Final = ROLES.index("assistant")
Ids = npt.NDArray[np.int32]


class Pair(NamedTuple):
    """One example: the ids of both sides."""

    inputs: Ids
    targets: Ids


class Lengths(NamedTuple):
    """Of some examples: ids on both sides, and whether they were cut. All arrays are [examples]."""

    inputs: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    inputs_cut: npt.NDArray[np.bool_]
    targets_cut: npt.NDArray[np.bool_]

    @classmethod
    def empty(cls, count: int) -> Lengths:
        """Of so many examples, to be filled."""
        return cls(np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, bool), np.empty(count, bool))

    def take(self, chosen: npt.NDArray[np.int64]) -> Lengths:
        """Of these examples."""
        return Lengths(self.inputs[chosen], self.targets[chosen], self.inputs_cut[chosen], self.targets_cut[chosen])


class Window(NamedTuple):
    """The turns that stay: so many at the start (0, or 1 for a system turn), and all from `first`."""

    pinned: int
    first: int
    last: int  # how many ids of the last turn stay
    ids: int  # all of the inputs, marks included


def window(lengths: Sequence[int], system: bool, symbols: bool, most: int) -> Window:
    """Which of several turns fit into `most` ids, by the rule of this module.

    >>> window([5, 9, 4], system=False, symbols=True, most=16)  # <|assistant|> 9 ids, <|user|> 4 ids, eos
    Window(pinned=0, first=1, last=4, ids=16)
    >>> window([5, 9, 4], system=True, symbols=True, most=16)  # <|system|> 5 ids, <|user|> 4 ids, eos
    Window(pinned=1, first=2, last=4, ids=12)
    >>> window([5, 9, 40], system=False, symbols=True, most=16)
    Window(pinned=0, first=2, last=14, ids=16)
    """
    # Every turn costs its ids and a mark; with symbols eos comes on top, without them the last mark is eos.
    room = most - 1 if symbols else most
    end = len(lengths) - 1
    left = room - lengths[end] - 1
    if left < 0:
        return Window(0, end, lengths[end] + left, most)
    pinned = int(system and end > 0 and lengths[0] + 1 <= left)
    if pinned:
        left -= lengths[0] + 1
    first = end
    while first > pinned and lengths[first - 1] + 1 <= left:
        first -= 1
        left -= lengths[first] + 1
    return Window(pinned, first, lengths[end], most - left)


@dataclass(frozen=True)
class Rendering:
    """How the turns of a store become pairs of at most `inputs` and `targets` ids."""

    vocabulary: Vocabulary
    inputs: int
    targets: int

    def measure(self, store: ExampleStore, turns: npt.NDArray[np.int64]) -> Lengths:
        """The lengths that `render` will give for these assistant turns, without a look at their ids."""
        begins = store.row_turns[store.turn_rows[turns]]
        starts, ends = store.turn_starts[turns], store.turn_starts[turns + 1]
        earlier = turns - begins
        marks = np.where(earlier > 1, earlier + bool(self.vocabulary.roles), 1)
        inputs = starts - store.turn_starts[begins] + marks
        targets = ends - starts + 1
        inputs_cut, targets_cut = inputs > self.inputs, targets > self.targets
        inputs[inputs_cut] = self.inputs
        for index in np.flatnonzero(inputs_cut & (earlier > 1)):
            inputs[index] = self._window(store, int(begins[index]), int(turns[index])).ids
        return Lengths(
            inputs.astype(np.int32), np.minimum(targets, self.targets).astype(np.int32), inputs_cut, targets_cut
        )

    def render(self, store: ExampleStore, turn: int) -> Pair:
        """The example whose target is this assistant turn."""
        begin = int(store.row_turns[store.turn_rows[turn]])
        eos = self.vocabulary.eos
        answer = store.turn(turn)
        target = with_end(answer, eos) if len(answer) < self.targets else answer[: self.targets].astype(np.int32)
        if turn - begin == 1:
            return Pair(with_end(store.turn(begin)[: self.inputs - 1], eos), target)
        return Pair(self._join(store, begin, turn, self._window(store, begin, turn)), target)

    def _window(self, store: ExampleStore, begin: int, turn: int) -> Window:
        lengths = np.diff(store.turn_starts[begin : turn + 1]).tolist()
        system = int(store.turn_roles[begin]) == SYSTEM
        return window(lengths, system, bool(self.vocabulary.roles), self.inputs)

    def _join(self, store: ExampleStore, begin: int, turn: int, kept: Window) -> Ids:
        symbols, eos = self.vocabulary.roles, self.vocabulary.eos
        out = np.empty(kept.ids, np.int32)
        place = 0
        for number in (*range(begin, begin + kept.pinned), *range(begin + kept.first, turn)):
            ids = store.turn(number)
            if number == turn - 1:
                ids = ids[: kept.last]
            if symbols:
                out[place] = symbols[store.turn_roles[number]]
                place += 1
            out[place : place + len(ids)] = ids
            place += len(ids)
            if not symbols:
                out[place] = eos
                place += 1
        if symbols:
            out[place] = eos
        return out


def with_end(ids: npt.NDArray[Any], eos: int) -> Ids:
    """The ids, and eos."""
    out = np.empty(len(ids) + 1, np.int32)
    out[:-1], out[-1] = ids, eos
    return out
