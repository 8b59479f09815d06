"""Choosing the next piece of each row from its logits. Nothing here looks across rows.

The vocabulary is looked at in stretches of 128 pieces first, then inside those that matter: sorting a quarter of a
million logits at every step would cost more than computing them.
"""

from __future__ import annotations

from typing import Final

import jax
import jax.numpy as jnp

Array = jax.Array
_STRETCH: Final = 128
_NEVER: Final = -1e30


def highest(x_RxV: Array, count: int) -> tuple[Array, Array]:
    """The `count` highest values of each row, falling, and where they stand: [R, count] both."""
    rows, size = x_RxV.shape
    if size % _STRETCH or size // _STRETCH < max(count, 2):
        values, places = jax.lax.top_k(x_RxV, count)
        return values, places.astype(jnp.int32)
    stretches = x_RxV.reshape(rows, -1, _STRETCH)
    # None of the highest is in a stretch whose own highest is not among the highest of stretches.
    best = jax.lax.top_k(stretches.max(-1), count)[1]
    inside = jnp.take_along_axis(stretches, best[:, :, None], axis=1).reshape(rows, -1)
    values, places = jax.lax.top_k(inside, count)
    return values, (jnp.take_along_axis(best, places // _STRETCH, axis=1) * _STRETCH + places % _STRETCH).astype(
        jnp.int32
    )


def sample(logits_RxV: Array, keys_R: Array, temperature: float, top_k: int, top_p: float) -> Array:
    """One id of each row, int32, drawn with the row's own key.

    Of the logits divided by `temperature`, only the `top_k` highest count (0: all), and of those the fewest that hold
    `top_p` of the probability, as transformers has it.
    """
    logits_RxV = logits_RxV / temperature
    if top_k and top_k < logits_RxV.shape[-1]:
        values_RxK, ids_RxK = highest(logits_RxV, top_k)
        weights_RxK = jax.nn.softmax(values_RxK)
        before = jnp.cumsum(weights_RxK, axis=-1) - weights_RxK
        values_RxK = jnp.where(before < top_p, values_RxK, _NEVER)
        chosen = jax.vmap(jax.random.categorical)(keys_R, values_RxK)
        return jnp.take_along_axis(ids_RxK, chosen[:, None], axis=1)[:, 0]
    weights_RxV = jax.nn.softmax(logits_RxV)
    return _drawn(_nucleus(weights_RxV, top_p) if top_p < 1 else weights_RxV, keys_R)


def _nucleus(weights_RxV: Array, share: float) -> Array:
    """The weights, with 0 for all but the fewest that together hold `share`.

    The least weight that is kept is found bit by bit: floats from 0 up are ordered as their bits are.
    """
    bits = jax.lax.bitcast_convert_type(weights_RxV, jnp.int32)

    def one(number: Array, least_R: Array) -> Array:
        tried_R = least_R | (1 << (30 - number))
        held = jnp.where(bits >= tried_R[:, None], weights_RxV, 0.0).sum(-1)
        return jnp.where(held >= share, tried_R, least_R)

    least_R = jax.lax.fori_loop(0, 31, one, jnp.zeros(weights_RxV.shape[0], jnp.int32))
    return jnp.where(bits >= least_R[:, None], weights_RxV, 0.0)


def _drawn(weights_RxV: Array, keys_R: Array) -> Array:
    """An id of each row with a probability in proportion to its weight: first the stretch, then the piece in it."""
    rows, size = weights_RxV.shape
    padded = jnp.pad(weights_RxV, ((0, 0), (0, -size % _STRETCH)))
    stretches = padded.reshape(rows, -1, _STRETCH)
    pairs = jax.vmap(lambda key: jax.random.split(key))(keys_R)
    stretch_R = _by_weight(stretches.sum(-1), pairs[:, 0])
    inside = jnp.take_along_axis(stretches, stretch_R[:, None, None], axis=1)[:, 0]
    return (stretch_R * _STRETCH + _by_weight(inside, pairs[:, 1])).astype(jnp.int32)


def _by_weight(weights_RxK: Array, keys_R: Array) -> Array:
    """Gumbel's way: a weight of 0 is never drawn."""
    return jax.vmap(jax.random.categorical)(keys_R, jnp.where(weights_RxK > 0, jnp.log(weights_RxK), _NEVER))
