"""Compute the losses of heads: of vectors against all others of a batch, and of each query's list of documents.

The letters of shapes, in addition to those of architecture.py:

    R queries of a batch   M documents of a query, the right one first   E width of a vector

A document is not a negative of a query if it counts as the right one (equal keys) or is the query itself. Nor is it a
negative if it is right for a query that is the same text or is the right document: translations of one text are all
right for each other. Key -1 marks a missing document.
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
    """The loss of a batch, float32."""

    total: Array  # what is minimised
    accuracy: Array  # share of queries that rank their own document first


class Keys(NamedTuple):
    """The keys of texts, int32: texts with equal keys count as the same, as queries or as documents."""

    query_R: Any
    document_RxM: Any  # the right one first; -1: missing


def contrastive(queries_RxE: Array, documents_RxMxE: Array, keys: Keys, config: HeadConfig) -> HeadLoss:
    """Return InfoNCE over the whole batch, summed over Matryoshka dimensions and, weighted, over precisions."""
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
    """Which texts compete with the right one, which is included."""

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
    scores_RxN = _similarities(queries_RxD, flat_NxD) / config.temperature
    scores_RxN = jnp.where(masks.documents_RxRM, scores_RxN, _NEVER)
    loss = _cross_entropy(scores_RxN, right_R)
    if config.symmetric:
        back_RxR = _similarities(documents_RxMxD[:, 0], queries_RxD) / config.temperature
        loss = (loss + _cross_entropy(jnp.where(masks.queries_RxR, back_RxR, _NEVER), jnp.arange(rows))) / 2
    return HeadLoss(loss, (scores_RxN.argmax(1) == right_R).mean())


def _similarities(queries: Array, documents: Array) -> Array:
    return jnp.matmul(queries, documents.T, precision=jax.lax.Precision.HIGHEST)


def _cross_entropy(scores_RxN: Array, right_R: Array) -> Array:
    log_shares = jax.nn.log_softmax(scores_RxN)
    return -jnp.take_along_axis(log_shares, right_R[:, None], axis=1).mean()


def unit(vectors: Array) -> Array:
    """Scale vectors to length 1; the gradient of a zero vector is finite."""
    return vectors * jax.lax.rsqrt(jnp.square(vectors).sum(-1, keepdims=True) + _LEAST)


def through_int8(queries: Array, documents: Array) -> tuple[Array, Array]:
    """Round vectors to int8 steps with one limit for all; gradients pass as if nothing were rounded."""
    limit = jax.lax.stop_gradient(jnp.maximum(jnp.abs(queries).max(), jnp.abs(documents).max()))
    step = jnp.maximum(limit, _LEAST) / 127
    return _straight(queries, jnp.round(queries / step) * step), _straight(
        documents, jnp.round(documents / step) * step
    )


def through_binary(vectors: Array) -> Array:
    """Return the signs of vectors, scaled to length 1; gradients pass straight through."""
    return _straight(vectors, jnp.where(vectors > 0, 1.0, -1.0) * vectors.shape[-1] ** -0.5)


def _straight(value: Array, rounded: Array) -> Array:
    return value + jax.lax.stop_gradient(rounded - value)


def listwise(scores_RxM: Array, document_keys_RxM: Array, calibration: float) -> HeadLoss:
    """Return the softmax cross entropy of each query's documents, the right one first, and some binary cross entropy.

    The first orders documents, but leaves the level of scores open. The second sets the level, so that one threshold
    works for all queries.
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
