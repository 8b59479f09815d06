"""The encoder-decoder: T5 1.1, mT5, umT5 and T5 1.0 in one module, with T5X's tree of parameters.

    token_embedder/embedding
    encoder/{relpos_bias, layers_0..., encoder_norm}
    decoder/{relpos_bias, layers_0..., decoder_norm, logits_dense}

`encode`, `decode` and `head` are apart, so that training can take the head in pieces, and decoding the encoder once.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from finetune.model.architecture import Architecture, Execution, LoraConfig
from finetune.model.layers import (
    HIDDEN,
    Attention,
    Dropout,
    FeedForward,
    KeyValues,
    RelativePositions,
    RMSNorm,
    parameter,
)

Array = jax.Array
LAYER_AXIS: Final = "layers"
_ACTIVATION: Final = ("batch", "length", "activation_embed")


class StepInputs(NamedTuple):
    """What is the same at every step of decoding, for each layer of the decoder."""

    cross: list[KeyValues]  # of the encoded input, by head
    biases: list[Array]  # the bias by distance, [H, 2T - 1]


class TokenEmbedder(nn.Module):
    """A vector of width D for each id."""

    config: Architecture
    run: Execution

    @nn.compact
    def __call__(self, ids_BxL: Array) -> Array:
        shape = (self.config.vocabulary, self.config.width)
        table_VxD = parameter(self, "embedding", nn.initializers.normal(1.0), shape, ("vocab", "embed"))
        # Whole rows: a lookup in a table split along its width would first gather all of it, everywhere.
        table_VxD = nn.with_logical_constraint(table_VxD, ("vocab", "activation_embed"))
        x_BxLxD = jnp.take(table_VxD, ids_BxL, axis=0).astype(self.run.dtype)
        return nn.with_logical_constraint(x_BxLxD, _ACTIVATION)


class EncoderLayer(nn.Module):
    """Attention over the input, then the feed-forward, each with its norm before and added to what came in."""

    config: Architecture
    run: Execution
    lora: LoraConfig = LoraConfig()

    @nn.compact
    def __call__(self, x_BxLxD: Array, bias: Array, deterministic: bool) -> tuple[Array, None]:
        config, run = self.config, self.run
        if config.bias_per_layer:
            length = x_BxLxD.shape[1]
            bias = bias + RelativePositions(config, causal=False, name="relpos_bias")(length, length)
        normed = RMSNorm(config.epsilon, run.dtype, name="pre_attention_layer_norm")(x_BxLxD)
        attention = Attention(config, run, self.lora, name="attention")
        y = attention(normed, attention.key_values(normed), bias, deterministic=deterministic)
        x_BxLxD = x_BxLxD + Dropout(run.dropout)(y, deterministic=deterministic)
        normed = RMSNorm(config.epsilon, run.dtype, name="pre_mlp_layer_norm")(x_BxLxD)
        y = FeedForward(config, run, self.lora, name="mlp")(normed, deterministic=deterministic)
        x_BxLxD = x_BxLxD + Dropout(run.dropout)(y, deterministic=deterministic)
        return nn.with_logical_constraint(x_BxLxD, _ACTIVATION), None


class DecoderLayer(nn.Module):
    """Attention over the target so far, over the encoded input, then the feed-forward."""

    config: Architecture
    run: Execution
    lora: LoraConfig = LoraConfig()

    def setup(self) -> None:
        config, run = self.config, self.run
        if config.bias_per_layer:
            self.relpos_bias = RelativePositions(config, causal=True)
        self.pre_self_attention_layer_norm = RMSNorm(config.epsilon, run.dtype)
        self.self_attention = Attention(config, run, self.lora)
        self.pre_cross_attention_layer_norm = RMSNorm(config.epsilon, run.dtype)
        self.encoder_decoder_attention = Attention(config, run, self.lora)
        self.pre_mlp_layer_norm = RMSNorm(config.epsilon, run.dtype)
        self.mlp = FeedForward(config, run, self.lora)
        self.drop = Dropout(run.dropout)

    def __call__(
        self, x_BxTxD: Array, encoded_BxLxD: Array, bias: Array, cross_bias: Array, deterministic: bool
    ) -> tuple[Array, None]:
        if self.config.bias_per_layer:
            bias = bias + self.relpos_bias(x_BxTxD.shape[1], x_BxTxD.shape[1])
        normed = self.pre_self_attention_layer_norm(x_BxTxD)
        seen = self.self_attention.key_values(normed)
        cross = self.cross_key_values(encoded_BxLxD)
        return self._after_norm(x_BxTxD, normed, seen, cross, bias, cross_bias, deterministic), None

    def cross_key_values(self, encoded_BxLxD: Array) -> KeyValues:
        """Keys and values of the encoded input, which are the same at every step of decoding."""
        return self.encoder_decoder_attention.key_values(encoded_BxLxD)

    def step(
        self, x_Rx1xD: Array, cache: KeyValues, cross: KeyValues, bias: Array, cross_bias: Array, place: Array
    ) -> tuple[Array, KeyValues]:
        """One position, at `place`: what comes out, and the cache, R x H x T x A, with its key and value in."""
        normed = self.pre_self_attention_layer_norm(x_Rx1xD)
        new = self.self_attention.key_values(normed).by_head()
        cache = jax.tree.map(lambda old, one: jax.lax.dynamic_update_slice_in_dim(old, one, place, axis=2), cache, new)
        x_Rx1xD = x_Rx1xD + self.self_attention.look(normed, cache, bias)
        x_Rx1xD = x_Rx1xD + self.encoder_decoder_attention.look(
            self.pre_cross_attention_layer_norm(x_Rx1xD), cross, cross_bias
        )
        return x_Rx1xD + self.mlp(self.pre_mlp_layer_norm(x_Rx1xD), deterministic=True), cache

    def _after_norm(
        self,
        x: Array,
        normed: Array,
        seen: KeyValues,
        cross: KeyValues,
        bias: Array,
        cross_bias: Array,
        deterministic: bool,
    ) -> Array:
        y = self.self_attention(normed, seen, bias, deterministic=deterministic)
        x = x + self.drop(y, deterministic=deterministic)
        normed = self.pre_cross_attention_layer_norm(x)
        y = self.encoder_decoder_attention(normed, cross, cross_bias, deterministic=deterministic)
        x = x + self.drop(y, deterministic=deterministic)
        y = self.mlp(self.pre_mlp_layer_norm(x), deterministic=deterministic)
        x = x + self.drop(y, deterministic=deterministic)
        return nn.with_logical_constraint(x, _ACTIVATION)


def _stack(layer: type[nn.Module], count: int, run: Execution, broadcast: int) -> Any:
    """`count` layers as one module, their parameters stacked along a first axis. `broadcast`: inputs all share."""
    if run.remat != "none":
        layer = nn.remat(layer, prevent_cse=False, static_argnums=(broadcast + 1,), policy=_policy(run))
    return nn.scan(
        layer,
        variable_axes={"params": 0},
        split_rngs={"params": True, "dropout": True},
        in_axes=(nn.broadcast,) * broadcast,
        length=count,
        metadata_params={nn.PARTITION_NAME: LAYER_AXIS},
    )


def _policy(run: Execution) -> Any:
    return jax.checkpoint_policies.dots_with_no_batch_dims_saveable if run.remat == "minimal" else None


class Encoder(nn.Module):
    """The input, position by position, as the decoder sees it."""

    config: Architecture
    run: Execution
    lora: LoraConfig = LoraConfig()

    @nn.compact
    def __call__(self, x_BxLxD: Array, mask: Array, deterministic: bool) -> Array:
        config, run = self.config, self.run
        length = x_BxLxD.shape[1]
        bias = jnp.where(mask, 0.0, HIDDEN)
        if not config.bias_per_layer:
            bias = bias + RelativePositions(config, causal=False, name="relpos_bias")(length, length)
        x_BxLxD = Dropout(run.dropout)(x_BxLxD, deterministic=deterministic)
        if run.scan:
            stack = _stack(EncoderLayer, config.encoder_layers, run, 2)
            x_BxLxD, _ = stack(config, run, self.lora, name=LAYER_AXIS)(x_BxLxD, bias, deterministic)
        else:
            layer = EncoderLayer
            if run.remat != "none":
                layer = nn.remat(EncoderLayer, static_argnums=(3,), policy=_policy(run))
            for number in range(config.encoder_layers):
                x_BxLxD, _ = layer(config, run, self.lora, name=f"layers_{number}")(x_BxLxD, bias, deterministic)
        x_BxLxD = RMSNorm(config.epsilon, run.dtype, name="encoder_norm")(x_BxLxD)
        return Dropout(run.dropout)(x_BxLxD, deterministic=deterministic)


class Decoder(nn.Module):
    """The target, position by position, as the head sees it."""

    config: Architecture
    run: Execution
    lora: LoraConfig = LoraConfig()

    def setup(self) -> None:
        config, run = self.config, self.run
        if not config.bias_per_layer:
            self.relpos_bias = RelativePositions(config, causal=True)
        if run.scan:
            self.layers = _stack(DecoderLayer, config.decoder_layers, run, 4)(config, run, self.lora)
        else:
            layer = DecoderLayer
            if run.remat != "none":
                layer = nn.remat(DecoderLayer, static_argnums=(5,), policy=_policy(run))
            self.layers = [layer(config, run, self.lora) for _ in range(config.decoder_layers)]
        self.decoder_norm = RMSNorm(config.epsilon, run.dtype)
        if not config.tied:
            self.logits_dense = LogitsHead(config, run)
        self.drop = Dropout(run.dropout)

    def __call__(
        self, x_BxTxD: Array, encoded_BxLxD: Array, mask: Array, cross_mask: Array, deterministic: bool
    ) -> Array:
        length = x_BxTxD.shape[1]
        bias, cross_bias = jnp.where(mask, 0.0, HIDDEN), jnp.where(cross_mask, 0.0, HIDDEN)
        if not self.config.bias_per_layer:
            bias = bias + self.relpos_bias(length, length)
        x_BxTxD = self.drop(x_BxTxD, deterministic=deterministic)
        if self.run.scan:
            x_BxTxD, _ = self.layers(x_BxTxD, encoded_BxLxD, bias, cross_bias, deterministic)
        else:
            for layer in self.layers:
                x_BxTxD, _ = layer(x_BxTxD, encoded_BxLxD, bias, cross_bias, deterministic)
        return self.drop(self.decoder_norm(x_BxTxD), deterministic=deterministic)

    def step_inputs(self, encoded_BxLxD: Array, length: int) -> StepInputs:
        if self.config.bias_per_layer:
            biases = [layer.relpos_bias.by_distance(length, length) for layer in self.layers]
        else:
            biases = [self.relpos_bias.by_distance(length, length)] * self.config.decoder_layers
        return StepInputs([layer.cross_key_values(encoded_BxLxD).by_head() for layer in self.layers], biases)

    def step(
        self, x_Rx1xD: Array, cache: list[KeyValues], fixed: StepInputs, cross_bias: Array, place: Array
    ) -> tuple[Array, list[KeyValues]]:
        length = cache[0].key.shape[2]
        hidden = jnp.where(jnp.arange(length) <= place, 0.0, HIDDEN)
        # The cache may be shorter than the longest target, which the biases are for.
        longest = (fixed.biases[0].shape[1] + 1) // 2
        filled = []
        for layer, old, cross, bias_HxS in zip(self.layers, cache, fixed.cross, fixed.biases, strict=True):
            bias_HxT = jax.lax.dynamic_slice_in_dim(bias_HxS, longest - 1 - place, length, axis=1) + hidden
            x_Rx1xD, new = layer.step(x_Rx1xD, old, cross, bias_HxT[None, :, None], cross_bias, place)
            filled.append(new)
        return self.decoder_norm(x_Rx1xD), filled


class LogitsHead(nn.Module):
    """The kernel that turns the decoder's output into logits, [D, V]."""

    config: Architecture
    run: Execution

    @nn.compact
    def __call__(self) -> Array:
        initializer = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
        return parameter(self, "kernel", initializer, (self.config.width, self.config.vocabulary), ("embed", "vocab"))


