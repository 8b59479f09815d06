"""Exact duplicates, found without holding the collection in memory or sending text through the runner.

Each part leaves a file with 41 bytes a row, in buckets by fingerprint; each bucket is then looked through
over all parts at once, and leaves the rows to drop. Memory holds one bucket, whatever the size of the whole.

The same text in two languages is no duplicate: both rows stay, and are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import xxhash

from collection.fingerprint import fingerprint, ranks
from collection.record import conversations, ids
from collection.store import batches
from pipelines.build import buckets

# A row as its part knows it: fingerprint, language, rank of its origin, place in the part, id.
_ROW: Final = np.dtype(
    [("high", "<u8"), ("low", "<u8"), ("language", "<u4"), ("rank", "u1"), ("row", "<u4"), ("id", "V16")]
)
# A row to drop: its part, its place there, and the id of the row that stays in its stead.
_DUPLICATE: Final = np.dtype([("part", "<u4"), ("row", "<u4"), ("survivor", "V16")])

_COLUMNS: Final = ["id", "language", "messages", "origin"]
_ROWS_A_BUCKET: Final = 500_000


@dataclass(frozen=True, slots=True)
class DuplicateCount:
    """What a bucket held: rows to drop, and texts that stand under more than one language."""

    duplicates: int
    shared_by_languages: int


def bucket_count(rows: int) -> int:
    """Return the number of buckets for a number of rows, by the first bits of the fingerprint."""
    return buckets.count(rows, _ROWS_A_BUCKET)


def write_fingerprints(part: Path, target: Path, count: int, was_there: bool = False) -> int:
    """Write the fingerprint of every row of a part to `target`, in `count` buckets, and return the number of rows.

    Rows that were there before the run outrank all others.
    """
    rows = np.concatenate([_fingerprints(batch, was_there) for batch in batches(part, _COLUMNS)] or [np.empty(0, _ROW)])
    rows["row"] = np.arange(len(rows))
    buckets.write(target, *buckets.by_first_bits(rows, "high", count))
    return len(rows)


def find_duplicates(sources: Sequence[Path], target: Path, bucket: int, count: int) -> DuplicateCount:
    """Write to `target` the rows of one bucket to drop, from the fingerprints of all parts in order.

    Of equal rows in one language the one with the best origin stays (people before templates before translations
    before models), and of those the first, in the order of the parts and of the rows in them.
    """
    pieces = [buckets.read(source, bucket, count, _ROW) for source in sources]
    rows = np.concatenate(pieces) if pieces else np.empty(0, _ROW)
    part = np.repeat(np.arange(len(pieces), dtype="<u4"), [len(piece) for piece in pieces])
    order = np.lexsort((rows["row"], part, rows["rank"], rows["language"], rows["low"], rows["high"]))
    rows, part = rows[order], part[order]

    same_text = np.zeros(len(rows), bool)
    same_text[1:] = (rows["high"][1:] == rows["high"][:-1]) & (rows["low"][1:] == rows["low"][:-1])
    same = same_text.copy()
    same[1:] &= rows["language"][1:] == rows["language"][:-1]
    survivor = np.maximum.accumulate(np.where(same, 0, np.arange(len(rows)))) if len(rows) else np.empty(0, np.int64)

    drops = np.empty(int(same.sum()), _DUPLICATE)
    drops["part"], drops["row"], drops["survivor"] = part[same], rows["row"][same], rows["id"][survivor[same]]
    drops = drops[np.lexsort((drops["row"], drops["part"]))]
    buckets.write(target, drops, np.searchsorted(drops["part"], np.arange(len(sources))))
    return DuplicateCount(len(drops), int((same_text & ~same).sum()))


def duplicates_of(sources: Sequence[Path], part: int, parts: int) -> dict[int, str]:
    """Return the rows of one part to drop, each with the id of the kept row, from the lists of all buckets."""
    rows = buckets.read_all(sources, part, parts, _DUPLICATE)
    return dict(zip(rows["row"].tolist(), [survivor.tobytes().hex() for survivor in rows["survivor"]], strict=True))


def _fingerprints(batch: pa.RecordBatch, was_there: bool) -> buckets.Rows:
    rows = np.empty(batch.num_rows, _ROW)
    digests = b"".join(map(fingerprint, conversations(batch)))
    halves = np.frombuffer(digests, ">u8").reshape(-1, 2)
    rows["high"], rows["low"] = halves[:, 0], halves[:, 1]
    rows["id"] = ids(batch)
    languages = batch.column("language").dictionary_encode()
    numbers = np.array([xxhash.xxh32_intdigest(code.encode()) for code in languages.dictionary.to_pylist()], "<u4")
    rows["language"] = numbers[languages.indices.to_numpy()]
    rows["rank"] = ranks(batch, was_there)
    return rows
