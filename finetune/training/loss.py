"""Compute the loss: cross entropy with T5X's z-loss and label smoothing, without logits of the whole batch.

Logits of 250,000 tokens take 1 MB a position in float32, so they are computed for a chunk of positions at a time. Each
chunk's gradient is computed together with its loss, while the logits are in memory, so nothing is computed twice.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from core.errors import ConfigError
from finetune.decoding.row_losses import positions_per_chunk
from finetune.model.matmul import summed

Array = jax.Array


@dataclass(frozen=True)
class LossConfig:
    """The section [loss]: what is minimised."""

    per: Literal["sequence", "token"] = (
        "sequence"  # mean over each target's tokens, then over targets (as Aya); or over all tokens
    )
    z: float = 1e-4  # weight of log(sum(exp(logits)))^2, which keeps logits small
    smoothing: float = 0.0  # share of the target's probability that all other tokens get

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise ConfigError(f"loss.smoothing is {self.smoothing}: expected 0 or more, and less than 1")
        if self.z < 0:
            raise ConfigError(f"loss.z is {self.z}: expected 0 or more")


class LossSums(NamedTuple):
    """Weighted sums over positions: divide by the sum of weights, or by tokens for `correct`."""

    total: Array  # what is minimised
    cross_entropy: Array
    z: Array
    correct: Array  # positions with a weight where the likeliest token is the target; unweighted


def token_weights(weights_BxT: Array, segments_BxT: Array, per: str) -> Array:
    """Return the weight of each position, float32 [B, T]; their sum is the number of sequences or of tokens.

    Per sequence, a weight is 1 / weighted positions of the target, so that long and short answers count the same.
    """
    weights_BxT = weights_BxT.astype(jnp.float32)
    if per == "token":
        return weights_BxT
    same_BxTxT = segments_BxT[:, :, None] == segments_BxT[:, None, :]
    lengths_BxT = jnp.einsum("bts,bs->bt", same_BxTxT.astype(jnp.float32), weights_BxT)
    return jnp.where(weights_BxT > 0, weights_BxT / jnp.maximum(lengths_BxT, 1e-6), 0.0)


def cross_entropy(
    hidden_BxTxD: Array,
    kernel_DxV: Array,
    targets_BxT: Array,
    weights_BxT: Array,
    config: LossConfig,
    chunk: int | None = None,
) -> LossSums:
    """Return sums over all positions. `chunk` is how many positions of each row have their logits in memory.

    Gradients flow only from `total`, to `hidden` and `kernel`.
    """
    rows, length = targets_BxT.shape
    if chunk is None:
        chunk = positions_per_chunk(rows, length, kernel_DxV.shape[1])
    count = -(-length // chunk)
    pad = count * chunk - length

    def chunks(array: Array) -> Array:
        array = jnp.pad(array, ((0, 0), (0, pad), *((0, 0),) * (array.ndim - 2)))
        return jnp.moveaxis(array.reshape(array.shape[0], count, chunk, *array.shape[2:]), 1, 0)

    return _sums(config, chunks(hidden_BxTxD), kernel_DxV, chunks(targets_BxT), chunks(weights_BxT))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _sums(config: LossConfig, hidden: Array, kernel: Array, targets: Array, weights: Array) -> LossSums:
    def add(sums: LossSums, chunk: tuple[Array, Array, Array]) -> tuple[LossSums, None]:
        new, _ = _chunk_sums(config, chunk[0], kernel, chunk[1], chunk[2])
        return jax.tree.map(jnp.add, sums, new), None

    zero = jnp.zeros((), jnp.float32)
    sums, _ = jax.lax.scan(add, LossSums(zero, zero, zero, zero), (hidden, targets, weights))
    return sums


def _chunk_sums(
    config: LossConfig, hidden_BxCxD: Array, kernel_DxV: Array, targets_BxC: Array, weights_BxC: Array
) -> tuple[LossSums, Array]:
    """Return the sums of one chunk, and the gradient of their total by its logits, float32 [B, C, V]."""
    logits = jnp.matmul(hidden_BxCxD, kernel_DxV.astype(hidden_BxCxD.dtype), preferred_element_type=jnp.float32)
    top = jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    exponents = jnp.exp(logits - top)
    total = exponents.sum(-1, keepdims=True)
    log_z = (jnp.log(total) + top)[..., 0]
    of_target = jnp.take_along_axis(logits, targets_BxC[..., None], axis=-1)[..., 0]
    vocabulary = logits.shape[-1]
    high, low = 1 - config.smoothing, config.smoothing / (vocabulary - 1)
    losses = log_z - (high - low) * of_target
    if config.smoothing:
        # The entropy of the smoothed target is subtracted, so that a perfect prediction has loss 0.
        losses = losses - low * logits.sum(-1) + high * jnp.log(high) + (vocabulary - 1) * low * jnp.log(low + 1e-20)
    z_losses = config.z * log_z**2
    # Argmax would read all logits once more. A target is right if its logit is as large as the largest.
    correct = (of_target >= top[..., 0]) & (weights_BxC > 0)
    sums = LossSums(
        jnp.sum((losses + z_losses) * weights_BxC),
        jnp.sum(losses * weights_BxC),
        jnp.sum(z_losses * weights_BxC),
        jnp.sum(correct, dtype=jnp.float32),
    )
    slope = (1 + 2 * config.z * log_z) * weights_BxC
    gradient = exponents * (slope[..., None] / total) - low * weights_BxC[..., None]
    is_target = jnp.arange(vocabulary) == targets_BxC[..., None]
    gradient = gradient - jnp.where(is_target, ((high - low) * weights_BxC)[..., None], 0.0)
    return sums, gradient


def _forward(
    config: LossConfig, hidden: Array, kernel: Array, targets: Array, weights: Array
) -> tuple[LossSums, tuple[Array, Array]]:
    dtype = hidden.dtype

    def add(carry: tuple[LossSums, Array], chunk: tuple[Array, Array, Array]) -> tuple[tuple[LossSums, Array], Array]:
        sums, kernel_gradient = carry
        new, gradient = _chunk_sums(config, chunk[0], kernel, chunk[1], chunk[2])
        gradient = gradient.astype(dtype)
        hidden_gradient = summed("bpv,dv->bpd", gradient, kernel.astype(dtype), dtype)
        kernel_gradient = kernel_gradient + summed("bpd,bpv->dv", chunk[0], gradient, jnp.float32)
        return (jax.tree.map(jnp.add, sums, new), kernel_gradient), hidden_gradient

    zero = jnp.zeros((), jnp.float32)
    start = (LossSums(zero, zero, zero, zero), jnp.zeros(kernel.shape, jnp.float32))
    (sums, kernel_gradient), hidden_gradient = jax.lax.scan(add, start, (hidden, targets, weights))
    return sums, (hidden_gradient, kernel_gradient)


def _backward(config: LossConfig, kept: tuple[Array, Array], slope: LossSums) -> tuple[Any, ...]:
    hidden_gradient, kernel_gradient = kept
    by = slope.total
    return (hidden_gradient * by.astype(hidden_gradient.dtype), kernel_gradient * by, None, None)


_sums.defvjp(_forward, _backward)
