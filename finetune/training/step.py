"""Take one training step: a pure function of state and batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from finetune.data.features import Batch
from finetune.model import lora
from finetune.model.encoder_decoder import EncoderDecoder
from finetune.training.loss import LossConfig, LossSums, cross_entropy, token_weights
from finetune.training.optimizer import Optimizer
from finetune.training.schedule import Schedule

Array = jax.Array


class TrainState(NamedTuple):
    """What a step changes, and the parameters that it does not."""

    step: Any  # int32: steps taken so far
    trained: Any
    fixed: Any
    optimizer: Any


class StepMetrics(NamedTuple):
    """The metrics of one step, over all devices and microbatches: float32 arrays, or floats once fetched."""

    loss: Any  # cross entropy per sequence or per token (loss.per), without the z-loss
    z_loss: Any
    accuracy: Any  # of tokens
    tokens: Any  # target tokens with a weight
    sequences: Any
    gradient_norm: Any  # before clipping
    rate: Any


@dataclass(frozen=True, eq=False)
class TrainStep:
    """The step: state, batch -> state, metrics."""

    model: EncoderDecoder
    optimizer: Optimizer
    schedule: Schedule
    loss: LossConfig
    microbatches: int
    seed: int

    def __call__(self, state: TrainState, batch: Batch) -> tuple[TrainState, StepMetrics]:
        # One divisor for all microbatches and devices: a mean of means would weight examples by their neighbours.
        weights = token_weights(batch.decoder_loss_weights, batch.decoder_segment_ids, self.loss.per)
        total = jnp.maximum(weights.sum(), 1e-6)
        microbatches = jax.tree.map(self._split, (batch, weights / total))
        key = jax.random.fold_in(jax.random.key(self.seed), state.step)

        def loss(trained: Any, microbatch: tuple[Batch, Array], number: Array) -> tuple[Array, LossSums]:
            sums = self._loss(lora.join(trained, state.fixed), *microbatch, jax.random.fold_in(key, number))
            return sums.total, sums

        gradient = jax.grad(loss, has_aux=True)
        if self.microbatches == 1:
            gradients, sums = gradient(state.trained, jax.tree.map(lambda array: array[0], microbatches), jnp.int32(0))
        else:

            def add(sums: Any, numbered: Any) -> tuple[Any, None]:
                return jax.tree.map(jnp.add, sums, gradient(state.trained, *numbered)), None

            zero = jnp.zeros((), jnp.float32)
            empty = (jax.tree.map(jnp.zeros_like, state.trained), LossSums(zero, zero, zero, zero))
            numbers = jnp.arange(self.microbatches)
            (gradients, sums), _ = jax.lax.scan(add, empty, (microbatches, numbers))

        rate = self.schedule(state.step)
        trained, optimizer_state, norm = self.optimizer.update(gradients, state.optimizer, state.trained, rate)
        tokens = (batch.decoder_loss_weights > 0).sum(dtype=jnp.float32)
        sequences = batch.decoder_segment_ids.max(-1).sum().astype(jnp.float32)
        metrics = StepMetrics(
            loss=sums.cross_entropy,
            z_loss=sums.z,
            accuracy=sums.correct / jnp.maximum(tokens, 1),
            tokens=tokens,
            sequences=sequences,
            gradient_norm=norm,
            rate=rate,
        )
        return TrainState(state.step + 1, trained, state.fixed, optimizer_state), metrics

    def _split(self, array: Array) -> Array:
        # Row i goes to microbatch i mod n, so that each device keeps its rows.
        rows = array.shape[0] // self.microbatches
        return jnp.moveaxis(array.reshape(rows, self.microbatches, *array.shape[1:]), 1, 0)

    def _loss(self, params: Any, batch: Batch, weights: Array, key: Array) -> LossSums:
        return forward(self.model, params, batch, weights, self.loss, {"dropout": key})


def forward(
    model: EncoderDecoder, params: Any, batch: Batch, weights: Array, loss: LossConfig, rngs: Any = None
) -> LossSums:
    """Return the weighted sums of a batch's loss; without keys for dropout (`rngs`) there is no dropout."""

    def run(module: EncoderDecoder) -> LossSums:
        deterministic = rngs is None
        encoded = module.encode(
            batch.encoder_input_tokens, segments=batch.encoder_segment_ids, deterministic=deterministic
        )
        hidden = module.decode(
            batch.decoder_input_tokens,
            encoded,
            input_segments=batch.encoder_segment_ids,
            target_segments=batch.decoder_segment_ids,
            deterministic=deterministic,
        )
        return cross_entropy(hidden, module.head_kernel(), batch.decoder_target_tokens, weights, loss)

    sums: LossSums = model.apply({"params": params}, rngs=rngs, method=run)
    return sums