class EncoderDecoder(nn.Module):
    """A whole model. All arrays of ids are int32, 0 where there is nothing.

    Masks are bool, B x 1 x (1 or Q) x K, True where a query may see a key; without one, every position that holds an
    id is seen, and of the target those up to the query's own. `segments` (1, 2, ... , 0 for padding) keep the examples
    of a packed row apart.
    """

    config: Architecture
    run: Execution = Execution()
    lora: LoraConfig = LoraConfig()

    def setup(self) -> None:
        self.token_embedder = TokenEmbedder(self.config, self.run)
        self.encoder = Encoder(self.config, self.run, self.lora)
        self.decoder = Decoder(self.config, self.run, self.lora)

    def __call__(
        self,
        input_BxL: Array,
        decoder_input_BxT: Array,
        input_segments: Array | None = None,
        target_segments: Array | None = None,
        *,
        deterministic: bool = True,
    ) -> Array:
        """Logits, float32 [B, T, V]."""
        encoded_BxLxD = self.encode(input_BxL, segments=input_segments, deterministic=deterministic)
        hidden_BxTxD = self.decode(
            decoder_input_BxT,
            encoded_BxLxD,
            input_BxL,
            input_segments=input_segments,
            target_segments=target_segments,
            deterministic=deterministic,
        )
        return self.head(hidden_BxTxD)

    def encode(
        self, input_BxL: Array, mask: Array | None = None, segments: Array | None = None, *, deterministic: bool = True
    ) -> Array:
        """[B, L, D]."""
        if mask is None:
            mask = same_segment(segments, segments) if segments is not None else (input_BxL > 0)[:, None, None, :]
        return self.encoder(self.token_embedder(input_BxL), mask, deterministic)

    def decode(
        self,
        decoder_input_BxT: Array,
        encoded_BxLxD: Array,
        input_BxL: Array | None = None,
        *,
        cross_mask: Array | None = None,
        input_segments: Array | None = None,
        target_segments: Array | None = None,
        deterministic: bool = True,
    ) -> Array:
        """[B, T, D], ready for the head. It needs the ids that were encoded, or a mask for them."""
        length = decoder_input_BxT.shape[1]
        mask = jnp.tril(jnp.ones((length, length), bool))[None, None]
        if target_segments is not None:
            mask = mask & same_segment(target_segments, target_segments)
        if cross_mask is None and target_segments is not None and input_segments is not None:
            cross_mask = same_segment(target_segments, input_segments)
        elif cross_mask is None:
            assert input_BxL is not None
            cross_mask = (input_BxL > 0)[:, None, None, :]
        embedded = self.token_embedder(decoder_input_BxT)
        return self._scaled(self.decoder(embedded, encoded_BxLxD, mask, cross_mask, deterministic))

    def head(self, hidden_BxTxD: Array) -> Array:
        """Logits, float32 [B, T, V]."""
        logits = jnp.matmul(
            hidden_BxTxD, self.head_kernel().astype(hidden_BxTxD.dtype), preferred_element_type=jnp.float32
        )
        return nn.with_logical_constraint(logits, ("batch", "length", "vocab"))

    def head_kernel(self) -> Array:
        """[D, V], float32."""
        if self.config.tied:
            table: Array = self.token_embedder.variables["params"]["embedding"]
            return jnp.asarray(nn.meta.unbox(table)).T
        kernel: Array = self.decoder.logits_dense()
        return kernel

    def step_inputs(self, encoded_BxLxD: Array, length: int) -> StepInputs:
        """What `step` needs and what stays the same at every step, for targets of `length` at most."""
        return self.decoder.step_inputs(encoded_BxLxD, length)

    def step(
        self, ids_R: Array, cache: list[KeyValues], fixed: StepInputs, cross_bias: Array, place: Array
    ) -> tuple[Array, list[KeyValues]]:
        """Logits [R, V] of the position after `ids_R`, which stand at `place`, and the cache with them in.

        Each of the B inputs may serve several rows, one after another, as beams do. `cross_bias` is 0 where the input
        holds an id, and HIDDEN elsewhere: [B, 1, 1, L].
        """
        hidden_Rx1xD, cache = self.decoder.step(self.token_embedder(ids_R[:, None]), cache, fixed, cross_bias, place)
        return self.head(self._scaled(hidden_Rx1xD))[:, 0], cache

    def _scaled(self, hidden: Array) -> Array:
        return hidden * jnp.asarray(self.config.width**-0.5, hidden.dtype) if self.config.tied else hidden


def same_segment(queries: Array, keys: Array) -> Array:
    """A mask [B, 1, Q, K]: queries see the keys of their own example."""
    return ((queries[:, :, None] == keys[:, None, :]) & (keys > 0)[:, None, :])[:, None]


def empty_cache(config: Architecture, rows: int, length: int, dtype: Any = jnp.float32) -> list[KeyValues]:
    """The cache of `step` before its first position, for targets of `length` at most."""
    shape = (rows, config.heads, length, config.head_width)
    return [KeyValues(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)) for _ in range(config.decoder_layers)]
