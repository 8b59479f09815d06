"""From scores to ranks: ties are never won, and what is no number comes last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
_PLACES: Final = 9  # cosines that differ less are the same but for rounding
_QUERIES: Final = 256  # whose scores of all documents are laid out at a time
MEASURES: Final = {
    "ndcg_cut_10": "ndcg@10",
    "recip_rank": "mrr@10",
    "recall_10": "recall@10",
    "recall_100": "recall@100",
}
DEPTH: Final = 100


def cosines(queries_NxD: Any, documents_MxD: Any) -> Iterator[Scores]:
    """Of each query, its scores of all documents, [m], rounded; NaN where a vector has one, 0 for a vector of zeros."""
    queries, documents = unit(queries_NxD), unit(documents_MxD)
    for start in range(0, len(queries), _QUERIES):
        yield from np.round(queries[start : start + _QUERIES] @ documents.T, _PLACES)


def unit(vectors_NxD: Any) -> Scores:
    """Of length 1, in float64; zeros stay."""
    vectors = np.asarray(vectors_NxD, np.float64)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def ranked(scores: Scores, relevant: Sequence[int], depth: int = DEPTH) -> list[int]:
    """The places of the `depth` best scores. Of equal scores, what is relevant comes last; NaN is below all."""
    order = np.where(np.isnan(scores), -np.inf, scores)
    last = np.zeros(len(order), bool)
    last[list(relevant)] = True
    return [int(place) for place in np.lexsort((np.arange(len(order)), last, -order))[:depth]]


def measures(rankings: Sequence[Sequence[int]], relevant: Sequence[Mapping[int, int]]) -> list[dict[str, float]]:
    """nDCG@10, MRR@10, recall@10 and @100 of each query, by pytrec_eval. `relevant`: gains by place, above 0."""
    import pytrec_eval

    qrels = {str(q): {str(place): gain for place, gain in gains.items()} for q, gains in enumerate(relevant)}
    # It breaks ties by name: so it is given ranks, which have none.
    run = {str(q): {str(place): float(-rank) for rank, place in enumerate(order)} for q, order in enumerate(rankings)}
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10", "recip_rank", "recall.10,100"}).evaluate(run)
    rows = []
    for q in range(len(rankings)):
        told = found.get(str(q), {})
        row = {ours: float(told.get(theirs, 0.0)) for theirs, ours in MEASURES.items()}
        row["mrr@10"] = row["mrr@10"] if row["mrr@10"] >= 0.1 - 1e-9 else 0.0
        rows.append(row)
    return rows


def best(scores: Scores) -> int:
    """The place of the one best score; -1 where two share it, or there is none."""
    if np.isnan(scores).all():
        return -1
    top = np.nanmax(scores)
    (places,) = np.nonzero(scores == top)
    return int(places[0]) if len(places) == 1 and np.isfinite(top) else -1
