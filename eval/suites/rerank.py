"""Reranking: are the documents that a first stage found in a better order afterwards?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from collection.languages import Language
from eval.config import EvalConfig
from eval.data.examples import retrieval
from eval.data.sources import Row
from eval.metrics import ranking
from eval.models.base import EmbedModel, RerankModel
from eval.models.reference import Index
from eval.outcome import Outcome
from eval.results import Example
from eval.task import Task

_METRICS = ("ndcg@10", "mrr@10", "recall@10", "ndcg@10_first", "mrr@10_first", "recall@10_first", "ndcg@10_gain")


class FirstStage(Protocol):
    """What finds the documents that are put in order."""

    signature: str

    def scores(self, queries: Sequence[str], documents: Sequence[str]) -> Iterator[npt.NDArray[np.float64]]:
        """Of all documents, for each query in turn."""


class LexicalFirst:
    """BM25 over the words of every script."""

    signature = "bm25"

    def scores(self, queries: Sequence[str], documents: Sequence[str]) -> Iterator[npt.NDArray[np.float64]]:
        index = Index(documents)
        return (index.scores(query) for query in queries)


class EmbeddedFirst:
    """Cosines of a model's embeddings."""

    def __init__(self, model: EmbedModel, signature: str) -> None:
        self._model, self.signature = model, signature

    def scores(self, queries: Sequence[str], documents: Sequence[str]) -> Iterator[npt.NDArray[np.float64]]:
        return ranking.cosines(self._model.embed(queries, "query"), self._model.embed(documents, "document"))


class ByCosine:
    """A model of embeddings as a reranker."""

    def __init__(self, model: EmbedModel) -> None:
        self._model = model

    def scores(self, query: str, documents: Sequence[str]) -> Any:
        return next(ranking.cosines(self._model.embed([query], "query"), self._model.embed(documents, "document")))


def run(
    task: Task,
    language: Language,
    rows: Sequence[Row],
    model: RerankModel,
    first: FirstStage,
    config: EvalConfig,
    *,
    corpus: Sequence[Row] | None = None,
) -> Iterator[Outcome]:
    """The outcome of a task in a language. What the first stage did not find cannot be won back, and counts."""
    found = retrieval(rows, corpus if corpus is not None else rows, task, config.limit)
    queries, relevant = found.queries, found.relevant
    before, after = [], []
    for query, gains, scores in zip(queries, relevant, first.scores(queries, found.documents), strict=True):
        candidates = ranking.ranked(np.asarray(scores), list(gains), config.rerank.depth)
        given = np.asarray(model.scores(query, [found.documents[place] for place in candidates]), np.float64)
        wanted = [place for place, candidate in enumerate(candidates) if candidate in gains]
        order = ranking.ranked(given, wanted)
        before.append(candidates)
        after.append([candidates[place] for place in order])
    examples = []
    measured = zip(ranking.measures(after, relevant), ranking.measures(before, relevant), strict=True)
    for number, (now, then) in enumerate(measured):
        statistics = {name: (now[name],) for name in _METRICS[:3]}
        statistics |= {f"{name}_first": (then[name],) for name in _METRICS[:3]}
        statistics["ndcg@10_gain"] = (now["ndcg@10"] - then["ndcg@10"],)
        examples.append(Example(found.ids[number], statistics, found.told(number, after[number])))
    yield Outcome(
        task,
        language,
        _METRICS,
        tuple(examples),
        found.data,
        options={"first": first.signature, "depth": config.rerank.depth, "documents": len(found.documents)},
        texts=found.texts,
        notes=found.notes,
    )
