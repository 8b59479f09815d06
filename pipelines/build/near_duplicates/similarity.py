"""compare: which pairs are truly alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from collection.shingles import jaccards
from pipelines.build import buckets
from pipelines.build.near_duplicates.bands import PAIR
from pipelines.build.near_duplicates.candidates import (
    ANSWER_CHARACTERS,
    ANSWER_WORDS,
    CHARACTERS,
    WORDS,
    Candidates,
    Located,
)

# A pair, and how alike it is.
SIMILAR_PAIR: Final = np.dtype(
    [*((name, PAIR[name]) for name in ("first", "second")), ("ranks", "u1", 2), ("alike", "<f4")]
)


def compare(
    pairs: Sequence[Path],
    part: int,
    parts: int,
    rows: Candidates,
    target: Path,
    *,
    least: float,
    across_templates: bool = False,
) -> int:
    """Write the similar pairs whose first row is in one part, and return their number."""
    found = buckets.unique(buckets.read_all(pairs, part, parts, PAIR), "first", "second")
    edges = [np.empty(0, SIMILAR_PAIR)]
    for some in _chunks(found, rows):
        first, second = (rows.locate(some[name].astype(np.int64)) for name in ("first", "second"))
        similarities = alike(first, second)
        kept = similarities >= np.float32(least)
        if not across_templates:
            kept &= ~on_purpose(first, second)
        edge = np.empty(int(kept.sum()), SIMILAR_PAIR)
        for name in ("first", "second", "ranks"):
            edge[name] = some[name][kept]
        edge["alike"] = similarities[kept]
        edges.append(edge)
    joined = np.concatenate(edges)
    buckets.write(target, joined, np.zeros(1, np.int64))
    return len(joined)


_PAIRS_AT_ONCE, _SHINGLES_AT_ONCE = 5_000, 2_000_000


def _chunks(found: buckets.Rows, rows: Candidates) -> Iterator[buckets.Rows]:
    """Yield the same pairs in batches, smaller ones for long texts."""
    for some in buckets.chunks(found, _PAIRS_AT_ONCE):
        sizes = sum(rows.locate(some[name].astype(np.int64)).sizes() for name in ("first", "second"))
        yield from np.split(some, np.flatnonzero(np.diff(np.cumsum(sizes) // _SHINGLES_AT_ONCE)) + 1)


def alike(first: Located, second: Located) -> npt.NDArray[np.float32]:
    """How alike the rows of each pair are: as whole conversations or in their answers, whichever is less.

    By words where both have enough of them, else by characters where both are so short; others are too far apart in
    length. Answers too short for a shingle are alike where they are the same.
    """
    whole = _alike(first, second, WORDS, CHARACTERS)
    answer = _alike(first, second, ANSWER_WORDS, ANSWER_CHARACTERS)
    answer[first.hashes("answer") == second.hashes("answer")] = 1.0
    return np.minimum(whole, answer)


def on_purpose(first: Located, second: Located) -> npt.NDArray[np.bool_]:
    """Pairs from different templates of one data set: the same said in many ways, which is what templates are for."""
    templates = first.hashes("template"), second.hashes("template")
    named = (templates[0] != 0) & (templates[1] != 0)
    of_one = first.hashes("dataset") == second.hashes("dataset")
    differ: npt.NDArray[np.bool_] = named & of_one & (templates[0] != templates[1])
    return differ


def _alike(first: Located, second: Located, *ways: int) -> npt.NDArray[np.float32]:
    found = np.zeros(first.count, np.float32)
    for way in reversed(ways):
        by_this, has_both = jaccards(first.shingles(way), second.shingles(way))
        found[has_both] = by_this[has_both]
    return found
