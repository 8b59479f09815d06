"""Losses of heads: of vectors against all others of a batch, and of one query's documents among themselves.

The letters beside those of architecture.py:

    R queries of a batch   M documents of a query, the right one first   E width of a vector

A document is no negative of a query where it counts as the right one (equal keys), is the query itself, or is right
for a query that is the same text, or that is the right document: translations of one text are all right for each
other. Key -1 is no document at all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from finetune.heads.config import HeadConfig

Array = jax.Array
_NEVER = -1e9
_LEAST = 1e-12


class HeadLoss(NamedTuple):
    """Of a batch, float32."""

    total: Array  # what is minimised
    accuracy: Array  # share of queries whose own document comes first


class Keys(NamedTuple):
    """Which texts count as the same one, int32; equal texts have equal keys, on either side."""

    query_R: Any
    document_RxM: Any  # the right one first; -1: none


def contrastive(queries_RxE: Array, documents_RxMxE: Array, keys: Keys, config: HeadConfig) -> HeadLoss:
    """InfoNCE over the whole batch, summed over Matryoshka's dimensions and, by weight, over precisions."""
    masks = _masks(keys)
    total, accuracy = jnp.zeros((), jnp.float32), jnp.zeros((), jnp.float32)
    for dimension in config.dimensions:
        queries, documents = unit(queries_RxE[:, :dimension]), unit(documents_RxMxE[..., :dimension])
        whole = _info_nce(queries, documents, masks, config)
        total, accuracy = total + whole.total, whole.accuracy  # of the last dimension
        if config.int8:
            rounded = through_int8(queries, documents)
            total = total + config.int8 * _info_nce(*rounded, masks, config).total
        if config.binary:
            signs = through_binary(queries), through_binary(documents)
            total = total + config.binary * _info_nce(*signs, masks, config).total
    return HeadLoss(total, accuracy)


class _Masks(NamedTuple):
    """Who competes with the right one, which is always among them."""

    documents_RxRM: Array  # [query, document]
    queries_RxR: Array  # [document, query]


def _masks(keys: Keys) -> _Masks:
    query_R, document_RxM = keys
    rows, each = document_RxM.shape
    right_R, all_N = document_RxM[:, 0], document_RxM.reshape(-1)
    owners_N = jnp.repeat(query_R, each)  # the query that each document came with
    first_N = jnp.tile(jnp.arange(each) == 0, rows)
    same = (all_N[None] == right_R[:, None]) | (all_N[None] == query_R[:, None])
    alike_RxN = (owners_N[None] == query_R[:, None]) | (owners_N[None] == right_R[:, None])
    same = same | (first_N[None] & alike_RxN)
    own_RxN = jnp.arange(rows * each)[None] == jnp.arange(rows)[:, None] * each
    documents = own_RxN | (~same & (all_N >= 0)[None])
    alike = (query_R[None] == query_R[:, None]) | (right_R[None] == right_R[:, None])
    alike = alike | (query_R[None] == right_R[:, None]) | (right_R[None] == query_R[:, None])
    return _Masks(documents, jnp.eye(rows, dtype=bool) | ~alike)


def _info_nce(queries_RxD: Array, documents_RxMxD: Array, masks: _Masks, config: HeadConfig) -> HeadLoss:
    rows, each, width = documents_RxMxD.shape
    flat_NxD = documents_RxMxD.reshape(rows * each, width)
    right_R = jnp.arange(rows) * each
    scores_RxN = _product(queries_RxD, flat_NxD) / config.temperature
    scores_RxN = jnp.where(masks.documents_RxRM, scores_RxN, _NEVER)
    loss = _cross_entropy(scores_RxN, right_R)
    if config.symmetric:
        back_RxR = _product(documents_RxMxD[:, 0], queries_RxD) / config.temperature
        loss = (loss + _cross_entropy(jnp.where(masks.queries_RxR, back_RxR, _NEVER), jnp.arange(rows))) / 2
    return HeadLoss(loss, (scores_RxN.argmax(1) == right_R).mean())


def _product(one: Array, other: Array) -> Array:
    return jnp.matmul(one, other.T, precision=jax.lax.Precision.HIGHEST)


def _cross_entropy(scores_RxN: Array, right_R: Array) -> Array:
    chances = jax.nn.log_softmax(scores_RxN)
    return -jnp.take_along_axis(chances, right_R[:, None], axis=1).mean()


def unit(vectors: Array) -> Array:
    """Vectors at length 1; the gradient of one of nothing is finite."""
    return vectors * jax.lax.rsqrt(jnp.square(vectors).sum(-1, keepdims=True) + _LEAST)


def through_int8(queries: Array, documents: Array) -> tuple[Array, Array]:
    """Vectors as int8 with one limit for all would have them; gradients pass as if nothing was rounded."""
    limit = jax.lax.stop_gradient(jnp.maximum(jnp.abs(queries).max(), jnp.abs(documents).max()))
    step = jnp.maximum(limit, _LEAST) / 127
    return _straight(queries, jnp.round(queries / step) * step), _straight(
        documents, jnp.round(documents / step) * step
    )


def through_binary(vectors: Array) -> Array:
    """The signs of vectors, at length 1; gradients pass as if there was no sign taken."""
    return _straight(vectors, jnp.where(vectors > 0, 1.0, -1.0) * vectors.shape[-1] ** -0.5)


def _straight(value: Array, seen: Array) -> Array:
    return value + jax.lax.stop_gradient(seen - value)


def listwise(scores_RxM: Array, document_keys_RxM: Array, calibration: float) -> HeadLoss:
    """Softmax cross entropy of each query's documents, the right one first, and a share of binary cross entropy.

    The first orders documents; it would leave the scores' level open, which the second sets, so that one bound serves
    all queries.
    """
    counts = jnp.concatenate(
        [
            jnp.ones_like(scores_RxM[:, :1], bool),
            (document_keys_RxM[:, 1:] >= 0) & (document_keys_RxM[:, 1:] != document_keys_RxM[:, :1]),
        ],
        axis=1,
    )
    hidden = jnp.where(counts, scores_RxM, _NEVER)
    ranking = _cross_entropy(hidden, jnp.zeros(len(scores_RxM), jnp.int32))
    signs = jnp.where(jnp.arange(scores_RxM.shape[1]) == 0, 1.0, -1.0)
    each = jax.nn.softplus(-signs * scores_RxM) * counts
    binary = each.sum() / counts.sum()
    return HeadLoss(ranking + calibration * binary, (hidden.argmax(1) == 0).mean())
