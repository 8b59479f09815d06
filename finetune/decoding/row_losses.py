"""Compute the plain loss of each row of a batch, for validation and for likelihoods.

It lies in this wing because `likelihood` needs it, and training may import decoding, never the reverse.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from finetune.data.features import Batch
from finetune.model.encoder_decoder import EncoderDecoder

Array = jax.Array
# Logits of one chunk of positions take at most this much, on all devices together.
_CHUNK_BYTES = 256 << 20


class RowLosses(NamedTuple):
    """The losses of the rows of a batch that is not packed, float32 [B]."""

    loss: Array  # sum over its tokens of the cross entropy
    tokens: Array
    correct: Array


def row_losses(model: EncoderDecoder, params: Any, batch: Batch) -> RowLosses:
    """Return the loss of each row, without smoothing and z-loss, so that runs with different losses can be compared."""

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


class PositionLosses(NamedTuple):
    """The losses of all positions, padding included, float32 [B, T]."""

    cross_entropy: Array
    correct: Array  # 1 where the likeliest token is the target


def position_losses(hidden_BxTxD: Array, kernel_DxV: Array, targets_BxT: Array) -> PositionLosses:
    """Return the plain cross entropy of each position, without smoothing and z-loss. It is not meant for gradients."""
    rows, length = targets_BxT.shape
    chunk = positions_per_chunk(rows, length, kernel_DxV.shape[1])

    def of_chunk(start: int) -> PositionLosses:
        positions = slice(start, start + chunk)
        logits = jnp.matmul(
            hidden_BxTxD[:, positions], kernel_DxV.astype(hidden_BxTxD.dtype), preferred_element_type=jnp.float32
        )
        of_target = jnp.take_along_axis(logits, targets_BxT[:, positions, None], axis=-1)[..., 0]
        correct = (of_target >= logits.max(-1)).astype(jnp.float32)
        return PositionLosses(jax.nn.logsumexp(logits, axis=-1) - of_target, correct)

    chunks = [of_chunk(start) for start in range(0, length, chunk)]
    return PositionLosses(*(jnp.concatenate(arrays, axis=1) for arrays in zip(*chunks, strict=True)))


def positions_per_chunk(rows: int, length: int, vocabulary: int) -> int:
    """Return how many positions of each row have their logits in memory at a time."""
    count = -(-rows * length * vocabulary * 4 // _CHUNK_BYTES)
    return max(1, length // count)
