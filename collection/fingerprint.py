"""The fingerprint of a conversation: equal for two that say the same, apart from blanks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

# Which of several equal rows stays: what a person wrote before what was made from a template, a translation, a model.
ORIGIN_RANK: Final = {"human": 0, "template": 1, "translated": 2, "synthetic": 3}


def ranks(batch: pa.RecordBatch, was_there: bool) -> npt.NDArray[np.uint8]:
    """Return the rank of each record of a batch, by its origin.

    Rows of `--against` folders outrank all others.
    """
    if was_there:
        return np.zeros(batch.num_rows, np.uint8)
    return np.array([ORIGIN_RANK[origin] + 1 for origin in batch.column("origin").to_pylist()], np.uint8)


def fingerprint(turns: Iterable[tuple[str, str]]) -> bytes:
    """16 bytes: xxh3-128 over role and content of each turn, every run of blanks taken as one.

    >>> fingerprint([("user", "a  b"), ("assistant", "c")]) == fingerprint([("user", "a b\\n"), ("assistant", "c")])
    True
    """
    text = "\x1e".join([f"{role}\x1f{' '.join(content.split())}" for role, content in turns])
    return xxhash.xxh3_128_digest(text.encode())
