"""One step of training a head: a pure function of state and batch.

With head.cache_rows the texts of a batch are encoded some at a time, and encoded again in the backward pass, each with
the gradient of its vectors: the memory of a few texts, and the gradient of them all (Gao et al. 2021, GradCache). JAX's
checkpointing inside a loop does just that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from finetune.heads.config import HeadConfig
from finetune.heads.loss import HeadLoss, Keys, contrastive, listwise
from finetune.model.encoder import EncoderModel
from finetune.training.optimizer import Optimizer
from finetune.training.schedule import Schedule
from finetune.training.step import StepMetrics, TrainState

Array = jax.Array


class HeadBatch(NamedTuple):
    """Ids int32, 0 where there is nothing. Keys are of `contrastive.Keys`.

    To rerank, `document_RxMxL` holds queries and documents together, and `query_RxL` has no columns.
    """

    query_RxL: Any
    document_RxMxL: Any
    query_keys_R: Any
    document_keys_RxM: Any


@dataclass(frozen=True, eq=False)
class HeadStep:
    """state, batch -> state, metrics."""

    model: EncoderModel
    optimizer: Optimizer
    schedule: Schedule
    config: HeadConfig
    seed: int

    def __call__(self, state: TrainState, batch: HeadBatch) -> tuple[TrainState, StepMetrics]:
        key = jax.random.fold_in(jax.random.key(self.seed), state.step)

        def loss(trained: Any) -> tuple[Array, HeadLoss]:
            found = self.loss(trained, batch, key)
            return found.total, found

        gradients, found = jax.grad(loss, has_aux=True)(state.trained)
        rate = self.schedule(state.step)
        trained, kept, norm = self.optimizer.update(gradients, state.optimizer, state.trained, rate)
        counted = [(batch.query_RxL > 0).sum(), (batch.document_RxMxL > 0).sum()]
        metrics = StepMetrics(
            loss=found.total,
            z_loss=jnp.zeros((), jnp.float32),
            accuracy=found.accuracy,
            tokens=sum(counted).astype(jnp.float32),
            sequences=jnp.float32(len(batch.query_keys_R)),
            gradient_norm=norm,
            rate=rate,
        )
        return TrainState(state.step + 1, trained, state.fixed, kept), metrics

    def loss(self, params: Any, batch: HeadBatch, key: Array | None) -> HeadLoss:
        """Of a batch; `key` is of dropout, None for none."""
        rows, each, length = batch.document_RxMxL.shape
        if self.config.kind == "rerank":
            scores = self._encoded(params, batch.document_RxMxL.reshape(-1, length), key, 1)
            return listwise(scores.reshape(rows, each), batch.document_keys_RxM, self.config.calibration)
        pieces = rows // self.config.cache_rows if self.config.cache_rows else 1
        both = (None, None) if key is None else jax.random.split(key)
        queries = self._encoded(params, batch.query_RxL, both[0], pieces)
        documents = self._encoded(params, batch.document_RxMxL.reshape(-1, length), both[1], pieces)
        keys = Keys(batch.query_keys_R, batch.document_keys_RxM)
        return contrastive(queries, documents.reshape(rows, each, -1), keys, self.config)

    def _encoded(self, params: Any, ids_NxL: Array, key: Array | None, pieces: int) -> Array:
        """[N, features]; in so many pieces, one after the other."""

        def encode(params: Any, ids: Array, number: Array) -> Array:
            rngs = None if key is None else {"dropout": jax.random.fold_in(key, number)}
            found: Array = self.model.apply({"params": params}, ids, deterministic=key is None, rngs=rngs)
            return found

        if pieces == 1:
            return encode(params, ids_NxL, jnp.int32(0))
        count, length = ids_NxL.shape
        # Row i goes to piece i mod n: each device keeps the rows that it has.
        split = jnp.moveaxis(ids_NxL.reshape(count // pieces, pieces, length), 1, 0)
        again = jax.checkpoint(encode, prevent_cse=False)
        found = jax.lax.map(lambda one: again(params, *one), (split, jnp.arange(pieces)))
        return jnp.moveaxis(found, 0, 1).reshape(count, -1)
