"""The model: what may not change what comes out, and what it must not see."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.linen import meta

from core.errors import ConfigError, UnknownNameError
from finetune.data.features import features
from finetune.model import parameters, stacking
from finetune.model.architecture import FAMILIES, Architecture, Execution, architecture
from finetune.model.layers import along_diagonals, buckets_of


@pytest.fixture(scope="module", params=list(FAMILIES))
def family(request, tiny):
    return dataclasses.replace(tiny.shape, **FAMILIES[request.param].changes)


def _arrays(batch):
    tokens = (batch.encoder_input_tokens, batch.decoder_input_tokens)
    return (*tokens, batch.encoder_segment_ids, batch.decoder_segment_ids)


def test_packed_examples_do_not_see_each_other(tiny, family):
    """Logits and gradients of a packed row are those of each of its examples alone."""
    module = tiny.model(family)
    params = tiny.params(module.config)
    examples = tiny.pairs((5, 3), (4, 2), (3, 3))
    # Of one shape, so that it is compiled once.
    in_one, in_three = features([examples, [], []], 12, 8), features([[one] for one in examples], 12, 8)

    def loss(params, batch):
        logits = module.apply({"params": params}, *_arrays(batch))
        taken = jnp.take_along_axis(jax.nn.log_softmax(logits), batch.decoder_target_tokens[..., None], -1)
        return (taken[..., 0] * batch.decoder_loss_weights).sum(), logits

    gradient = jax.jit(jax.grad(loss, has_aux=True))
    one_row, together = gradient(params, in_one)
    rows, alone = gradient(params, in_three)
    start = 0
    for number, one in enumerate(examples):
        size = len(one.targets)
        np.testing.assert_allclose(together[0, start : start + size], alone[number, :size], atol=1e-5)
        start += size
    scale = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(one_row))
    for a, b in zip(jax.tree.leaves(one_row), jax.tree.leaves(rows), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * scale)


def test_without_segments_padding_is_not_seen(tiny):
    module = tiny.model()
    params = tiny.params(module.config)
    ids = np.array([[5, 6, 7, 1]], np.int32)
    decoder = np.array([[0, 9, 8]], np.int32)
    padded = np.pad(ids, ((0, 0), (0, 6)))
    short = tiny.logits(module, params, ids, decoder)
    np.testing.assert_allclose(short, tiny.logits(module, params, padded, decoder), atol=1e-6)


def test_a_later_target_is_not_seen(tiny):
    module = tiny.model()
    params = tiny.params(module.config)
    ids = np.array([[5, 6, 7, 1]], np.int32)
    first = tiny.logits(module, params, ids, np.array([[0, 9, 8, 7]], np.int32))
    second = tiny.logits(module, params, ids, np.array([[0, 9, 30, 40]], np.int32))
    np.testing.assert_allclose(first[:, :2], second[:, :2], atol=1e-6)
    assert not np.allclose(first[:, 2:], second[:, 2:])


@pytest.mark.parametrize(
    "run", [{"scan": True}, {"remat": "minimal"}, {"scan": True, "remat": "full"}], ids=lambda run: "-".join(run)
)
def test_scan_and_remat_change_nothing_but_the_layout(tiny, family, run):
    plain, other = tiny.model(family), tiny.model(family, **run)
    params = tiny.params(family)
    arrays = _arrays(features([tiny.pairs((5, 3), (4, 2))], 12, 8))
    moved = stacking.stack(params) if run.get("scan") else params
    np.testing.assert_allclose(tiny.logits(plain, params, *arrays), tiny.logits(other, moved, *arrays), atol=1e-5)
    if run.get("scan"):
        made = jax.eval_shape(other.init, jax.random.key(0), *arrays[:2])["params"]
        assert jax.tree.structure(meta.unbox(made)) == jax.tree.structure(moved)
        back = stacking.unstack(moved)
        assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), params, back))


def test_bfloat16_stays_close_and_keeps_float32_weights(tiny):
    exact, rough = tiny.model(), tiny.model(dtype="bfloat16")
    params, arrays = tiny.params(), _arrays(features([tiny.pairs((5, 3))], 12, 8))
    drawn = jax.eval_shape(rough.init, jax.random.key(0), *arrays[:2])["params"]
    assert {leaf.dtype for leaf in jax.tree.leaves(drawn)} == {jnp.dtype("float32")}
    logits = tiny.logits(exact, params, *arrays)
    assert np.abs(logits - tiny.logits(rough, params, *arrays)).max() < 0.05 * np.abs(logits).max()


def test_dropout_needs_a_key_and_changes_what_comes_out(tiny):
    shape = dataclasses.replace(tiny.shape, encoder_layers=1, decoder_layers=1)
    module = tiny.model(shape, dropout=0.5)
    params = tiny.params(module.config)
    ids, decoder = np.array([[5, 6, 1]], np.int32), np.array([[0, 9]], np.int32)

    @jax.jit
    def run(key):
        return module.apply({"params": params}, ids, decoder, deterministic=False, rngs={"dropout": key})

    assert not np.allclose(*(run(jax.random.key(number)) for number in range(2)))
    np.testing.assert_array_equal(
        tiny.logits(module, params, ids, decoder), tiny.logits(tiny.model(shape), params, ids, decoder)
    )


def test_relative_buckets_are_those_of_the_paper():
    """Distances up to half of the buckets have one each; then they widen; all beyond the limit share the last."""
    causal = buckets_of(-np.arange(200), causal=True, buckets=32, max_distance=128)
    assert causal[:16].tolist() == list(range(16))
    assert causal[127] == causal[128] == causal[199] == 31
    assert (np.diff(causal) >= 0).all()
    assert (buckets_of(np.arange(1, 5), causal=True, buckets=32, max_distance=128) == 0).all()
    both = buckets_of(np.arange(-3, 4), causal=False, buckets=32, max_distance=128)
    assert both.tolist() == [3, 2, 1, 0, 17, 18, 19]


def test_values_lie_along_the_diagonals():
    values = np.arange(2 * 6, dtype=np.float32).reshape(2, 6)
    laid = np.asarray(along_diagonals(jnp.asarray(values), 3))
    for head in range(2):
        for query in range(3):
            for key in range(4):
                assert laid[head, query, key] == values[head, key - query + 2]


def test_the_parameters_have_t5x_names(tiny):
    ids = jnp.ones((1, 4), jnp.int32)
    drawn = meta.unbox(jax.eval_shape(tiny.model().init, jax.random.key(0), ids, ids)["params"])
    names = set(parameters.flat(drawn))
    assert names == set(parameters.shapes(tiny.shape))
    assert {
        "token_embedder/embedding",
        "encoder/relpos_bias/rel_embedding",
        "encoder/layers_0/attention/query/kernel",
        "encoder/layers_1/pre_mlp_layer_norm/scale",
        "decoder/layers_0/encoder_decoder_attention/out/kernel",
        "decoder/layers_1/mlp/wi_1/kernel",
        "decoder/logits_dense/kernel",
    } <= names


def test_sizes_are_those_of_mt5():
    """Parameters as mT5's README counts them, and aya.md's: 300M, 580M, 1.2B, 3.7B, 13B."""
    counts = {
        size: sum(int(np.prod(shape)) for shape in parameters.shapes(architecture(size, 250_112)).values())
        for size in ("small", "base", "large", "xl", "xxl")
    }
    rounded = {size: round(count / 1e6) for size, count in counts.items()}
    assert rounded == {"small": 300, "base": 582, "large": 1230, "xl": 3743, "xxl": 12921}


@pytest.mark.parametrize("dtype", ["float16", "fp16"])
def test_half_precision_is_refused_with_the_reason(dtype):
    with pytest.raises(ConfigError, match=r"outgrow its range.*bfloat16"):
        Execution(dtype=dtype)


def test_an_unknown_size_names_the_nearest():
    with pytest.raises(UnknownNameError, match="large"):
        architecture("lage", 128)


@pytest.mark.parametrize(("key", "value"), [("width", 0), ("buckets", 30), ("max_distance", 10)])
def test_a_shape_that_cannot_be_is_refused(key, value):
    with pytest.raises(ConfigError, match=key):
        Architecture(**{key: value})
