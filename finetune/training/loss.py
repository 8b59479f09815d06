"""The loss: cross entropy with T5X's z-loss and label smoothing, over a vocabulary that is never laid out whole.

Logits of 250,000 pieces are 1 MB a position in float32, so the head is taken over some positions at a time. Each
piece's gradient is worked out beside its loss, while its logits are there, so nothing is computed twice.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import jax
import jax.numpy as jnp

from core.errors import ConfigError
from finetune.model.matmul import summed

Array = jax.Array
# Logits of one piece of positions take this much at most, on all devices together.
_PIECE_BYTES: Final = 256 << 20


@dataclass(frozen=True)
class LossConfig:
    """What is minimised."""

    per: Literal["sequence", "token"] = (
        "sequence"  # the mean over each target's tokens, then over targets (Aya); or all
    )
    z: float = 1e-4  # weight of log(sum(exp(logits)))^2, which keeps logits from drifting
    smoothing: float = 0.0  # share of the target's probability that goes to all other pieces

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise ConfigError(f"loss.smoothing is {self.smoothing}: expected 0 or more, and less than 1")
        if self.z < 0:
            raise ConfigError(f"loss.z is {self.z}: expected 0 or more")


class LossSums(NamedTuple):
    """Sums over positions, weighted: divide by the sum of weights, or by tokens for `correct`."""

    total: Array  # what is minimised
    cross_entropy: Array
    z: Array
    correct: Array  # positions with a target, unweighted, where the likeliest piece is the target


def token_weights(weights_BxT: Array, segments_BxT: Array, per: str) -> Array:
    """The weight of each position, float32 [B, T], such that their sum is the number of sequences or tokens.

    Per sequence: 1 / positions of its target that count, so that long and short answers weigh the same.
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
    piece: int | None = None,
) -> LossSums:
    """Sums over all positions. `piece`: positions of each row whose logits are laid out at a time.

    Gradients flow from `total` alone, to `hidden` and `kernel`.
    """
    rows, length = targets_BxT.shape
    if piece is None:
        piece = positions_at_once(rows, length, kernel_DxV.shape[1])
    count = -(-length // piece)
    pad = count * piece - length

    def pieces(array: Array) -> Array:
        array = jnp.pad(array, ((0, 0), (0, pad), *((0, 0),) * (array.ndim - 2)))
        return jnp.moveaxis(array.reshape(array.shape[0], count, piece, *array.shape[2:]), 1, 0)

    return _sums(config, pieces(hidden_BxTxD), kernel_DxV, pieces(targets_BxT), pieces(weights_BxT))


class PositionLosses(NamedTuple):
    """Of every position, float32 [B, T]; padding included."""

    cross_entropy: Array
    correct: Array  # 1 where the likeliest piece is the target


def position_losses(hidden_BxTxD: Array, kernel_DxV: Array, targets_BxT: Array) -> PositionLosses:
    """The plain cross entropy of each position, without smoothing and z-loss. Not meant for gradients."""
    rows, length = targets_BxT.shape
    piece = positions_at_once(rows, length, kernel_DxV.shape[1])
    starts = range(0, length, piece)

    def one(start: int) -> PositionLosses:
        here = slice(start, start + piece)
        logits = jnp.matmul(
            hidden_BxTxD[:, here], kernel_DxV.astype(hidden_BxTxD.dtype), preferred_element_type=jnp.float32
        )
        of_target = jnp.take_along_axis(logits, targets_BxT[:, here, None], axis=-1)[..., 0]
        correct = (of_target >= logits.max(-1)).astype(jnp.float32)
        return PositionLosses(jax.nn.logsumexp(logits, axis=-1) - of_target, correct)

    found = [one(start) for start in starts]
    return PositionLosses(*(jnp.concatenate(arrays, axis=1) for arrays in zip(*found, strict=True)))


def positions_at_once(rows: int, length: int, vocabulary: int) -> int:
    """Positions of each row whose logits are laid out at a time."""
    count = -(-rows * length * vocabulary * 4 // _PIECE_BYTES)
    return max(1, length // count)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _sums(config: LossConfig, hidden: Array, kernel: Array, targets: Array, weights: Array) -> LossSums:
    def add(sums: LossSums, one: tuple[Array, Array, Array]) -> tuple[LossSums, None]:
        new, _ = _piece(config, one[0], kernel, one[1], one[2])
        return jax.tree.map(jnp.add, sums, new), None

    zero = jnp.zeros((), jnp.float32)
    sums, _ = jax.lax.scan(add, LossSums(zero, zero, zero, zero), (hidden, targets, weights))
    return sums


def _piece(
    config: LossConfig, hidden_BxPxD: Array, kernel_DxV: Array, targets_BxP: Array, weights_BxP: Array
) -> tuple[LossSums, Array]:
    """The sums of one piece, and the gradient of their total by its logits, float32 [B, P, V]."""
    logits = jnp.matmul(hidden_BxPxD, kernel_DxV.astype(hidden_BxPxD.dtype), preferred_element_type=jnp.float32)
    top = jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    exponents = jnp.exp(logits - top)
    total = exponents.sum(-1, keepdims=True)
    log_z = (jnp.log(total) + top)[..., 0]
    of_target = jnp.take_along_axis(logits, targets_BxP[..., None], axis=-1)[..., 0]
    vocabulary = logits.shape[-1]
    high, low = 1 - config.smoothing, config.smoothing / (vocabulary - 1)
    losses = log_z - (high - low) * of_target
    if config.smoothing:
        # Less the entropy of the smoothed target, so that a perfect guess costs nothing.
        losses = losses - low * logits.sum(-1) + high * jnp.log(high) + (vocabulary - 1) * low * jnp.log(low + 1e-20)
    z_losses = config.z * log_z**2
    # Argmax would read all logits once more; a target as large as the largest is one.
    correct = (of_target >= top[..., 0]) & (weights_BxP > 0)
    sums = LossSums(
        jnp.sum((losses + z_losses) * weights_BxP),
        jnp.sum(losses * weights_BxP),
        jnp.sum(z_losses * weights_BxP),
        jnp.sum(correct, dtype=jnp.float32),
    )
    slope = (1 + 2 * config.z * log_z) * weights_BxP
    gradient = exponents * (slope[..., None] / total) - low * weights_BxP[..., None]
    is_target = jnp.arange(vocabulary) == targets_BxP[..., None]
    gradient = gradient - jnp.where(is_target, ((high - low) * weights_BxP)[..., None], 0.0)
    return sums, gradient


def _forward(
    config: LossConfig, hidden: Array, kernel: Array, targets: Array, weights: Array
) -> tuple[LossSums, tuple[Array, Array]]:
    dtype = hidden.dtype

    def add(carry: tuple[LossSums, Array], one: tuple[Array, Array, Array]) -> tuple[tuple[LossSums, Array], Array]:
        sums, kernel_gradient = carry
        new, gradient = _piece(config, one[0], kernel, one[1], one[2])
        gradient = gradient.astype(dtype)
        hidden_gradient = summed("bpv,dv->bpd", gradient, kernel.astype(dtype), dtype)
        kernel_gradient = kernel_gradient + summed("bpd,bpv->dv", one[0], gradient, jnp.float32)
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
