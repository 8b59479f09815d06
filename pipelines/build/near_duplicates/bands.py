"""Run the phases `sign` and `pair`: compute the band keys of every row, and pair the rows that share a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collection import minhash
from collection.fingerprint import ranks
from collection.record import conversations
from collection.shingles import Hashes, Shingles, cut, ranges
from collection.store import batches
from pipelines.build import buckets
from pipelines.build.buckets import Rows
from pipelines.build.near_duplicates.texts import (
    BYTES_AT_ONCE,
    COLUMNS,
    ROWS_AT_ONCE,
    Talk,
    languages_of,
    templates,
    wholes,
)

Numbers = npt.NDArray[np.int64]

# A band of a row: its key, the row's index in its part, a number that rows with similar answers are likely to share,
# and the rank of its origin.
_BAND: Final = np.dtype([("key", "<u8"), ("row", "<u4"), ("answer", "<u4"), ("rank", "u1")])
# Two rows by their numbers among all rows, the one that would be kept first, with their ranks.
PAIR: Final = np.dtype([("first", "<u8"), ("second", "<u8"), ("ranks", "u1", 2)])
_BANDS_A_BUCKET: Final = 1_000_000


def bucket_count(rows: int) -> int:
    """Return the number of buckets for the bands of a number of rows."""
    return buckets.count(rows * minhash.BANDS, _BANDS_A_BUCKET)


def write_bands(
    part: Path,
    target: Path,
    skip: Mapping[int, Any],
    count: int,
    *,
    was_there: bool = False,
    across_templates: bool = False,
) -> None:
    """Write the bands of each row of a part, except the rows to skip, in `count` buckets."""
    bands_of_batches = [np.empty(0, _BAND)]
    start = 0
    for batch in batches(part, list(COLUMNS), ROWS_AT_ONCE, BYTES_AT_ONCE):
        rows = np.array([row for row in range(batch.num_rows) if start + row not in skip], np.int64)
        if len(rows):
            bands_of_batches.append(_bands(batch.take(pa.array(rows)), start + rows, was_there, across_templates))
        start += batch.num_rows
    bands = np.concatenate(bands_of_batches)
    buckets.write(target, *buckets.by_first_bits(bands, "key", count))


def _bands(batch: pa.RecordBatch, rows: Numbers, was_there: bool, across_templates: bool) -> Rows:
    rules, language_salts = languages_of(batch)
    rank = ranks(batch, was_there)
    talks = conversations(batch)
    share = _answer_shares(talks)
    of_template = np.zeros(len(talks), np.uint32) if across_templates else templates(batch).astype(np.uint32)
    by_kind = [np.empty(0, _BAND)]
    for kind, shingles in enumerate(cut(wholes(talks), rules)):
        with_any = np.flatnonzero(np.diff(shingles.offsets))
        offsets = np.append(shingles.offsets[with_any], len(shingles.hashes))
        answers = minhash.one_a_band(_lasts(Shingles(shingles.hashes, offsets), share[with_any]))
        # Salts keep languages, and shingles of words and of characters, from sharing keys.
        salts = language_salts[with_any] + np.uint64(kind)
        keys = minhash.band_keys(minhash.signatures(Shingles(shingles.hashes, offsets)), salts)
        bands = np.empty(keys.size, _BAND)
        bands["key"] = keys.ravel()
        bands["row"] = np.repeat(rows[with_any], minhash.BANDS)
        bands["answer"] = (answers ^ of_template[with_any, None]).ravel()
        bands["rank"] = np.repeat(rank[with_any], minhash.BANDS)
        by_kind.append(bands)
    return np.concatenate(by_kind)


def _answer_shares(talks: Sequence[Talk]) -> npt.NDArray[np.float64]:
    """Return the share of each conversation's characters that its last turn has."""
    lengths = np.array([(len(talk[-1][1]), sum([len(content) for _, content in talk])) for talk in talks], np.float64)
    return lengths[:, 0] / np.maximum(lengths[:, 1], 1)


def _lasts(shingles: Shingles, share: npt.NDArray[np.float64]) -> Shingles:
    """Return about this share of each text's shingles, from its end, or the last one if the text is mostly answer.

    A row that is mostly answer seldom shares bands with rows whose answers differ, so more is not worth the time.
    """
    counts = np.round(np.diff(shingles.offsets) * np.where(share < 0.5, share, 0)).astype(np.int64)
    counts = np.maximum(counts, 1)
    lasts = shingles.hashes[ranges(shingles.offsets[1:] - counts, counts)]
    return Shingles(lasts, np.concatenate([[0], np.cumsum(counts)]))


def find_pairs(sources: Sequence[Path], starts: Numbers, bucket: int, count: int, pairs: Path, members: Path) -> int:
    """Write the pairs that share a band key in one bucket, by the part of their first row, and all paired rows.

    Each row is paired with the row of its key that would be kept, and with the row before it. The same is done among
    the rows of a key whose answers are likely to be similar, since many rows that share only a long prompt may come
    between two near duplicates. The cost of a key is linear in its rows.

    Args:
        starts: the number of the first row of each part, among all rows.

    Returns:
        The number of pairs.
    """
    by_source = [buckets.read(source, bucket, count, _BAND) for source in sources]
    bands = np.concatenate([np.empty(0, _BAND), *by_source])
    numbers = bands["row"] + np.repeat(starts, [len(rows) for rows in by_source])
    all_pairs = [np.empty(0, PAIR)]
    for at_least, names in ((2, ("key",)), (3, ("key", "answer"))):  # the first pass has paired keys of two rows
        shared = _shared(bands["key"], at_least)
        bands, numbers = bands[shared], numbers[shared]
        all_pairs.append(_neighbours(bands, numbers, names))
    pairs_found = buckets.unique(np.concatenate(all_pairs), "first", "second")
    buckets.write(pairs, pairs_found, np.searchsorted(pairs_found["first"], starts.astype(np.uint64)))
    paired = np.unique(np.concatenate([pairs_found["first"], pairs_found["second"]]))
    buckets.write(members, paired, np.searchsorted(paired, starts.astype(np.uint64)))
    return len(pairs_found)


def _neighbours(bands: Rows, numbers: Numbers, names: Sequence[str]) -> Rows:
    """Pair each row with the first row that has the same values, which would be kept, and with the row before it."""
    order = np.lexsort((numbers, bands["rank"], *(bands[name] for name in reversed(names))))
    rank, numbers = bands["rank"][order], numbers[order]
    same = np.zeros(len(order), bool)
    same[1:] = np.logical_and.reduce([np.diff(bands[name][order]) == 0 for name in names])
    second = np.flatnonzero(same)
    first = np.maximum.accumulate(np.where(same, 0, np.arange(len(same))))[second] if len(same) else second
    pairs = np.empty(2 * len(second), PAIR)
    for half, other in ((pairs[: len(second)], first), (pairs[len(second) :], second - 1)):
        half["first"], half["second"] = numbers[other], numbers[second]
        half["ranks"][:, 0], half["ranks"][:, 1] = rank[other], rank[second]
    return pairs


def _shared(keys: Hashes, at_least: int) -> Numbers:
    """Return the positions of the keys that occur this many times. There are few of them, as a rule."""
    order = np.argsort(keys)
    ordered = keys[order]
    new = np.ones(len(keys), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    counts = np.diff(np.append(np.flatnonzero(new), len(keys)))
    return order[np.repeat(counts >= at_least, counts)]
