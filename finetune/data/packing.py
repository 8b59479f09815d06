"""Packing: which examples share a row. First fit, on both sides at once, by lengths alone.

Nothing is left over and nothing is carried on: the plan of a block is a function of its lengths.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def first_fit(
    inputs: npt.ArrayLike, targets: npt.ArrayLike, most_inputs: int, most_targets: int
) -> npt.NDArray[np.int64]:
    """The row of each example: the first that has room for both of its sides, else a new one.

    Args:
        inputs, targets: lengths, [examples]; none longer than a row.
        most_inputs, most_targets: ids in a row.

    Returns:
        [examples]; rows count from 0 in the order in which they were begun.

    >>> first_fit([4, 5, 6, 1], [3, 2, 1, 1], 10, 7).tolist()
    [0, 0, 1, 0]
    """
    sides = np.stack([np.asarray(inputs, np.int64), np.asarray(targets, np.int64)], axis=1)
    out = np.empty(len(sides), np.int64)
    room_in, room_out = np.full(len(sides), most_inputs), np.full(len(sides), most_targets)
    rows = 0
    for index, (left, right) in enumerate(sides.tolist()):
        fits = (room_in[: rows + 1] >= left) & (room_out[: rows + 1] >= right)
        row = int(fits.argmax())
        rows = max(rows, row + 1)
        room_in[row] -= left
        room_out[row] -= right
        out[index] = row
    return out
