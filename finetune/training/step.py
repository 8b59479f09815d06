"""One step of training, and of validation: pure functions of state and batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from finetune.data.features import Batch
from finetune.model import lora
from finetune.model.encoder_decoder import EncoderDecoder
from finetune.training.loss import LossConfig, LossSums, cross_entropy, position_losses, token_weights
from finetune.training.optimizer import Optimizer
from finetune.training.schedule import Schedule

Array = jax.Array


class TrainState(NamedTuple):
    """Everything that a step changes, and the parameters that stay."""

    step: Any  # int32: steps that were made
    trained: Any
    fixed: Any
    optimizer: Any


class StepMetrics(NamedTuple):
    """Of one step, over all devices and microbatches; float32, and floats once they are fetched."""

    loss: Any  # cross entropy per target or per token, as the configuration says; z-loss apart
    z_loss: Any
    accuracy: Any  # of tokens
    tokens: Any  # targets that count
    sequences: Any
    gradient_norm: Any  # before clipping
    rate: Any


@dataclass(frozen=True, eq=False)
class TrainStep:
    """state, batch -> state, metrics."""

    model: EncoderDecoder
    optimizer: Optimizer
    schedule: Schedule
    loss: LossConfig
    microbatches: int
    seed: int

    def __call__(self, state: TrainState, batch: Batch) -> tuple[TrainState, StepMetrics]:
        # One divisor for all microbatches and devices: means of means would weigh examples by their neighbours.
        weights = token_weights(batch.decoder_loss_weights, batch.decoder_segment_ids, self.loss.per)
        total = jnp.maximum(weights.sum(), 1e-6)
        pieces = jax.tree.map(self._pieces, (batch, weights / total))
        key = jax.random.fold_in(jax.random.key(self.seed), state.step)

        def loss(trained: Any, one: tuple[Batch, Array], number: Array) -> tuple[Array, LossSums]:
            sums = self._loss(lora.join(trained, state.fixed), *one, jax.random.fold_in(key, number))
            return sums.total, sums

        gradient = jax.grad(loss, has_aux=True)
        if self.microbatches == 1:
            gradients, sums = gradient(state.trained, jax.tree.map(lambda array: array[0], pieces), jnp.int32(0))
        else:

            def add(carry: Any, one: Any) -> tuple[Any, None]:
                return jax.tree.map(jnp.add, carry, gradient(state.trained, *one)), None

            zero = jnp.zeros((), jnp.float32)
            empty = (jax.tree.map(jnp.zeros_like, state.trained), LossSums(zero, zero, zero, zero))
            numbers = jnp.arange(self.microbatches)
            (gradients, sums), _ = jax.lax.scan(add, empty, (pieces, numbers))

        rate = self.schedule(state.step)
        trained, kept, norm = self.optimizer.update(gradients, state.optimizer, state.trained, rate)
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
        return TrainState(state.step + 1, trained, state.fixed, kept), metrics

    def _pieces(self, array: Array) -> Array:
        # Row i goes to microbatch i mod n: each device keeps the rows that it has.
        rows = array.shape[0] // self.microbatches
        return jnp.moveaxis(array.reshape(rows, self.microbatches, *array.shape[1:]), 1, 0)

    def _loss(self, params: Any, batch: Batch, weights: Array, key: Array) -> LossSums:
        return forward(self.model, params, batch, weights, self.loss, {"dropout": key})


def forward(
    model: EncoderDecoder, params: Any, batch: Batch, weights: Array, loss: LossConfig, rngs: Any = None
) -> LossSums:
    """The weighed sums of a batch's loss; with keys for dropout it is training."""

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


class RowLosses(NamedTuple):
    """Of each row of a batch that is not packed, float32 [B]."""

    loss: Array  # sum over its tokens of the cross entropy
    tokens: Array
    correct: Array


def evaluate(model: EncoderDecoder, params: Any, batch: Batch) -> RowLosses:
    """The loss of each row, without smoothing and z-loss, so that runs with different losses can be compared."""

    def run(module: EncoderDecoder) -> RowLosses:
        encoded = module.encode(batch.encoder_input_tokens, segments=batch.encoder_segment_ids)
        hidden = module.decode(
            batch.decoder_input_tokens,
            encoded,
            input_segments=batch.encoder_segment_ids,
            target_segments=batch.decoder_segment_ids,
        )
        counts = (batch.decoder_loss_weights > 0).astype(jnp.float32)
        losses = position_losses(hidden, module.head_kernel(), batch.decoder_target_tokens)
        return RowLosses((losses.cross_entropy * counts).sum(-1), counts.sum(-1), (losses.correct * counts).sum(-1))

    rows: RowLosses = model.apply({"params": params}, method=run)
    return rows
