"""shingle: the rows that are in a pair, with the sets of shingles that decide about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collection.shingles import Hashes, Shingles, cut, ranges
from collection.store import batches
from glotmill import files
from pipelines import buckets
from pipelines.buckets import Rows
from pipelines.near_duplicates.texts import COLUMNS, answers, hash_of, languages_of, wholes

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
    """The shingles of those rows of a part that are in a pair: `target` is who they are, beside it their hashes."""
    wanted = np.unique(buckets.read_all(members, index, parts, _NUMBER)).astype(np.int64) - start
    rows = [np.empty(0, _CANDIDATE)]
    place = written = 0
    with files.appearing(hashes_of(target)) as temporary, open(temporary, "wb") as file:
        for batch in batches(part, [*COLUMNS, "source", "dataset", "template"]) if len(wanted) else ():
            inside = wanted[np.searchsorted(wanted, place) : np.searchsorted(wanted, place + batch.num_rows)]
            if len(inside):
                found, hashes = _candidates(batch.take(pa.array(inside - place)), inside)
                found["begins"] += np.uint64(written)
                written += len(hashes)
                rows.append(found)
                hashes.tofile(file)
            place += batch.num_rows
    buckets.write(target, np.concatenate(rows), np.zeros(1, np.int64))


def hashes_of(target: Path) -> Path:
    """The file beside a file of candidates that holds their shingles."""
    return target.with_name(f"{target.name}.hashes")


def _candidates(batch: pa.RecordBatch, places: Numbers) -> tuple[Rows, npt.NDArray[np.uint32]]:
    shapes, _ = languages_of(batch)
    said = answers(batch)
    sets = [*cut(wholes(batch), shapes), *cut(said, shapes)]
    rows = np.empty(len(places), _CANDIDATE)
    rows["row"] = places
    rows["id"] = np.frombuffer(bytes.fromhex("".join(batch.column("id").to_pylist())), "V16")
    rows["answer"] = [hash_of(answer) for answer in said]
    sources = zip(batch.column("source").to_pylist(), batch.column("dataset").to_pylist(), strict=True)
    rows["dataset"] = [hash_of("\x1f".join(names)) for names in sources]
    rows["template"] = [hash_of(name) if name else 0 for name in batch.column("template").to_pylist()]
    counts = np.stack([np.diff(one.offsets) for one in sets], axis=1)
    ends = np.cumsum(counts).reshape(counts.shape)
    rows["begins"][:, :-1] = ends - counts
    rows["begins"][:, -1] = ends[:, -1]
    hashes = np.empty(int(counts.sum()), _SHINGLE)
    for way, one in enumerate(sets):
        # Half of a hash tells a few hundred shingles apart, but for one chance in ten thousand.
        hashes[ranges(ends[:, way] - counts[:, way], counts[:, way])] = one.hashes >> np.uint64(32)
    return rows, hashes


class Candidates:
    """The rows of all parts that are in a pair, by their numbers. A part is read when it is first asked for."""

    def __init__(self, sources: Sequence[Path], starts: Numbers) -> None:
        self._sources, self._starts = sources, starts
        self._parts: dict[int, tuple[Rows, Rows]] = {}

    def _part(self, part: int) -> tuple[Rows, Rows]:
        if part not in self._parts:
            rows, hashes = buckets.read(self._sources[part], 0, 1, _CANDIDATE), hashes_of(self._sources[part])
            mapped = np.memmap(hashes, _SHINGLE, "r") if hashes.stat().st_size else np.empty(0, _SHINGLE)
            self._parts[part] = rows, mapped
        return self._parts[part]

    def _by_part(self, numbers: Numbers) -> Iterator[tuple[Numbers, Rows, Rows]]:
        """Where in `numbers` the rows of one part stand, who they are, and the hashes of the part."""
        part_of = np.searchsorted(self._starts, numbers, side="right") - 1
        for part in np.unique(part_of).tolist():
            places = np.flatnonzero(part_of == part)
            rows, hashes = self._part(part)
            yield places, rows[np.searchsorted(rows["row"], numbers[places] - self._starts[part])], hashes

    def ids(self, numbers: Numbers) -> list[str]:
        """The ids of records."""
        found = np.empty(len(numbers), "V16")
        for places, rows, _ in self._by_part(numbers):
            found[places] = rows["id"]
        return [one.tobytes().hex() for one in found]

    def hashes(self, numbers: Numbers, name: str) -> Hashes:
        """Hashes of answers, data sets, or templates."""
        found = np.empty(len(numbers), np.uint64)
        for places, rows, _ in self._by_part(numbers):
            found[places] = rows[name]
        return found

    def shingles(self, numbers: Numbers, which: int) -> Shingles:
        """One of the four sets of each row, with repetitions."""
        counts = np.zeros(len(numbers), np.int64)
        pieces = []
        for places, rows, hashes in self._by_part(numbers):
            begins, ends = rows["begins"][:, which : which + 2].astype(np.int64).T
            counts[places] = ends - begins
            pieces.append((places, hashes[ranges(begins, ends - begins)]))
        offsets = np.concatenate([[0], np.cumsum(counts)])
        found = np.empty(int(offsets[-1]), np.uint64)
        for places, hashes in pieces:
            found[ranges(offsets[places], counts[places])] = hashes
        return Shingles(found, offsets)
