"""Chance without a state: everything random in the data is a pure function of keys.

The numbers are our own sums and shifts, not a library's generator: the order of a run must stay what it was when numpy
or Grain change theirs. Grain's `index_shuffle` does one index a call; here thousands of groups are drawn from at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import xxhash

Numbers = npt.NDArray[np.uint64]
_ROUNDS: Final = 8
_GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)


def key_of(*parts: object) -> int:
    """64 bits that stand for these values."""
    return xxhash.xxh3_64_intdigest("\x1f".join(map(str, parts)).encode())


def mix(numbers: Numbers) -> Numbers:
    """64 well mixed bits of each number of an array: a step of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = numbers + _GAMMA
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)), np.uint64)


def chances(count: int, key: int) -> Numbers:
    """So many random numbers of 64 bits: SplitMix64 from the state `key`."""
    return mix(np.arange(count, dtype=np.uint64) * _GAMMA + np.uint64(key))


def permuted(positions: npt.ArrayLike, sizes: npt.ArrayLike, keys: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Where each position stands in the permutation of range(size) that its key names, elementwise; sizes below 2^62.

    A Feistel network on the smallest 4^h that holds the size, walked until the number is below it.

    >>> permuted([0, 1, 2, 3], 4, 7).tolist()
    [3, 1, 2, 0]
    """
    position, size, key = np.broadcast_arrays(
        np.asarray(positions, np.uint64), np.asarray(sizes, np.uint64), np.asarray(keys, np.uint64)
    )
    _, exponent = np.frexp(np.maximum(size.astype(np.float64) - 1, 1))
    half = np.maximum((exponent + 1) // 2, 1).astype(np.uint64)
    out = _feistel(position, half, key)
    while (outside := np.flatnonzero(out >= size)).size:
        out[outside] = _feistel(out[outside], half[outside], key[outside])
    return out.astype(np.int64)


def _feistel(numbers: Numbers, half: Numbers, keys: Numbers) -> Numbers:
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = numbers >> half, numbers & mask
    for turn in range(_ROUNDS):
        left, right = right, left ^ (mix(right ^ mix(keys + np.uint64(turn))) & mask)
    return np.asarray((left << half) | right, np.uint64)


def order(count: int, key: int) -> npt.NDArray[np.int64]:
    """The numbers below `count` in an order that the key names."""
    return permuted(np.arange(count), max(count, 1), key)
