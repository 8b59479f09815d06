"""shingle: the rows that are in a pair, with the sets of shingles that decide about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collection.record import conversations, ids
from collection.shingles import Hashes, Shingles, cut, ranges
from collection.store import batches
from core import files
from pipelines.build import buckets
from pipelines.build.buckets import Rows
from pipelines.build.near_duplicates.texts import (
    BYTES_AT_ONCE,
    COLUMNS,
    ROWS_AT_ONCE,
    answers,
    hash_of,
    languages_of,
    templates,
    wholes,
)

Numbers = npt.NDArray[np.int64]

_NUMBER: Final = np.dtype("<u8")

# A row in a pair: its place in its part, its id; hashes of its answer, its data set, and its template (0: none); where
# each of its sets of shingles begins, and where the last one ends.
_CANDIDATE: Final = np.dtype(
    [
        ("row", "<u4"),
        ("id", "V16"),
        *((name, "<u8") for name in ("answer", "dataset", "template")),
        ("begins", "<u8", 5),
    ]
)
_SHINGLE: Final = np.dtype("<u4")
WORDS, CHARACTERS, ANSWER_WORDS, ANSWER_CHARACTERS = range(4)


def write_shingles(part: Path, index: int, start: int, members: Sequence[Path], parts: int, target: Path) -> None:
    """Write the rows of a part that are in a pair to `target`, and their shingles to the file next to it."""
    wanted = np.unique(buckets.read_all(members, index, parts, _NUMBER)).astype(np.int64) - start
    rows = [np.empty(0, _CANDIDATE)]
    place = written = 0
    with files.appearing(hashes_of(target)) as temporary, open(temporary, "wb") as file:
        for batch in batches(part, [*COLUMNS, "source", "dataset"], ROWS_AT_ONCE, BYTES_AT_ONCE) if len(wanted) else ():
            inside = wanted[np.searchsorted(wanted, place) : np.searchsorted(wanted, place + batch.num_rows)]
            if len(inside):
                found, hashes = _candidates(batch.take(pa.array(inside - place)), inside)
                found["begins"] += np.uint64(written)
                written += len(hashes)
                rows.append(found)
                hashes.tofile(file)
            place += batch.num_rows
    with files.appearing(target) as temporary, open(temporary, "wb") as file:
        np.concatenate(rows).tofile(file)


def hashes_of(target: Path) -> Path:
    """Return the path of the shingles of a file of candidates."""
    return target.with_name(f"{target.name}.hashes")


def _candidates(batch: pa.RecordBatch, places: Numbers) -> tuple[Rows, npt.NDArray[np.uint32]]:
    shapes, _ = languages_of(batch)
    talks = conversations(batch)
    said = answers(talks)
    sets = [*cut(wholes(talks), shapes), *cut(said, shapes)]
    rows = np.empty(len(places), _CANDIDATE)
    rows["row"] = places
    rows["id"] = ids(batch)
    rows["answer"] = [hash_of(answer) for answer in said]
    sources = zip(batch.column("source").to_pylist(), batch.column("dataset").to_pylist(), strict=True)
    rows["dataset"] = [hash_of("\x1f".join(names)) for names in sources]
    rows["template"] = templates(batch)
    counts = np.stack([np.diff(one.offsets) for one in sets], axis=1)
    ends = np.cumsum(counts).reshape(counts.shape)
    rows["begins"][:, :-1] = ends - counts
    rows["begins"][:, -1] = ends[:, -1]
    hashes = np.empty(int(counts.sum()), _SHINGLE)
    for way, one in enumerate(sets):
        # Half of a hash tells a few hundred shingles apart, but for one chance in ten thousand.
        hashes[ranges(ends[:, way] - counts[:, way], counts[:, way])] = one.hashes >> np.uint64(32)
    return rows, hashes


@dataclass(frozen=True)
class Candidates:
    """The rows of all parts that are in a pair, in the files that the parts left."""

    sources: Sequence[Path]
    starts: Numbers

    def locate(self, numbers: Numbers) -> Located:
        """Rows by their numbers among all. Files are mapped for as long as what is returned is held."""
        part_of = np.searchsorted(self.starts, numbers, side="right") - 1
        pieces = []
        for part in np.unique(part_of).tolist():
            places = np.flatnonzero(part_of == part)
            rows = buckets.mapped(self.sources[part], _CANDIDATE)
            found = np.searchsorted(rows["row"], numbers[places] - self.starts[part])
            pieces.append((places, rows[found], buckets.mapped(hashes_of(self.sources[part]), _SHINGLE)))
        return Located(len(numbers), pieces)


@dataclass(frozen=True)
class Located:
    """Some candidates. `pieces`: for each part, where its rows stand among them, the rows, the hashes of the part."""

    count: int
    pieces: Sequence[tuple[Numbers, Rows, Rows]]

    def ids(self) -> list[str]:
        """Return the ids of the records."""
        return [one.tobytes().hex() for one in self._column("id")]

    def hashes(self, name: str) -> Hashes:
        """Hashes of answers, data sets, or templates."""
        return self._column(name)

    def _column(self, name: str) -> Rows:
        found = np.empty(self.count, _CANDIDATE[name])
        for places, rows, _ in self.pieces:
            found[places] = rows[name]
        return found

    def sizes(self) -> Numbers:
        """How many shingles each row has, in all of its sets."""
        found = np.zeros(self.count, np.int64)
        for places, rows, _ in self.pieces:
            found[places] = rows["begins"][:, -1] - rows["begins"][:, 0]
        return found

    def shingles(self, which: int) -> Shingles:
        """One of the four sets of each row, with repetitions."""
        counts = np.zeros(self.count, np.int64)
        for places, rows, _ in self.pieces:
            counts[places] = rows["begins"][:, which + 1] - rows["begins"][:, which]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        found = np.empty(int(offsets[-1]), np.uint64)
        for places, rows, hashes in self.pieces:
            begins = rows["begins"][:, which].astype(np.int64)
            found[ranges(offsets[places], counts[places])] = hashes[ranges(begins, counts[places])]
        return Shingles(found, offsets)
