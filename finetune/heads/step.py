"""Take one step of training a head: a pure function of state and batch.

With head.cache_rows the texts of a batch are encoded some at a time. The backward pass encodes them again, with the
gradients of their vectors. So memory holds a few texts, and the gradient is that of all of them (Gao et al. 2021,
GradCache). JAX's checkpointing inside a loop does this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from finetune.heads.base import HeadBatch, TrainableHead
from finetune.heads.config import HeadConfig
from finetune.heads.loss import HeadLoss
from finetune.model.encoder import EncoderModel
from finetune.training.optimizer import Optimizer
from finetune.training.schedule import Schedule
from finetune.training.step import StepMetrics, TrainState

Array = jax.Array


@dataclass(frozen=True, eq=False)
class HeadStep:
    """The step: state, batch -> state, metrics."""

    model: EncoderModel
    optimizer: Optimizer
    schedule: Schedule
    head: TrainableHead
    config: HeadConfig
    seed: int

    def __call__(self, state: TrainState, batch: HeadBatch) -> tuple[TrainState, StepMetrics]:
        key = jax.random.fold_in(jax.random.key(self.seed), state.step)

        def total_loss(trained: Any) -> tuple[Array, HeadLoss]:
            loss = self.loss(trained, batch, key)
            return loss.total, loss

        gradients, loss = jax.grad(total_loss, has_aux=True)(state.trained)
        rate = self.schedule(state.step)
        trained, optimizer_state, norm = self.optimizer.update(gradients, state.optimizer, state.trained, rate)
        tokens = [(batch.query_RxL > 0).sum(), (batch.document_RxMxL > 0).sum()]
        metrics = StepMetrics(
            loss=loss.total,
            z_loss=jnp.zeros((), jnp.float32),
            accuracy=loss.accuracy,
            tokens=sum(tokens).astype(jnp.float32),
            sequences=jnp.float32(len(batch.query_keys_R)),
            gradient_norm=norm,
            rate=rate,
        )
        return TrainState(state.step + 1, trained, state.fixed, optimizer_state), metrics

    def loss(self, params: Any, batch: HeadBatch, key: Array | None) -> HeadLoss:
        """Return the loss of a batch; `key` is of dropout, None for no dropout."""

        def encode(ids_NxL: Array, key: Array | None, chunks: int) -> Array:
            return self._encoded(params, ids_NxL, key, chunks)

        return self.head.loss(encode, batch, self.config, key)

    def _encoded(self, params: Any, ids_NxL: Array, key: Array | None, chunks: int) -> Array:
        """Return the outputs, [N, features], of rows that are encoded in chunks, one chunk after another."""

        def encode(params: Any, ids: Array, number: Array) -> Array:
            rngs = None if key is None else {"dropout": jax.random.fold_in(key, number)}
            outputs: Array = self.model.apply({"params": params}, ids, deterministic=key is None, rngs=rngs)
            return outputs

        if chunks == 1:
            return encode(params, ids_NxL, jnp.int32(0))
        count, length = ids_NxL.shape
        # Row i goes to chunk i mod n, so that each device keeps its rows.
        split = jnp.moveaxis(ids_NxL.reshape(count // chunks, chunks, length), 1, 0)
        again = jax.checkpoint(encode, prevent_cse=False)
        outputs = jax.lax.map(lambda chunk: again(params, *chunk), (split, jnp.arange(chunks)))
        return jnp.moveaxis(outputs, 0, 1).reshape(count, -1)
