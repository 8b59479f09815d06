"""sign and pair: band keys of every row, and the rows that share one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collection import minhash
from collection.fingerprint import ranks
from collection.shingles import Hashes, Shingles, cut
from collection.store import batches
from pipelines import buckets
from pipelines.buckets import Rows
from pipelines.near_duplicates.texts import COLUMNS, ROWS_AT_ONCE, languages_of, wholes

Numbers = npt.NDArray[np.int64]

# A band of a row: its key, the row's place in its part, the rank of its origin.
_BAND: Final = np.dtype([("key", "<u8"), ("row", "<u4"), ("rank", "u1")])
# Two rows by their numbers among all rows, the one that would stay first, with their ranks.
PAIR: Final = np.dtype([("first", "<u8"), ("second", "<u8"), ("ranks", "u1", 2)])
_BANDS_A_BUCKET: Final = 1_000_000


def bucket_count(rows: int) -> int:
    """Into how many buckets the bands of so many rows go."""
    return buckets.count(rows * minhash.BANDS, _BANDS_A_BUCKET)


def write_bands(part: Path, target: Path, skip: Mapping[int, Any], count: int, was_there: bool = False) -> None:
    """The bands of each row of a part but those to skip, in `count` buckets."""
    pieces = [np.empty(0, _BAND)]
    start = 0
    for batch in batches(part, list(COLUMNS), ROWS_AT_ONCE):
        rows = np.array([row for row in range(batch.num_rows) if start + row not in skip], np.int64)
        if len(rows):
            pieces.append(_bands(batch.take(pa.array(rows)), start + rows, was_there))
        start += batch.num_rows
    bands = np.concatenate(pieces)
    buckets.write(target, *buckets.by_first_bits(bands, "key", count))


def _bands(batch: pa.RecordBatch, places: Numbers, was_there: bool) -> Rows:
    shapes, apart = languages_of(batch)
    rank = ranks(batch, was_there)
    found = [np.empty(0, _BAND)]
    for way, shingles in enumerate(cut(wholes(batch), shapes)):
        with_any = np.flatnonzero(np.diff(shingles.offsets))
        offsets = np.append(shingles.offsets[with_any], len(shingles.hashes))
        # Compared by words and by characters, a row is two: salts keep them apart, and the languages.
        salts = apart[with_any] + np.uint64(way)
        keys = minhash.band_keys(minhash.signatures(Shingles(shingles.hashes, offsets)), salts)
        bands = np.empty(keys.size, _BAND)
        bands["key"] = keys.ravel()
        bands["row"] = np.repeat(places[with_any], minhash.BANDS)
        bands["rank"] = np.repeat(rank[with_any], minhash.BANDS)
        found.append(bands)
    return np.concatenate(found)


def find_pairs(sources: Sequence[Path], starts: Numbers, bucket: int, count: int, pairs: Path, members: Path) -> int:
    """Writes the pairs that share a band key in one bucket, by the part of their first; and all that are in a pair.

    `starts` are the numbers of the first rows of the parts. Each row is paired with the one of its key that would stay,
    and with the one before it: a key of many rows costs no more than its rows. The number of pairs.
    """
    pieces = [buckets.read(source, bucket, count, _BAND) for source in sources]
    bands = np.concatenate([np.empty(0, _BAND), *pieces])
    numbers = bands["row"] + np.repeat(starts, [len(piece) for piece in pieces])
    shared = _shared(bands["key"])
    bands, numbers = bands[shared], numbers[shared]
    order = np.lexsort((numbers, bands["rank"], bands["key"]))
    keys, rank, numbers = bands["key"][order], bands["rank"][order], numbers[order]
    same = np.zeros(len(keys), bool)
    same[1:] = keys[1:] == keys[:-1]
    second = np.flatnonzero(same)
    leader = np.maximum.accumulate(np.where(same, 0, np.arange(len(keys))))[second] if len(keys) else second
    found = np.empty(2 * len(second), PAIR)
    for half, first in ((found[: len(second)], leader), (found[len(second) :], second - 1)):
        half["first"], half["second"] = numbers[first], numbers[second]
        half["ranks"][:, 0], half["ranks"][:, 1] = rank[first], rank[second]
    found = buckets.unique(found, "first", "second")
    buckets.write(pairs, found, np.searchsorted(found["first"], starts.astype(np.uint64)))
    paired = np.unique(np.concatenate([found["first"], found["second"]]))
    buckets.write(members, paired, np.searchsorted(paired, starts.astype(np.uint64)))
    return len(found)


def _shared(keys: Hashes) -> Numbers:
    """Where the keys stand that are there more than once: few of them, as a rule."""
    order = np.argsort(keys)
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    inside = np.zeros(len(keys), bool)
    inside[1:] |= same
    inside[:-1] |= same
    return order[inside]
