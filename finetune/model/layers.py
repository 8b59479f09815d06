"""The layers of T5 in Flax Linen, with T5X's names for parameters and logical axes.

Every kernel is a matrix, [in, out], heads and their width joined. Mask and relative positions are added to the
attention scores as one bias, B or 1 x H or 1 x Q x K.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from finetune.model.architecture import Architecture, Execution, LoraConfig
from finetune.model.matmul import product

Array = jax.Array
# Added to the scores of positions that may not be seen. Not infinity: a row with no position to see must not be NaN.
HIDDEN: Final = -1e10
_NORMAL: Final = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
_TRUNCATED: Final = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")


class KeyValues(NamedTuple):
    """Keys and values of one attention, [B, K, H, A] each, or, `by_head`, [B, H, K, A]."""

    key: Array
    value: Array

    def by_head(self) -> KeyValues:
        """As decoding wants them: one query after another reads what belongs to a head in one stretch."""
        return KeyValues(jnp.swapaxes(self.key, 1, 2), jnp.swapaxes(self.value, 1, 2))


def parameter(
    module: nn.Module, name: str, initializer: nn.initializers.Initializer, shape: Sequence[int], axes: Sequence[str]
) -> Array:
    """A float32 parameter whose axes have names, from which its place on the mesh and its optimizer's rule follow."""
    made: Array = module.param(name, nn.with_logical_partitioning(initializer, tuple(axes)), tuple(shape), jnp.float32)
    return made


class Dense(nn.Module):
    """x @ kernel, without a bias; with the low-rank addition of LoRA where it is asked for."""

    features: int
    axes: tuple[str, str]
    initializer: nn.initializers.Initializer = _NORMAL
    dtype: Any = jnp.float32
    rank: int = 0  # of LoRA's addition
    scale: float = 1.0  # of it

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = x.astype(self.dtype)
        width = x.shape[-1]
        kernel = parameter(self, "kernel", self.initializer, (width, self.features), self.axes)
        y = product("bld,df->blf", x, kernel)
        if self.rank:
            down = parameter(self, "lora_down", _NORMAL, (width, self.rank), (self.axes[0], "lora_rank"))
            zeros = nn.initializers.zeros
            up = parameter(self, "lora_up", zeros, (self.rank, self.features), ("lora_rank", self.axes[1]))
            y = y + product("blr,rf->blf", product("bld,dr->blr", x, down), up) * self.scale
        return y


class RMSNorm(nn.Module):
    """x / rms(x) x scale, in float32, as T5's layer norm: no mean, no bias."""

    epsilon: float = 1e-6
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        scale = parameter(self, "scale", nn.initializers.ones, (x.shape[-1],), ("embed",))
        x = x.astype(jnp.float32)
        mean_square = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
        return (x * jax.lax.rsqrt(mean_square + self.epsilon) * scale).astype(self.dtype)


class Dropout(nn.Module):
    """Dropout with one mask for all positions of an axis, T5X's form: less to draw, less to keep."""

    rate: float
    shared_axis: int = -2

    @nn.compact
    def __call__(self, x: Array, *, deterministic: bool) -> Array:
        if deterministic or not self.rate:
            return x
        shape = list(x.shape)
        shape[self.shared_axis] = 1
        keep = jax.random.bernoulli(self.make_rng("dropout"), 1 - self.rate, shape)
        return jnp.where(keep, x / (1 - self.rate), jnp.zeros_like(x))


def buckets_of(distances: np.ndarray, *, causal: bool, buckets: int, max_distance: int) -> np.ndarray:
    """The bucket of each distance key - query, int32 (Raffel et al. 2020, section 2.1).

    Half of the buckets stand for one distance each, the others widen as the logarithm, up to `max_distance`. Where
    it is not causal, half of all are for keys that come later; where it is, those share the bucket of distance 0.
    """
    later = np.zeros_like(distances)
    if causal:
        distances = np.maximum(-distances, 0)
    else:
        buckets //= 2
        later = (distances > 0) * buckets
        distances = np.abs(distances)
    exact = buckets // 2
    ratio = np.log(np.maximum(distances, 1).astype(np.float32) / exact) / math.log(max_distance / exact)
    wide = np.minimum(exact + (ratio * (buckets - exact)).astype(np.int32), buckets - 1)
    return np.asarray(later + np.where(distances < exact, distances, wide), np.int32)


class RelativePositions(nn.Module):
    """The learned bias by distance, [1, H, Q, K]."""

    config: Architecture
    causal: bool

    def setup(self) -> None:
        config = self.config
        self.table_HxR = parameter(
            self,
            "rel_embedding",
            nn.initializers.variance_scaling(1.0, "fan_avg", "uniform"),
            (config.heads, config.buckets),
            ("heads", "relpos_buckets"),
        )

    def __call__(self, queries: int, keys: int) -> Array:
        return along_diagonals(self.by_distance(queries, keys), queries)[None]

    def by_distance(self, queries: int, keys: int) -> Array:
        """[H, S]: the bias of each distance key - query there is, from that of the last query to the first key on."""
        config = self.config
        distances = np.arange(queries + keys - 1) - (queries - 1)
        buckets = buckets_of(distances, causal=self.causal, buckets=config.buckets, max_distance=config.max_distance)
        return self.table_HxR @ np.eye(config.buckets, dtype=np.float32)[buckets].T


