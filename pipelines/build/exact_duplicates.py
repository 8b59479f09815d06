"""Find exact duplicates without holding the collection in memory or sending text through the runner.

Each part gets a file with 41 bytes a row, in buckets by fingerprint. Each bucket is then searched over all parts, and a
file lists the rows to drop. Memory holds one bucket, whatever the size of the collection.

The same text in two languages is not a duplicate: both rows are kept, and are counted.
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

# A row of a part: fingerprint, language, rank of its origin, index in the part, id.
_ROW: Final = np.dtype(
    [("high", "<u8"), ("low", "<u8"), ("language", "<u4"), ("rank", "u1"), ("row", "<u4"), ("id", "V16")]
)
# A row to drop: its part, its index there, and the id of the row that is kept instead.
_DUPLICATE: Final = np.dtype([("part", "<u4"), ("row", "<u4"), ("survivor", "V16")])

_COLUMNS: Final = ["id", "language", "messages", "origin"]
_ROWS_A_BUCKET: Final = 500_000


@dataclass(frozen=True, slots=True)
class DuplicateCount:
    """Counts of one bucket: rows to drop, and texts that more than one language has."""

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
    by_source = [buckets.read(source, bucket, count, _ROW) for source in sources]
    rows = np.concatenate(by_source) if by_source else np.empty(0, _ROW)
    part = np.repeat(np.arange(len(by_source), dtype="<u4"), [len(source_rows) for source_rows in by_source])
    order = np.lexsort((rows["row"], part, rows["rank"], rows["language"], rows["low"], rows["high"]))
    rows, part = rows[order], part[order]

    same_text = np.zeros(len(rows), bool)
    same_text[1:] = (rows["high"][1:] == rows["high"][:-1]) & (rows["low"][1:] == rows["low"][:-1])
    same = same_text.copy()
    same[1:] &= rows["language"][1:] == rows["language"][:-1]
    survivor = np.maximum.accumulate(np.where(same, 0, np.arange(len(rows)))) if len(rows) else np.empty(0, np.int64)

    duplicates = np.empty(int(same.sum()), _DUPLICATE)
    duplicates["part"], duplicates["row"], duplicates["survivor"] = (
        part[same],
        rows["row"][same],
        rows["id"][survivor[same]],
    )
    duplicates = duplicates[np.lexsort((duplicates["row"], duplicates["part"]))]
    buckets.write(target, duplicates, np.searchsorted(duplicates["part"], np.arange(len(sources))))
    return DuplicateCount(len(duplicates), int((same_text & ~same).sum()))


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
