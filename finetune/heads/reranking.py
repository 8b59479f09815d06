"""Define the reranking head: a query and a document together to one score, trained on lists of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import jax
import numpy as np

from core.errors import ConfigError
from finetune.checkpoints.base import Step
from finetune.heads.base import Encode, HeadBatch, PairRows, PairValidation, TrainableHead
from finetune.heads.config import HeadConfig
from finetune.heads.inputs import HeadInputs, Ids
from finetune.heads.loss import HeadLoss, listwise
from finetune.heads.reranker import Reranker
from finetune.heads.scores import score_candidates
from finetune.model.head import Projection
from finetune.training.validation_metrics import LanguageMetrics


@dataclass(frozen=True)
class RerankingHead(TrainableHead):
    """A head for scores of a query and a document."""

    name = "a rerank model"
    options = ("query_tokens", "overlap", "calibration")
    output = "scores"
    usage = "finetune.heads.reranker.Reranker.load(...)"
    samples_negatives = True
    kind: str = "rerank"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.overlap < self.max_tokens // 4 or not 1 <= self.query_tokens <= self.max_tokens // 2:
            raise ConfigError(
                f"head.overlap is {self.overlap} and head.query_tokens {self.query_tokens}: expected less than a "
                f"quarter, and at most half, of head.max_tokens, {self.max_tokens}"
            )

    @classmethod
    def of(cls, config: HeadConfig) -> Self:
        if not config.negatives:
            raise ConfigError(
                "head.negatives is 0: a reranker learns from wrong documents; 7 is a good start for head.negatives"
            )
        return cls(query_tokens=config.query_tokens, overlap=config.overlap, **config.shared)

    @property
    def projection(self) -> Projection:
        return Projection("rerank_projection", 1)

    @property
    def query_room(self) -> int:
        return self.query_tokens

    def rows(self, inputs: HeadInputs, pairs: Sequence[tuple[Ids, Sequence[Ids | None]]]) -> PairRows:
        empty = np.zeros(0, np.int32)
        return PairRows(
            [empty for _ in pairs],
            [
                empty if document is None else inputs.pair(query, document)
                for query, documents in pairs
                for document in documents
            ],
        )

    def loss(self, encode: Encode, batch: HeadBatch, config: HeadConfig, key: jax.Array | None) -> HeadLoss:
        rows, each, length = batch.document_RxMxL.shape
        scores = encode(batch.document_RxMxL.reshape(-1, length), key, 1)
        return listwise(scores.reshape(rows, each), batch.document_keys_RxM, config.calibration)

    def measure(self, validation: PairValidation) -> list[LanguageMetrics]:
        """Return how often a query ranks its document above some wrong ones, by language."""
        store, inputs = validation.store, validation.inputs
        metrics = []
        for language, pairs in store.validation.items():
            wrong = validation.negatives[language]
            texts = [(pair.document, *negatives) for pair, negatives in zip(pairs, wrong, strict=True)]
            numbers = sorted({pair.query for pair in pairs} | {text for row in texts for text in row})
            ids = dict(zip(numbers, inputs.ids([store.texts[number] for number in numbers]), strict=True))
            rows = [
                inputs.pair(ids[pair.query], ids[text]) for pair, row in zip(pairs, texts, strict=True) for text in row
            ]
            logits = validation.outputs(rows)[:, 0].reshape(len(pairs), -1)
            keys = np.asarray([[store.keys_T[text] for text in row] for row in texts])
            metrics.append(score_candidates(language, keys, logits, sum(map(len, rows))))
        return metrics

    def load(self, folder: Path, *, batch_tokens: int = 16384, dtype: str = "float32", step: Step = None) -> Reranker:
        return Reranker.load(folder, batch_tokens=batch_tokens, dtype=dtype, step=step)
