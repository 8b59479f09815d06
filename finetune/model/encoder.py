"""The encoder of T5 alone, with a head on the mean of what it gives.

token_embedder/embedding, encoder/...          as in the whole model
embedding_projection/kernel  [D, dimensions]   of an embedding model
rerank_projection/kernel     [D, 1]            of a rerank model
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from finetune.model.architecture import Architecture, Execution
from finetune.model.encoder_decoder import Encoder, TokenEmbedder
from finetune.model.head import Projection
from finetune.model.layers import parameter

Array = jax.Array


class Kernel(nn.Module):
    """x @ kernel in float32, without a bias."""

    width: int
    features: int

    @nn.compact
    def __call__(self, x_BxD: Array) -> Array:
        initializer = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
        kernel = parameter(self, "kernel", initializer, (self.width, self.features), ("embed", "head_features"))
        return jnp.matmul(x_BxD, kernel, precision=jax.lax.Precision.HIGHEST)


class EncoderModel(nn.Module):
    """ids [B, L], 0 where there is nothing -> float32 [B, features]."""

    config: Architecture
    projection: Projection
    run: Execution = Execution()

    @nn.compact
    def __call__(self, ids_BxL: Array, *, deterministic: bool = True) -> Array:
        there_BxL = ids_BxL > 0
        embedded_BxLxD = TokenEmbedder(self.config, self.run, name="token_embedder")(ids_BxL)
        encoder = Encoder(self.config, self.run, name="encoder")
        encoded_BxLxD = encoder(embedded_BxLxD, there_BxL[:, None, None, :], deterministic)
        pooled_BxD = masked_mean(encoded_BxLxD, there_BxL)
        return Kernel(self.config.width, self.projection.features, name=self.projection.name)(pooled_BxD)


def masked_mean(x_BxLxD: Array, there_BxL: Array) -> Array:
    """The mean over the positions that count, float32 [B, D]; of a row without any it is 0."""
    weights_BxLx1 = there_BxL[..., None].astype(jnp.float32)
    # A sum, not a product of matrices: the same positions are added whatever stands behind them.
    total_BxD = (x_BxLxD.astype(jnp.float32) * weights_BxLx1).sum(1)
    return total_BxD / jnp.maximum(weights_BxLx1.sum(1), 1.0)
