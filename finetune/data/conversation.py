"""Make examples of conversations: each assistant turn is a target, the turns before it are its inputs.

One turn before:    inputs = its ids + eos                               (mT5's form, and Aya's)
Several, with role symbols in the tokenizer:
                    inputs = <|system|> ids <|user|> ids ... + eos
Several, without:   inputs = ids eos ids eos ... ids eos                 (eos between turns, and at the end)
Always:             targets = ids + eos

Inputs that are too long lose their oldest whole turns first: the latest turns matter most, and half a turn misleads. A
system turn at the start, which holds for the whole conversation, stays as long as it and the last turn fit. If the last
turn alone is too long, its end is cut, as SeqIO cuts. Inputs end with eos even then. A target that was cut does not, so
that the model does not learn to stop in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collection.record import ROLES
from finetune.data.examples import BatchExamples, ExamplePointer, Ids, Lengths, Pair, pointers
from finetune.data.special_ids import SpecialIds
from finetune.data.token_store import TokenBatch, TokenStore

SYSTEM: Final = ROLES.index("system")
ASSISTANT: Final = ROLES.index("assistant")


class Window(NamedTuple):
    """The turns that stay: `pinned` at the start (0, or 1 for a system turn), and all from `first`."""

    pinned: int
    first: int
    last: int  # how many ids of the last turn stay
    ids: int  # all of the inputs, marks included


def window(lengths: Sequence[int], system: bool, symbols: bool, most: int) -> Window:
    """Choose those of several turns that fit into `most` ids, by the rule of this module.

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
class AnswerExamples:
    """Assistant turns as examples of at most `inputs` and `targets` ids."""

    special_ids: SpecialIds
    inputs: int
    targets: int
    all_turns: bool = True  # every assistant turn of a conversation, or its last turn only

    def find(self, batch: TokenBatch) -> BatchExamples:
        """Return the assistant turns that have ids, after a turn that has ids."""
        turn_rows = batch.turn_rows()
        is_answer = batch.turn_roles == ASSISTANT
        unanswered = turn_rows[:0]
        if not self.all_turns:
            is_last = np.zeros(batch.turns, bool)
            is_last[batch.row_turns[1:][np.diff(batch.row_turns) > 0] - 1] = True
            unanswered = turn_rows[is_last & ~is_answer]
            is_answer &= is_last
        turns = np.flatnonzero(is_answer)
        rows = turn_rows[turns]
        begins = batch.row_turns[rows]
        starts = batch.turn_starts[turns]
        before, own = starts - batch.turn_starts[begins], batch.turn_starts[turns + 1] - starts
        earlier = turns - begins
        marks = np.where(earlier > 1, earlier + bool(self.special_ids.roles), 1)
        empty, unasked = own == 0, (own > 0) & (before == 0)
        kept = ~empty & ~unasked
        return BatchExamples(
            pointers(rows[kept], turns[kept], (before + marks)[kept], own[kept] + 1),
            {
                "empty answers": rows[empty],
                "answers to nothing": rows[unasked],
                "conversations that do not end with an answer": unanswered,
            },
        )

    def cut(self, store: TokenStore, examples: npt.NDArray[Any]) -> Lengths:
        """Return the lengths that `render` gives, without a look at the ids."""
        inputs_cut, targets_cut = examples["inputs"] > self.inputs, examples["targets"] > self.targets
        inputs = np.minimum(examples["inputs"], self.inputs)
        for number in np.flatnonzero(inputs_cut):
            example = ExamplePointer(*examples[number].tolist())
            batch = store.batches[example.batch]
            begin = int(batch.row_turns[example.row])
            if example.turn - begin > 1:
                inputs[number] = self._window(batch, begin, example.turn).ids
        return Lengths(inputs, np.minimum(examples["targets"], self.targets), inputs_cut, targets_cut)

    def render(self, store: TokenStore, example: ExamplePointer, key: int = 0) -> Pair:
        """Return the example whose target is this assistant turn; nothing in it is random."""
        batch, turn = store.batches[example.batch], example.turn
        begin = int(batch.row_turns[example.row])
        eos = self.special_ids.eos
        answer = batch.turn(turn)
        target = with_end(answer, eos) if len(answer) < self.targets else answer[: self.targets].astype(np.int32)
        if turn - begin == 1:
            return Pair(with_end(batch.turn(begin)[: self.inputs - 1], eos), target)
        return Pair(self._join(batch, begin, turn, self._window(batch, begin, turn)), target)

    def _window(self, batch: TokenBatch, begin: int, turn: int) -> Window:
        starts = batch.turn_starts[begin : turn + 1].tolist()
        lengths = [end - start for start, end in pairwise(starts)]
        system = int(batch.turn_roles[begin]) == SYSTEM
        return window(lengths, system, bool(self.special_ids.roles), self.inputs)

    def _join(self, batch: TokenBatch, begin: int, turn: int, kept: Window) -> Ids:
        symbols, eos = self.special_ids.roles, self.special_ids.eos
        out = np.empty(kept.ids, np.int32)
        end = 0
        for number in (*range(begin, begin + kept.pinned), *range(begin + kept.first, turn)):
            ids = batch.turn(number)
            if number == turn - 1:
                ids = ids[: kept.last]
            if symbols:
                out[end] = symbols[batch.turn_roles[number]]
                end += 1
            out[end : end + len(ids)] = ids
            end += len(ids)
            if not symbols:
                out[end] = eos
                end += 1
        if symbols:
            out[end] = eos
        return out


def with_end(ids: npt.NDArray[Any], eos: int) -> Ids:
    """Return the ids, and eos."""
    out = np.empty(len(ids) + 1, np.int32)
    out[:-1], out[-1] = ids, eos
    return out
