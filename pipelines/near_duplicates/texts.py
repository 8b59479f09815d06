"""What of a batch of records is compared: whole conversations, answers, each as its language cuts it."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import pyarrow as pa
import xxhash

from collection.languages import resolve
from collection.record import conversations
from collection.shingles import Hashes, Shape, comparable, shape_of

COLUMNS: Final = ("id", "language", "messages", "origin")
# All that is computed of so many rows fits into the processor's cache, or nearly.
ROWS_AT_ONCE: Final = 1_000


def languages_of(batch: pa.RecordBatch) -> tuple[list[Shape], Hashes]:
    """How each row is cut into shingles, and a number that keeps its language apart."""
    found = [_of_language(code) for code in batch.column("language").to_pylist()]
    return [shape for shape, _ in found], np.array([salt for _, salt in found], np.uint64)


def wholes(batch: pa.RecordBatch) -> list[str]:
    """All turns of each row, as they are compared."""
    return [comparable(" ".join([content for _, content in talk])) for talk in conversations(batch)]


def answers(batch: pa.RecordBatch) -> list[str]:
    """The last turn of each row, as it is compared."""
    return [comparable(talk[-1][1]) for talk in conversations(batch)]


@functools.lru_cache(maxsize=1024)
def _of_language(code: str) -> tuple[Shape, int]:
    return shape_of(resolve(code)), hash_of(code) & ~1


def hash_of(text: str) -> int:
    """64 bits that stand for a text."""
    return xxhash.xxh3_64_intdigest(text.encode())
