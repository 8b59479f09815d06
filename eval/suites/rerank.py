"""Evaluate reranking: does a model put the documents that a first stage finds into a better order?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from collection.languages import Language
from eval.config import RerankSettings
from eval.data.examples import retrieval
from eval.metrics import ranking
from eval.models.base import EmbedModel, RerankModel
from eval.models.reference import Index
from eval.outcome import Outcome
from eval.results import Example
from eval.suites.base import SuiteContext, SuiteKind, TaskRows
from eval.task import Suite, Task

_MEASURES = ("ndcg@10", "mrr@10", "recall@10")
_METRICS = (*_MEASURES, *(f"{name}_first" for name in _MEASURES), "ndcg@10_gain")


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


class RerankSuite(SuiteKind):
    """Reranking, scored by nDCG@10 and its gain over the first stage. A document that the first stage missed counts."""

    suite: ClassVar[Suite] = "rerank"
    help = "questions, and the texts that answer them; [id]"
    fields = ("query", "document")

    def __init__(self, task: Task, context: SuiteContext) -> None:
        super().__init__(task, context)
        self.settings: RerankSettings = context.settings
        model = context.model
        self.model: RerankModel = ByCosine(model.model) if model.makes == "vectors" else model.model
        self.first = self._first_stage()

    def _first_stage(self) -> FirstStage:
        if self.settings.first == LexicalFirst.signature:
            return LexicalFirst()
        other = self.context.other_model(self.settings.first, "embed")
        return EmbeddedFirst(other.model, other.signature)

    def run(self, language: Language, data: TaskRows) -> Iterator[Outcome]:
        """Yield the one outcome of the task in a language."""
        corpus = data.rows if data.corpus is None else data.corpus
        read = retrieval(data.rows, corpus, self.task, self.context.limit)
        before, after = [], []
        first_scores = self.first.scores(read.queries, read.documents)
        for query, gains, scores in zip(read.queries, read.relevant, first_scores, strict=True):
            candidates = ranking.ranked(np.asarray(scores), list(gains), self.settings.depth)
            documents = [read.documents[place] for place in candidates]
            new_scores = np.asarray(self.model.scores(query, documents), np.float64)
            relevant = [place for place, candidate in enumerate(candidates) if candidate in gains]
            before.append(candidates)
            after.append([candidates[place] for place in ranking.ranked(new_scores, relevant)])
        measures = zip(ranking.measures(after, read.relevant), ranking.measures(before, read.relevant), strict=True)
        examples = [
            Example(read.ids[number], _statistics(reranked, first), read.told(number, after[number]))
            for number, (reranked, first) in enumerate(measures)
        ]
        yield Outcome(
            self.task,
            language,
            _METRICS,
            tuple(examples),
            read.data,
            options={
                "first": self.first.signature,
                "depth": self.settings.depth,
                "documents": len(read.documents),
            },
            texts=read.texts,
            notes=read.notes,
        )


def _statistics(reranked: dict[str, float], first: dict[str, float]) -> dict[str, tuple[float, ...]]:
    statistics = {name: (reranked[name],) for name in _MEASURES}
    statistics |= {f"{name}_first": (first[name],) for name in _MEASURES}
    return {**statistics, "ndcg@10_gain": (reranked["ndcg@10"] - first["ndcg@10"],)}
