"""Run the phase `cluster`: join similar rows to clusters, and choose the row of each that is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core import files
from pipelines.build import buckets
from pipelines.build.near_duplicates.similarity import SIMILAR_PAIR

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clusters:
    """Two values for each row of the build, in two sparse files.

    `kept` is the number of the row that is kept instead, plus 1, or 0 for a row that is not dropped. `similarity` is
    the greatest similarity of the row to another one of its cluster.
    """

    folder: Path
    rows: int

    def duplicates(self, start: int, end: int) -> tuple[Numbers, Numbers, npt.NDArray[np.float32]]:
        """Return the dropped rows between two numbers: positions from `start`, kept rows, and similarities."""
        kept = buckets.between(self.folder / "kept", _KEPT, start, end)
        rows = np.flatnonzero(kept)
        return rows, kept[rows] - 1, buckets.between(self.folder / "similarity", _SIMILARITY, start, end)[rows]


_KEPT, _SIMILARITY, _RANK = np.dtype("<i8"), np.dtype("<f4"), np.dtype("u1")


def cluster(edges: Sequence[Path], clusters: Clusters) -> int:
    """Join rows that are similar, directly or through others, and return the number of dropped rows.

    This is a union-find on disk. Each cluster keeps its row of the best rank, and the first of several.
    """
    with (
        files.appearing(clusters.folder / "kept") as kept,
        files.appearing(clusters.folder / "similarity") as similarities,
        tempfile.TemporaryFile(prefix="glotmill-") as rank,
    ):
        files_of = ((kept, _KEPT), (similarities, _SIMILARITY), (rank, _RANK))
        return _join(edges, *[_mapped(file, kind, clusters.rows) for file, kind in files_of])


def _mapped(file: Any, kind: np.dtype[Any], rows: int) -> npt.NDArray[Any]:
    if not rows:
        if isinstance(file, Path):
            file.touch()
        return np.empty(0, kind)
    return np.memmap(file, kind, "w+", shape=(rows,))


def _join(edges: Sequence[Path], kept: npt.NDArray[Any], similarities: npt.NDArray[Any], rank: npt.NDArray[Any]) -> int:
    for source in edges:
        for edge in buckets.chunks(buckets.read(source, 0, 1, SIMILAR_PAIR), _CHUNK):
            rank[edge["first"]], rank[edge["second"]] = edge["ranks"][:, 0], edge["ranks"][:, 1]
            np.maximum.at(similarities, edge["second"], edge["similarity"])
            np.maximum.at(similarities, edge["first"], edge["similarity"])
            for first, second in zip(edge["first"].tolist(), edge["second"].tolist(), strict=True):
                roots = {_root(kept, first), _root(kept, second)}
                if len(roots) == 2:
                    winner, loser = sorted(roots, key=lambda number: (rank[number], number))
                    kept[loser] = winner + 1
    dropped = 0
    for start in range(0, len(kept), _CHUNK):
        rows = start + np.flatnonzero(kept[start : start + _CHUNK])
        for row in rows.tolist():
            kept[row] = _root(kept, row) + 1
        dropped += len(rows)
    return dropped


_CHUNK: Final = 1 << 20


def _root(kept: npt.NDArray[Any], number: int) -> int:
    """Return the row that represents a cluster. All rows on the way then point to it."""
    root = number
    while above := int(kept[root]):
        root = above - 1
    while number != root:
        above = int(kept[number]) - 1
        kept[number] = root + 1
        number = above
    return root
