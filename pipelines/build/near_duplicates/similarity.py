"""Run the phase `compare`: compute the similarity of each pair, and write the pairs that are similar enough."""

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

# A pair and its similarity.
SIMILAR_PAIR: Final = np.dtype(
    [*((name, PAIR[name]) for name in ("first", "second")), ("ranks", "u1", 2), ("similarity", "<f4")]
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
    candidates = buckets.unique(buckets.read_all(pairs, part, parts, PAIR), "first", "second")
    edges = [np.empty(0, SIMILAR_PAIR)]
    for batch in _chunks(candidates, rows):
        first, second = (rows.locate(batch[name].astype(np.int64)) for name in ("first", "second"))
        similarities = similarity(first, second)
        kept = similarities >= np.float32(least)
        if not across_templates:
            kept &= ~from_sibling_templates(first, second)
        edge = np.empty(int(kept.sum()), SIMILAR_PAIR)
        for name in ("first", "second", "ranks"):
            edge[name] = batch[name][kept]
        edge["similarity"] = similarities[kept]
        edges.append(edge)
    joined = np.concatenate(edges)
    buckets.write(target, joined, np.zeros(1, np.int64))
    return len(joined)


_PAIRS_AT_ONCE, _SHINGLES_AT_ONCE = 5_000, 2_000_000


def _chunks(pairs: buckets.Rows, rows: Candidates) -> Iterator[buckets.Rows]:
    """Yield the same pairs in batches, smaller ones for long texts."""
    for batch in buckets.chunks(pairs, _PAIRS_AT_ONCE):
        sizes = sum(rows.locate(batch[name].astype(np.int64)).sizes() for name in ("first", "second"))
        yield from np.split(batch, np.flatnonzero(np.diff(np.cumsum(sizes) // _SHINGLES_AT_ONCE)) + 1)


def similarity(first: Located, second: Located) -> npt.NDArray[np.float32]:
    """Return the similarity of each pair: of the whole conversations or of the answers, whichever is lower.

    Rows are compared by words if both have enough words, and by characters if both are short. Other pairs differ too
    much in length, and get 0. Answers too short for a shingle have similarity 1 if they are equal.
    """
    whole = _jaccard(first, second, WORDS, CHARACTERS)
    answer = _jaccard(first, second, ANSWER_WORDS, ANSWER_CHARACTERS)
    answer[first.hashes("answer") == second.hashes("answer")] = 1.0
    return np.minimum(whole, answer)


def from_sibling_templates(first: Located, second: Located) -> npt.NDArray[np.bool_]:
    """Return which pairs come from different templates of one data set: they are meant to say the same in many ways."""
    templates = first.hashes("template"), second.hashes("template")
    named = (templates[0] != 0) & (templates[1] != 0)
    same_dataset = first.hashes("dataset") == second.hashes("dataset")
    differ: npt.NDArray[np.bool_] = named & same_dataset & (templates[0] != templates[1])
    return differ


def _jaccard(first: Located, second: Located, *kinds: int) -> npt.NDArray[np.float32]:
    similarities = np.zeros(first.count, np.float32)
    for kind in reversed(kinds):
        values, both_have_any = jaccards(first.shingles(kind), second.shingles(kind))
        similarities[both_have_any] = values[both_have_any]
    return similarities
