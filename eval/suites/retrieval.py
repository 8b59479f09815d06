"""Search: find the documents that answer each query, by the cosines of embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eval.data.examples import Retrieval, retrieval
from eval.metrics import ranking
from eval.results import Example
from eval.suites.base import TaskRows
from eval.suites.embed import EmbedExamples, EmbedScores, EmbedSuite


@dataclass(frozen=True, kw_only=True)
class RetrievalExamples(EmbedExamples):
    """Queries and documents."""

    retrieval: Retrieval


class RetrievalSuite(EmbedSuite[RetrievalExamples]):
    """Retrieval, scored by nDCG@10 and others."""

    help = "questions, and the texts that answer them; [id]"
    fields = ("query", "document")
    metrics = ("ndcg@10", "mrr@10", "recall@10", "recall@100")

    def examples(self, data: TaskRows) -> RetrievalExamples:
        corpus = data.rows if data.corpus is None else data.corpus
        read = retrieval(data.rows, corpus, self.task, self.context.limit)
        return RetrievalExamples(
            ids=read.ids,
            lists={"query": (read.queries, "query"), "document": (read.documents, "document")},
            data=read.data,
            texts=read.texts,
            options={"documents": len(read.documents)},
            notes=read.notes,
            retrieval=read,
        )

    def score(self, examples: RetrievalExamples, vectors: Mapping[str, Any]) -> EmbedScores:
        read = examples.retrieval
        cosines = ranking.cosines(vectors["query"], vectors["document"])
        rankings = [ranking.ranked(row, list(gains)) for row, gains in zip(cosines, read.relevant, strict=True)]
        scored = []
        for number, measures in enumerate(ranking.measures(rankings, read.relevant)):
            statistics = {name: (value,) for name, value in measures.items()}
            scored.append(Example(read.ids[number], statistics, read.told(number, rankings[number])))
        return EmbedScores(scored)
