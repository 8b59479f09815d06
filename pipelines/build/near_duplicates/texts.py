"""Take from a batch of records what is compared: whole conversations, answers, and how each language is cut."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import xxhash

from collection.languages import resolve
from collection.shingles import Hashes, ShingleRule, comparable, shingle_rule

COLUMNS: Final = ("id", "language", "messages", "origin", "template")
# The intermediate values of this number of rows nearly fit into the processor's cache.
ROWS_AT_ONCE: Final = 1_000
BYTES_AT_ONCE: Final = 2 << 20


def languages_of(batch: pa.RecordBatch) -> tuple[list[ShingleRule], Hashes]:
    """Return how each row is cut into shingles, and a salt that keeps its language apart."""
    rules = [_of_language(code) for code in batch.column("language").to_pylist()]
    return [rule for rule, _ in rules], np.array([salt for _, salt in rules], np.uint64)


Talk = Sequence[tuple[str, str]]


def wholes(talks: Sequence[Talk]) -> list[str]:
    """Return all turns of each conversation in the form in which they are compared."""
    return [comparable(" ".join([content for _, content in talk])) for talk in talks]


def answers(talks: Sequence[Talk]) -> list[str]:
    """Return the last turn of each conversation in the form in which turns are compared."""
    return [comparable(talk[-1][1]) for talk in talks]


def templates(batch: pa.RecordBatch) -> Hashes:
    """Return a number for the template of each row, 0 for none."""
    names = batch.column("template").dictionary_encode()
    numbers = np.array([hash_of(name) if name else 0 for name in names.dictionary.to_pylist()], np.uint64)
    hashes: Hashes = numbers[names.indices.to_numpy()]
    return hashes


@functools.lru_cache(maxsize=1024)
def _of_language(code: str) -> tuple[ShingleRule, int]:
    return shingle_rule(resolve(code)), hash_of(code) & ~1


def hash_of(text: str) -> int:
    """Return a 64-bit hash of a text."""
    return xxhash.xxh3_64_intdigest(text.encode())
