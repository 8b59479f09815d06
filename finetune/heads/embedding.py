"""Define the embedding head: texts to vectors, trained by contrast with the other texts of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import jax
import numpy as np

from core.errors import ConfigError
from core.progress import Progress
from finetune.checkpoints import model_folder
from finetune.checkpoints.base import Step
from finetune.data.shuffle import key_of
from finetune.heads.base import Encode, HeadBatch, PairRows, PairValidation, TrainableHead
from finetune.heads.config import HeadConfig
from finetune.heads.embedder import Embedder, unit
from finetune.heads.inputs import HeadInputs, Ids
from finetune.heads.loss import HeadLoss, Keys, contrastive
from finetune.heads.pair_store import PairStore
from finetune.heads.scores import score_all
from finetune.model.head import Projection
from finetune.model.quantize import calibrate
from finetune.training.validation_metrics import LanguageMetrics


@dataclass(frozen=True)
class EmbeddingHead(TrainableHead):
    """A head for vectors of texts."""

    name = "an embedding model"
    options = ("dimensions", "temperature", "symmetric", "int8", "binary", "cache_rows", "calibrate_on")
    output = "vectors"
    usage = "finetune.heads.embedder.Embedder.load(...)"
    kind: str = "embed"

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = list(self.dimensions)
        if not sizes or sizes != sorted(set(sizes)) or any(size < 8 or size % 8 for size in sizes):
            raise ConfigError(
                f"head.dimensions is {sizes}: expected rising multiples of 8, such as [256, 512, 1024, 1536]"
            )

    @classmethod
    def of(cls, config: HeadConfig) -> Self:
        return cls(dimensions=config.dimensions, temperature=config.temperature, **config.shared)

    @property
    def projection(self) -> Projection:
        return Projection("embedding_projection", self.dimensions[-1])

    def rows(self, inputs: HeadInputs, pairs: Sequence[tuple[Ids, Sequence[Ids | None]]]) -> PairRows:
        empty = np.zeros(0, np.int32)
        return PairRows(
            [inputs.single(query, "query") for query, _ in pairs],
            [
                empty if document is None else inputs.single(document, "document")
                for _, documents in pairs
                for document in documents
            ],
        )

    def loss(self, encode: Encode, batch: HeadBatch, config: HeadConfig, key: jax.Array | None) -> HeadLoss:
        rows, each, length = batch.document_RxMxL.shape
        chunks = rows // config.cache_rows if config.cache_rows else 1
        query_key, document_key = (None, None) if key is None else jax.random.split(key)
        queries = encode(batch.query_RxL, query_key, chunks)
        documents = encode(batch.document_RxMxL.reshape(-1, length), document_key, chunks)
        keys = Keys(batch.query_keys_R, batch.document_keys_RxM)
        return contrastive(queries, documents.reshape(rows, each, -1), keys, config)

    def measure(self, validation: PairValidation) -> list[LanguageMetrics]:
        """Return how often a query finds its document among all held-out documents of its language."""
        store, inputs = validation.store, validation.inputs
        pairs = [pair for pairs in store.validation.values() for pair in pairs]
        query_ids = inputs.ids([store.texts[pair.query] for pair in pairs])
        document_ids = inputs.ids([store.texts[pair.document] for pair in pairs])
        queries = [inputs.single(ids, "query") for ids in query_ids]
        documents = [inputs.single(ids, "document") for ids in document_ids]
        vectors = unit(validation.outputs([*queries, *documents]))
        metrics, start = [], 0
        for language, own in store.validation.items():
            rows = slice(start, start + len(own))
            logits = vectors[rows] @ vectors[len(pairs) :][rows].T / self.temperature
            keys = np.asarray([store.keys_T[pair.document] for pair in own])
            tokens = sum(map(len, (*queries[rows], *documents[rows])))
            metrics.append(score_all(language, keys, logits, tokens))
            start += len(own)
        return metrics

    def finish(self, folder: Path, store: PairStore, config: HeadConfig, progress: Progress) -> None:
        """Write the limits of int8, from training texts as the kept checkpoint embeds them."""
        progress.note("computing the int8 ranges from training texts")
        embedder = self.load(folder)
        texts = list(dict.fromkeys(pair.document for pair in store.train))
        chosen = sorted(texts, key=lambda text: key_of("calibration", text))[: config.calibrate_on]
        vectors = embedder.embed([store.texts[text] for text in chosen], "document", normalize=False)
        if not np.isfinite(vectors).all():
            raise ConfigError(f"{folder}: an embedding is not finite, so int8 cannot be calibrated")
        limits = {size: calibrate(unit(vectors[:, :size])).limit or 0.0 for size in embedder.dimensions}
        model_folder.write_head(folder, replace(self, limits=limits))

    def load(self, folder: Path, *, batch_tokens: int = 16384, dtype: str = "float32", step: Step = None) -> Embedder:
        return Embedder.load(folder, batch_tokens=batch_tokens, dtype=dtype, step=step)
