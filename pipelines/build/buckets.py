"""Write and read files of fixed-size rows in buckets: one task writes all buckets, other tasks read one bucket each.

This is the shuffle of a build. Only small rows of numbers go through it, never text. A resumed run reuses the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from core import files
from core.paths import local, open_to_seek

Rows = npt.NDArray[Any]
Offsets = npt.NDArray[np.int64]


def write(target: Path, rows: Rows, bounds: Offsets) -> None:
    """Write rows in the order of their buckets. Bucket k begins at `bounds[k]`."""
    with files.appearing(target) as temporary, open(temporary, "wb") as file:
        np.append(bounds, len(rows)).astype("<i8").tofile(file)
        rows.tofile(file)


def read(source: Path, bucket: int, buckets: int, kind: np.dtype[Any]) -> Rows:
    """Return the rows of one bucket."""
    with open_to_seek(source) as file:
        bounds = _take(file, np.dtype("<i8"), buckets + 1)
        file.seek(int(bounds[bucket]) * kind.itemsize, 1)
        return _take(file, kind, int(bounds[bucket + 1] - bounds[bucket]))


def mapped(source: Path, kind: np.dtype[Any]) -> Rows:
    """Return a file of rows without buckets, mapped into memory."""
    source = local(source)
    return np.memmap(source, kind, "r") if source.stat().st_size else np.empty(0, kind)


def between(source: Path, kind: np.dtype[Any], start: int, end: int) -> Rows:
    """Return some rows of a file without buckets."""
    with open_to_seek(source) as file:
        file.seek(start * kind.itemsize)
        return _take(file, kind, end - start)


def _take(file: IO[bytes], kind: np.dtype[Any], count: int) -> Rows:
    rows = np.empty(count, kind)
    if rows.nbytes and file.readinto(rows.view("u1").data) != rows.nbytes:  # type: ignore[attr-defined]
        raise OSError(f"{file.name} is shorter than it should be")
    return rows


def read_all(sources: Iterable[Path], bucket: int, buckets: int, kind: np.dtype[Any]) -> Rows:
    """Return the rows of one bucket of many files, in the order of the files."""
    return np.concatenate([np.empty(0, kind), *(read(source, bucket, buckets, kind) for source in sources)])


def unique(rows: Rows, *names: str) -> Rows:
    """Return distinct rows sorted by some fields; much faster than sorting whole rows."""
    rows = rows[np.lexsort([rows[name] for name in reversed(names)])]
    new = np.zeros(len(rows), bool)
    new[:1] = True
    for name in names:
        new[1:] |= rows[name][1:] != rows[name][:-1]
    return rows[new]


def chunks(rows: Rows, size: int) -> Iterator[Rows]:
    """Yield the same rows in batches."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def by_first_bits(rows: Rows, name: str, buckets: int) -> tuple[Rows, Offsets]:
    """Return rows sorted into buckets by a field of 64 evenly distributed bits, and the start of each bucket."""
    bucket = (rows[name] // np.uint64(2**64 // buckets)).astype(np.uint16) if buckets > 1 else np.zeros(len(rows), "u2")
    order = np.argsort(bucket, kind="stable")
    return rows[order], np.searchsorted(bucket[order], np.arange(buckets))


def count(rows: int, most: int) -> int:
    """Return the number of buckets for a number of rows, about `most` in each: a power of two, at most 2^16."""
    buckets = 1
    while rows > buckets * most and buckets < 1 << 16:
        buckets *= 2
    return buckets
