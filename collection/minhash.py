"""MinHash: signatures as alike as the sets that they stand for, and bands of them that collide where sets are alike.

Broder 1997; banding as in Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4. A pair that is s alike shares
a band with probability 1 - (1 - s^ROWS)^BANDS: 0.986 at 0.8, 0.94 at 0.75, 0.20 at 0.5, 0.01 at 0.3.

All of it is numpy over a batch of texts: libraries that compute a signature in less time hand it over as a list of
Python numbers, which costs more than is saved.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import numpy.typing as npt

from collection.shingles import Hashes, Shingles

BANDS: Final = 14
ROWS: Final = 6
_SEED: Final = 20_231

Signatures = npt.NDArray[np.uint32]


def signatures(shingles: Shingles) -> Signatures:
    """Return a row of BANDS * ROWS numbers for each set. Every set must have a member."""
    return _minima(shingles, 0, BANDS * ROWS)


def one_a_band(shingles: Shingles) -> Signatures:
    """Return one number a band for each set, outside its signature. Similar sets share them as often as shingles."""
    return _minima(shingles, BANDS * ROWS, BANDS)


def _minima(shingles: Shingles, start: int, count: int) -> Signatures:
    """For each set the least of its hashes under each of `count` permutations, from number `start` on."""
    factors, offsets = (drawn[start : start + count] for drawn in _permutations())
    found = np.empty((count, len(shingles.offsets) - 1), np.uint32)
    if found.shape[1]:
        # The upper half of a hash is as good as the whole, and half the work.
        hashes = (shingles.hashes >> np.uint64(32)).astype(np.uint32)
        permuted = np.empty_like(hashes)
        for row, (factor, offset) in enumerate(zip(factors, offsets, strict=True)):
            np.multiply(hashes, factor, out=permuted)
            np.add(permuted, offset, out=permuted)
            np.minimum.reduceat(permuted, shingles.offsets[:-1], out=found[row])
    return found.T


def band_keys(found: Signatures, salts: Hashes) -> Hashes:
    """Return a key for each band of each signature, of shape (sets, BANDS). Sets with different salts never meet.

    Two that meet in one band share all ROWS numbers there, but for one chance in 2^64.
    """
    weighted = np.ascontiguousarray(found).astype(np.uint64) * _weights()
    keys: Hashes = weighted.reshape(len(found), BANDS, ROWS).sum(axis=2, dtype=np.uint64)
    keys ^= keys >> np.uint64(29)
    keys += salts[:, None]
    keys *= np.uint64(0xBF58476D1CE4E5B9)
    return keys ^ (keys >> np.uint64(32))


@functools.cache
def _permutations() -> tuple[Signatures, Signatures]:
    """Factors, all odd, and offsets: x * factor + offset modulo 2^32 gives every number once."""
    drawn = np.random.Generator(np.random.PCG64(_SEED)).integers(0, 2**32, (BANDS * (ROWS + 1), 2), np.uint32)
    return drawn[:, 0] | np.uint32(1), drawn[:, 1]


@functools.cache
def _weights() -> Hashes:
    # One odd factor a column: a number means something else in each place, and in each band.
    return np.random.Generator(np.random.PCG64(_SEED + 1)).integers(0, 2**64, BANDS * ROWS, np.uint64) | np.uint64(1)
