"""Run the phase `shingle`: write the rows that are in a pair, with the sets of shingles by which they are compared."""

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

# A row in a pair: its index in its part, its id; hashes of its answer, its data set, and its template (0: none); where
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
    start_row = written = 0
    with files.appearing(hashes_of(target)) as temporary, open(temporary, "wb") as file:
        for batch in batches(part, [*COLUMNS, "source", "dataset"], ROWS_AT_ONCE, BYTES_AT_ONCE) if len(wanted) else ():
            inside = wanted[slice(*np.searchsorted(wanted, (start_row, start_row + batch.num_rows)))]
            if len(inside):
                candidates, hashes = _candidates(batch.take(pa.array(inside - start_row)), inside)
                candidates["begins"] += np.uint64(written)
                written += len(hashes)
                rows.append(candidates)
                hashes.tofile(file)
            start_row += batch.num_rows
    with files.appearing(target) as temporary, open(temporary, "wb") as file:
        np.concatenate(rows).tofile(file)


def hashes_of(target: Path) -> Path:
    """Return the path of the shingles of a file of candidates."""
    return target.with_name(f"{target.name}.hashes")


def _candidates(batch: pa.RecordBatch, indices: Numbers) -> tuple[Rows, npt.NDArray[np.uint32]]:
    rules, _ = languages_of(batch)
    talks = conversations(batch)
    last_turns = answers(talks)
    sets = [*cut(wholes(talks), rules), *cut(last_turns, rules)]
    rows = np.empty(len(indices), _CANDIDATE)
    rows["row"] = indices
    rows["id"] = ids(batch)
    rows["answer"] = [hash_of(answer) for answer in last_turns]
    sources = zip(batch.column("source").to_pylist(), batch.column("dataset").to_pylist(), strict=True)
    rows["dataset"] = [hash_of("\x1f".join(names)) for names in sources]
    rows["template"] = templates(batch)
    counts = np.stack([np.diff(shingles.offsets) for shingles in sets], axis=1)
    ends = np.cumsum(counts).reshape(counts.shape)
    rows["begins"][:, :-1] = ends - counts
    rows["begins"][:, -1] = ends[:, -1]
    hashes = np.empty(int(counts.sum()), _SHINGLE)
    for kind, shingles in enumerate(sets):
        # Half of a hash is enough: a few hundred shingles collide with a chance of one in ten thousand.
        hashes[ranges(ends[:, kind] - counts[:, kind], counts[:, kind])] = shingles.hashes >> np.uint64(32)
    return rows, hashes


@dataclass(frozen=True)
class Candidates:
    """The rows of all parts that are in a pair, read from the files that `write_shingles` wrote."""

    sources: Sequence[Path]
    starts: Numbers

    def locate(self, numbers: Numbers) -> Located:
        """Return rows by their numbers among all rows. Files stay mapped as long as the result is in use."""
        part_of = np.searchsorted(self.starts, numbers, side="right") - 1
        by_part = []
        for part in np.unique(part_of).tolist():
            indices = np.flatnonzero(part_of == part)
            rows = buckets.mapped(self.sources[part], _CANDIDATE)
            positions = np.searchsorted(rows["row"], numbers[indices] - self.starts[part])
            by_part.append((indices, rows[positions], buckets.mapped(hashes_of(self.sources[part]), _SHINGLE)))
        return Located(len(numbers), by_part)


@dataclass(frozen=True)
class Located:
    """Some candidates. `by_part` holds for each part the indices of its rows here, the rows, and the part's hashes."""

    count: int
    by_part: Sequence[tuple[Numbers, Rows, Rows]]

    def ids(self) -> list[str]:
        """Return the ids of the records."""
        return [row_id.tobytes().hex() for row_id in self._column("id")]

    def hashes(self, name: str) -> Hashes:
        """Return the hashes of answers, data sets or templates."""
        return self._column(name)

    def _column(self, name: str) -> Rows:
        values = np.empty(self.count, _CANDIDATE[name])
        for indices, rows, _ in self.by_part:
            values[indices] = rows[name]
        return values

    def sizes(self) -> Numbers:
        """Return the number of shingles of each row, in all of its sets."""
        sizes = np.zeros(self.count, np.int64)
        for indices, rows, _ in self.by_part:
            sizes[indices] = rows["begins"][:, -1] - rows["begins"][:, 0]
        return sizes

    def shingles(self, kind: int) -> Shingles:
        """Return one of the four sets of each row, with repetitions."""
        counts = np.zeros(self.count, np.int64)
        for indices, rows, _ in self.by_part:
            counts[indices] = rows["begins"][:, kind + 1] - rows["begins"][:, kind]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        values = np.empty(int(offsets[-1]), np.uint64)
        for indices, rows, hashes in self.by_part:
            begins = rows["begins"][:, kind].astype(np.int64)
            values[ranges(offsets[indices], counts[indices])] = hashes[ranges(begins, counts[indices])]
        return Shingles(values, offsets)
