"""Define an example: where its ids are, how long its two sides are, and what a kind of example must do."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from finetune.data.token_store import TokenBatch, TokenStore

Ids = npt.NDArray[np.int32]
Use = Literal["answers", "spans"]

# `batch` counts in a TokenStore, `row` and `turn` in that batch, `piece` in a text for span corruption. `inputs` and
# `targets` are ids on both sides, marks and eos included, before anything is cut.
EXAMPLE: Final = np.dtype([(name, "<i4") for name in ("batch", "row", "turn", "piece", "inputs", "targets")])


class ExamplePointer(NamedTuple):
    """One element of an array of EXAMPLE, as plain numbers."""

    batch: int
    row: int
    turn: int
    piece: int
    inputs: int
    targets: int


class Pair(NamedTuple):
    """One example: the ids of both sides."""

    inputs: Ids
    targets: Ids


class Lengths(NamedTuple):
    """The lengths of some examples: ids on both sides, and whether they were cut. All arrays are [examples]."""

    inputs: npt.NDArray[np.int32]
    targets: npt.NDArray[np.int32]
    inputs_cut: npt.NDArray[np.bool_]
    targets_cut: npt.NDArray[np.bool_]

    @classmethod
    def empty(cls, count: int) -> Lengths:
        """Return arrays to be filled."""
        return cls(np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, bool), np.empty(count, bool))

    def take(self, chosen: npt.NDArray[np.int64]) -> Lengths:
        """Return the lengths of the chosen examples."""
        return Lengths(self.inputs[chosen], self.targets[chosen], self.inputs_cut[chosen], self.targets_cut[chosen])


class BatchExamples(NamedTuple):
    """The examples of one batch of rows; `batch` of each is not set yet."""

    examples: npt.NDArray[Any]  # [examples] of EXAMPLE
    left_out: dict[str, npt.NDArray[np.int64]]  # by reason, the row of each turn that makes no example


class ExampleKind(Protocol):
    """One way to make examples of turns."""

    def find(self, batch: TokenBatch) -> BatchExamples:
        """Return all examples of a batch of rows."""
        ...

    def cut(self, store: TokenStore, examples: npt.NDArray[Any]) -> Lengths:
        """Return the lengths that `render` gives, without a look at the ids."""
        ...

    def render(self, store: TokenStore, example: ExamplePointer, key: int) -> Pair:
        """Return the ids of an example; where it has a random part, that is a function of the 64-bit key."""
        ...


def pointers(rows: npt.ArrayLike, turns: npt.ArrayLike, inputs: npt.ArrayLike, targets: npt.ArrayLike) -> Any:
    """Return an array of EXAMPLE with these columns; the others are 0."""
    out = np.zeros(len(np.asarray(turns)), EXAMPLE)
    out["row"], out["turn"], out["inputs"], out["targets"] = rows, turns, inputs, targets
    return out
