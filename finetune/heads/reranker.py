"""Score how well documents answer a query, with a model that `glotmill finetune` trained.

Query and document go through the encoder together. A document that is longer than a row is read in overlapping chunks,
and gets the score of its best chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.errors import ConfigError
from finetune.checkpoints.base import Step
from finetune.heads.documents import Document, render
from finetune.heads.inference import HeadModel


class Reranker:
    """A rerank model in memory. `max_tokens` is the most ids of a query and a document in one row."""

    def __init__(self, model: HeadModel) -> None:
        self._model = model
        self.max_tokens: int = model.head.max_tokens

    @classmethod
    def load(cls, folder: Path, *, batch_tokens: int = 16384, dtype: str = "float32", step: Step = None) -> Reranker:
        """Load a model folder or a run; arguments and errors are those of `Embedder.load`."""
        return cls(HeadModel.load(folder, "rerank", batch_tokens, dtype, step))

    def scores(
        self,
        query: str,
        documents: Sequence[Document],
        *,
        max_tokens_per_document: int = 4096,
        rank_fields: Sequence[str] | None = None,
    ) -> np.ndarray:
        """Return a score from 0 to 1 for each document, float32 [documents]. Scores do not depend on other documents.

        Args:
            query: the query; ids past the model's query_tokens are cut.
            documents: strings, or objects that `finetune.heads.documents` renders.
            max_tokens_per_document: ids of a document past this number are not read.
            rank_fields: of objects, the fields to read; None for all.
        """
        if max_tokens_per_document < 1:
            raise ConfigError(f"max_tokens_per_document is {max_tokens_per_document}: expected 1 or more")
        inputs = self._model.inputs
        (question,) = inputs.ids([query])
        rows, owners = [], []
        for number, ids in enumerate(inputs.ids([render(document, rank_fields) for document in documents])):
            for row in inputs.chunks(question, ids[:max_tokens_per_document]):
                rows.append(row)
                owners.append(number)
        best = np.full(len(documents), -np.inf, np.float32)
        np.maximum.at(best, np.asarray(owners, np.int64), self._model.outputs(rows)[:, 0])
        return np.asarray(1 / (1 + np.exp(-best.astype(np.float64))), np.float32)

    def count_tokens(self, query: str, documents: Sequence[Document]) -> list[int]:
        """Return how many ids query and document have together, before anything is cut."""
        question, *texts = self._model.inputs.ids([query, *map(render, documents)])
        inputs = self._model.inputs
        added = len(inputs.query_prefix) + len(inputs.document_prefix) + 1 + len(question)
        return [len(ids) + added for ids in texts]
