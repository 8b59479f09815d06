"""cluster: what hangs together, and which row of it stays."""

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
    """For each row by its number: the number of the row that stays in its stead, plus 1, or 0; and how alike it was.

    Both are files with holes: as large as the whole, and as small as what is in them.
    """

    folder: Path
    rows: int

    def drops(self, start: int, end: int) -> tuple[Numbers, Numbers, npt.NDArray[np.float32]]:
        """Return the dropped rows between two numbers: positions from `start`, kept rows, and similarities."""
        stays = buckets.between(self.folder / "stays", _STAYS, start, end)
        places = np.flatnonzero(stays)
        return places, stays[places] - 1, buckets.between(self.folder / "alike", _SIMILARITY, start, end)[places]


_STAYS, _SIMILARITY, _RANK = np.dtype("<i8"), np.dtype("<f4"), np.dtype("u1")


def cluster(edges: Sequence[Path], clusters: Clusters) -> int:
    """Join rows that are similar, directly or through others, and return the number of dropped rows.

    Union-find on the disk. Of a cluster the row of the best rank stays, and of those the first.
    """
    with (
        files.appearing(clusters.folder / "stays") as stays,
        files.appearing(clusters.folder / "alike") as similarities,
        tempfile.TemporaryFile(prefix="glotmill-") as rank,
    ):
        files_of = ((stays, _STAYS), (similarities, _SIMILARITY), (rank, _RANK))
        return _join(edges, *[_mapped(file, kind, clusters.rows) for file, kind in files_of])


def _mapped(file: Any, kind: np.dtype[Any], rows: int) -> npt.NDArray[Any]:
    if not rows:
        if isinstance(file, Path):
            file.touch()
        return np.empty(0, kind)
    return np.memmap(file, kind, "w+", shape=(rows,))


def _join(
    edges: Sequence[Path], stays: npt.NDArray[Any], similarities: npt.NDArray[Any], rank: npt.NDArray[Any]
) -> int:
    for source in edges:
        for edge in buckets.chunks(buckets.read(source, 0, 1, SIMILAR_PAIR), _CHUNK):
            rank[edge["first"]], rank[edge["second"]] = edge["ranks"][:, 0], edge["ranks"][:, 1]
            np.maximum.at(similarities, edge["second"], edge["alike"])
            np.maximum.at(similarities, edge["first"], edge["alike"])
            for first, second in zip(edge["first"].tolist(), edge["second"].tolist(), strict=True):
                one, other = _root(stays, first), _root(stays, second)
                if one != other:
                    winner, loser = sorted((one, other), key=lambda number: (rank[number], number))
                    stays[loser] = winner + 1
    removed = 0
    for start in range(0, len(stays), _CHUNK):
        places = start + np.flatnonzero(stays[start : start + _CHUNK])
        for place in places.tolist():
            stays[place] = _root(stays, place) + 1
        removed += len(places)
    return removed


_CHUNK: Final = 1 << 20


def _root(stays: npt.NDArray[Any], number: int) -> int:
    """Return the row that represents a cluster. All rows on the way then point to it."""
    root = number
    while above := int(stays[root]):
        root = above - 1
    while number != root:
        above = int(stays[number]) - 1
        stays[number] = root + 1
        number = above
    return root