def along_diagonals(values_HxS: Array, queries: int) -> Array:
    """[H, Q, K] with values[:, k - q + Q - 1] at q, k; S is Q + K - 1.

    A row repeated with one value more than is read of it moves on by one at each reading: no gather, whose gradient
    would add up Q x K values one by one.
    """
    heads, span = values_HxS.shape
    rows = jnp.broadcast_to(jnp.pad(values_HxS, ((0, 0), (0, 1)))[:, None], (heads, queries, span + 1))
    return rows.reshape(heads, -1)[:, : queries * span].reshape(heads, queries, span)[:, :, queries - 1 :]


class Attention(nn.Module):
    """Multi-head attention, scores not scaled: 1/sqrt(A) is in the initial query kernel."""

    config: Architecture
    run: Execution
    lora: LoraConfig = LoraConfig()

    def setup(self) -> None:
        config = self.config
        small = nn.initializers.variance_scaling(1.0 / config.head_width, "fan_in", "normal")
        self.query = self._dense("query", ("embed", "joined_kv"), config.joined, small)
        self.key = self._dense("key", ("embed", "joined_kv"), config.joined)
        self.value = self._dense("value", ("embed", "joined_kv"), config.joined)
        self.out = self._dense("out", ("joined_kv", "embed"), config.width)
        self.drop = Dropout(self.run.dropout)

    def key_values(self, x_BxKxD: Array) -> KeyValues:
        """What the queries will look at."""
        return KeyValues(self._split(self.key(x_BxKxD)), self._split(self.value(x_BxKxD)))

    def __call__(self, x_BxQxD: Array, seen: KeyValues, bias: Array | None, *, deterministic: bool) -> Array:
        """[B, Q, D]: for each query the values, weighed by how well their keys fit."""
        query_BxQxHxA = self._split(self.query(x_BxQxD))
        scores_BxHxQxK = product("bqha,bkha->bhqk", query_BxQxHxA, seen.key).astype(jnp.float32)
        if bias is not None:
            scores_BxHxQxK = scores_BxHxQxK + bias
        weights_BxHxQxK = jax.nn.softmax(scores_BxHxQxK).astype(seen.value.dtype)
        weights_BxHxQxK = self.drop(weights_BxHxQxK, deterministic=deterministic)
        mixed_BxQxHxA = product("bhqk,bkha->bqha", weights_BxHxQxK, seen.value)
        return self.out(mixed_BxQxHxA.reshape(*x_BxQxD.shape[:-1], self.config.joined))

    def _dense(
        self, name: str, axes: tuple[str, str], features: int, initializer: nn.initializers.Initializer = _NORMAL
    ) -> Dense:
        return Dense(features, axes, initializer, self.run.dtype, self.lora.rank_of(name), self.lora.scale)

    def look(self, x_Rx1xD: Array, seen: KeyValues, bias: Array) -> Array:
        """[R, 1, D]: attention of one query a row, in decoding. `seen` is by head; each of its B rows serves R / B.

        `bias` is added to scores of B x H x R / B x K.
        """
        rows, heads, _, width = seen.key.shape
        query_BxHxGxA = jnp.swapaxes(self.query(x_Rx1xD).reshape(rows, -1, heads, width), 1, 2)
        scores_BxHxGxK = jnp.einsum("bhga,bhka->bhgk", query_BxHxGxA, seen.key).astype(jnp.float32) + bias
        weights_BxHxGxK = jax.nn.softmax(scores_BxHxGxK).astype(seen.value.dtype)
        mixed_BxHxGxA = jnp.einsum("bhgk,bhka->bhga", weights_BxHxGxK, seen.value)
        return self.out(jnp.swapaxes(mixed_BxHxGxA, 1, 2).reshape(-1, 1, self.config.joined))

    def _split(self, x_BxLxN: Array) -> Array:
        x_BxLxHxA = x_BxLxN.reshape(*x_BxLxN.shape[:-1], self.config.heads, self.config.head_width)
        return nn.with_logical_constraint(x_BxLxHxA, ("batch", "length", "heads", "kv"))


class FeedForward(nn.Module):
    """T5 1.1's gated feed-forward, or T5 1.0's plain one."""

    config: Architecture
    run: Execution
    lora: LoraConfig = LoraConfig()

    @nn.compact
    def __call__(self, x_BxLxD: Array, *, deterministic: bool) -> Array:
        config = self.config

        def dense(name: str, features: int, axes: tuple[str, str]) -> Dense:
            rank, scale = self.lora.rank_of(name), self.lora.scale
            return Dense(features, axes, _TRUNCATED, self.run.dtype, rank, scale, name=name)

        def activate(x: Array) -> Array:
            return nn.relu(x) if config.activation == "relu" else nn.gelu(x, approximate=True)

        if config.gated:
            gate = activate(dense("wi_0", config.feed_forward, ("embed", "mlp"))(x_BxLxD))
            inner_BxLxF = gate * dense("wi_1", config.feed_forward, ("embed", "mlp"))(x_BxLxD)
        else:
            inner_BxLxF = activate(dense("wi", config.feed_forward, ("embed", "mlp"))(x_BxLxD))
        inner_BxLxF = Dropout(self.run.dropout)(inner_BxLxF, deterministic=deterministic)
        inner_BxLxF = nn.with_logical_constraint(inner_BxLxF, ("batch", "length", "mlp"))
        return dense("wo", config.width, ("mlp", "embed"))(inner_BxLxF)
