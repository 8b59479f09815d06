"""Losses of heads against their definitions, and gradient caching against the plain gradient."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from finetune.heads.base import HeadBatch, trainable_head
from finetune.heads.config import HeadConfig, PairSource
from finetune.heads.loss import Keys, contrastive, listwise, through_binary, through_int8, unit
from finetune.heads.step import HeadStep
from finetune.model.encoder import EncoderModel

PAIRS = (PairSource(path="x"),)
PLAIN = HeadConfig(kind="embed", dimensions=(16,), temperature=0.1, symmetric=False, int8=0, binary=0, pairs=PAIRS)
SEPARATE = Keys(np.arange(4, dtype=np.int32), 10 + np.arange(8, dtype=np.int32).reshape(4, 2))


def changed(**values):
    return dataclasses.replace(PLAIN, **values)


@pytest.fixture(scope="module")
def vectors():
    chance = np.random.default_rng(0)
    return chance.normal(size=(4, 16)).astype(np.float32), chance.normal(size=(4, 2, 16)).astype(np.float32)


def by_hand(queries, documents, left_out=()):
    """InfoNCE with loops; `left_out` are (query, document) that do not compete."""
    queries = queries / np.linalg.norm(queries, axis=-1, keepdims=True)
    documents = (documents / np.linalg.norm(documents, axis=-1, keepdims=True)).reshape(8, 16)
    losses = []
    for row, query in enumerate(queries):
        scores = {place: float(query @ document) / 0.1 for place, document in enumerate(documents) if (row, place) not in left_out}  # fmt: skip
        losses.append(np.log(sum(np.exp(score) for score in scores.values())) - scores[2 * row])
    return np.mean(losses)


def test_it_is_info_nce_over_all_documents_of_the_batch(vectors):
    found = contrastive(*vectors, SEPARATE, PLAIN)
    assert found.total == pytest.approx(by_hand(*vectors), abs=1e-5)
    documents = vectors[1]
    perfect = contrastive(documents[:, 0], documents, SEPARATE, PLAIN)
    assert perfect.accuracy == 1 and perfect.total < found.total


def test_texts_that_are_right_too_are_no_negatives(vectors):
    keys = Keys(
        np.array([0, 1, 1, 3], np.int32),  # queries 1 and 2 are one text
        # Row 0's negative is row 3's right document; row 3's negative is query 0; row 1 has none.
        np.array([[10, 16], [12, -1], [14, 15], [16, 0]], np.int32),
    )
    left_out = {(3, 1), (0, 7), (1, 4), (2, 2), *((row, 3) for row in range(4))}
    assert contrastive(*vectors, keys, PLAIN).total == pytest.approx(by_hand(*vectors, left_out), abs=1e-5)


def test_translations_of_one_text_are_no_negatives_of_each_other(vectors):
    # Row 0 asks in one language for text 5, row 1 asks with text 5 for it in another; neither is wrong for the other.
    keys = Keys(np.array([0, 5, 2, 3], np.int32), np.array([[5, 11], [6, 13], [14, 15], [16, 17]], np.int32))
    left_out = {(0, 2), (1, 0)}
    assert contrastive(*vectors, keys, PLAIN).total == pytest.approx(by_hand(*vectors, left_out), abs=1e-5)
    there = contrastive(*vectors, keys, changed(symmetric=True)).total
    separate = contrastive(*vectors, SEPARATE, changed(symmetric=True)).total
    assert there < separate


def test_the_loss_is_a_sum_over_directions_dimensions_and_precisions(vectors):
    queries, documents = vectors
    both = contrastive(*vectors, SEPARATE, changed(symmetric=True)).total
    there = by_hand(*vectors)
    scores = unit(documents[:, 0]) @ unit(queries).T / 0.1
    back = -jax.nn.log_softmax(scores).diagonal().mean()
    assert both == pytest.approx((there + float(back)) / 2, abs=1e-5)
    total = contrastive(*vectors, SEPARATE, changed(dimensions=(8, 16))).total
    cut = contrastive(queries[:, :8], documents[..., :8], SEPARATE, changed(dimensions=(8,))).total
    assert total == pytest.approx(float(cut) + there, abs=1e-5)
    signs = contrastive(np.sign(queries), np.sign(documents), SEPARATE, PLAIN).total
    assert contrastive(*vectors, SEPARATE, changed(binary=0.5)).total == pytest.approx(there + 0.5 * float(signs), abs=1e-4)  # fmt: skip


def test_gradients_pass_what_rounds():
    x = jnp.linspace(-1, 1, 12).reshape(3, 4)
    target = jnp.arange(12.0).reshape(3, 4)
    binary = jax.grad(lambda x: (through_binary(x) * target).sum())(x)
    int8 = jax.grad(lambda x: (through_int8(x, x)[0] * target).sum())(x)
    np.testing.assert_allclose(binary, target)
    np.testing.assert_allclose(int8, target)
    rounded, _ = through_int8(x, x)
    steps = np.asarray(rounded) * 127
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)
    assert 0 < np.abs(rounded - x).max() < 1 / 127
    np.testing.assert_allclose(np.unique(np.abs(through_binary(x))), 0.5)
    assert np.isfinite(jax.grad(lambda x: unit(x).sum())(jnp.zeros((2, 4)))).all()


@pytest.fixture(scope="module")
def a_batch():
    chance = np.random.default_rng(1)
    queries, documents = (chance.integers(3, 128, shape).astype(np.int32) for shape in ((8, 6), (8, 2, 9)))
    queries[:, 4:] *= chance.integers(0, 2, (8, 1), np.int32)
    return HeadBatch(queries, documents, np.arange(8, dtype=np.int32), 8 + np.arange(16, dtype=np.int32).reshape(8, 2))


@pytest.mark.parametrize("pieces", [2, 4])
def test_gradient_caching_gives_the_plain_gradient(tiny, a_batch, pieces):
    config = changed(symmetric=True, dimensions=(8, 16), int8=0.1, binary=0.25)
    head = trainable_head(config.kind).of(config)
    model = EncoderModel(tiny.shape, head.projection)
    boxed = jax.jit(model.init)(jax.random.key(0), a_batch.query_RxL)["params"]
    params = jax.tree.map(lambda box: box.value, boxed, is_leaf=lambda node: hasattr(node, "value"))
    found = []
    for rows in (0, 8 // pieces):
        step = HeadStep(model, None, None, head, dataclasses.replace(config, cache_rows=rows), 0)
        found.append(jax.jit(jax.grad(lambda params, step=step: step.loss(params, a_batch, None).total))(params))
    for plain, cached in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(cached, plain, atol=1e-5, rtol=1e-5)
        assert np.abs(plain).max() > 0


def test_listwise_orders_documents_and_binary_sets_the_level():
    scores = jnp.array([[2.0, 1.0, 3.0], [0.0, -1.0, 5.0]])
    keys = jnp.array([[1, 2, 3], [4, 5, 4]])  # the last document of the second query is right, too
    found = listwise(scores, keys, 0.0)
    expected = (np.log(np.exp([2, 1, 3]).sum()) - 2 + np.log(np.exp([0, -1]).sum())) / 2
    assert found.total == pytest.approx(expected, abs=1e-5) and found.accuracy == 0.5
    assert listwise(scores + 7, keys, 0.0).total == pytest.approx(expected, abs=1e-5)
    assert listwise(scores + 7, keys, 1.0).total > listwise(scores, keys, 1.0).total + 1
    none = listwise(scores, jnp.array([[1, -1, -1], [4, -1, -1]]), 0.0)
    assert none.total == pytest.approx(0, abs=1e-6) and none.accuracy == 1


def test_on_a_mesh_the_negatives_are_of_the_whole_batch():
    """A process whose CPU counts as four devices: the same losses however rows and weights are split."""
    script = Path(__file__).with_name("heads_on_four_devices.py")
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    done = subprocess.run(
        [sys.executable, str(script), "1x1x1", "2x2x1"],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    curves = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(curves["2x2x1"], curves["1x1x1"], rtol=1e-4)
