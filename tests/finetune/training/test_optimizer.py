"""Adafactor by T5X's rules, AdamW, clipping, schedules."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import PartitionSpec as P

from core.errors import ConfigError, UnknownNameError
from finetune.training.optimizer import Optimizer, OptimizerConfig
from finetune.training.schedule import FACTORS, USED_BY, ScheduleConfig, schedule

RATE = jnp.float32(0.01)


def _normal(number, *shape):
    return np.random.default_rng(number).normal(size=shape).astype(np.float32)


def _gone(config, axes, params, gradients):
    """Parameters after steps along some gradients."""
    optimizer = Optimizer.of(config, axes)
    state, update = jax.jit(optimizer.start)(params), jax.jit(optimizer.update)
    for gradient in gradients:
        params, state, _ = update(gradient, state, params, RATE)
    return params, state


def _gone_by(peer, params, gradients):
    """The same by an optimizer of optax."""

    @jax.jit
    def step(gradient, state, params):
        updates, state = peer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    state = jax.jit(peer.init)(params)
    for gradient in gradients:
        params, state = step(gradient, state, params)
    return params


def test_adafactor_is_optax_s_where_that_is_right():
    """On matrices and vectors; large enough to be factored, and not."""
    params = {"large": _normal(0, 256, 192), "vector": _normal(1, 16), "small": _normal(2, 64, 64)}
    axes = {"large": P("embed", "mlp"), "vector": P("embed"), "small": P("embed", "mlp")}
    gradients = [jax.tree.map(lambda leaf: _normal(9 + n, *leaf.shape) * 3, params) for n in range(4)]  # noqa: B023
    ours, _ = _gone(OptimizerConfig(), axes, params, gradients)
    theirs = _gone_by(optax.adafactor(0.01, min_dim_size_to_factor=128, decay_rate=0.8), params, gradients)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


def test_adafactor_treats_each_layer_of_a_stack_as_if_it_were_alone():
    scales = np.array([1, 40, 0.1], np.float32)[:, None, None]
    params, gradient = _normal(0, 3, 256, 192) * scales, _normal(1, 3, 256, 192) * scales
    stacked, state = _gone(OptimizerConfig(), {"x": P("layers", "embed", "mlp")}, {"x": params}, [{"x": gradient}] * 2)
    assert state.slots["x"].row.shape == (3, 256)
    for layer in range(3):
        alone, _ = _gone(
            OptimizerConfig(), {"x": P("embed", "mlp")}, {"x": params[layer]}, [{"x": gradient[layer]}] * 2
        )
        np.testing.assert_allclose(stacked["x"][layer], alone["x"], atol=1e-6)


def test_adafactor_factors_a_kernel_of_three_axes_as_the_matrix_it_is():
    params, gradient = _normal(0, 256, 4, 64), _normal(1, 256, 4, 64)
    three, state = _gone(OptimizerConfig(), {"x": P("embed", "heads", "kv")}, {"x": params}, [{"x": gradient}])
    assert [part.size for part in state.slots["x"]] == [256, 256, 1]
    two, _ = _gone(
        OptimizerConfig(),
        {"x": P("embed", "joined_kv")},
        {"x": params.reshape(256, 256)},
        [{"x": gradient.reshape(256, 256)}],
    )
    np.testing.assert_allclose(three["x"].reshape(256, 256), two["x"], atol=1e-7)


@pytest.mark.parametrize("axes", [P("heads", "relpos_buckets"), P("embed", "lora_rank"), P("embed")])
def test_what_has_no_row_and_column_is_not_factored(axes):
    shape = (256, 256)[: len(axes)]
    _, state = _gone(OptimizerConfig(), {"x": axes}, {"x": jnp.ones(shape)}, [{"x": jnp.ones(shape)}])
    assert state.slots["x"].full.shape == shape


def test_adamw_is_optax_s_and_decays_matrices_only():
    params = {"kernel": _normal(0, 8, 4), "scale": _normal(1, 8), "table": _normal(2, 2, 32)}
    axes = {"kernel": P("embed", "mlp"), "scale": P("embed"), "table": P("heads", "relpos_buckets")}
    gradients = [jax.tree.map(jnp.ones_like, params)] * 3
    ours, _ = _gone(OptimizerConfig(name="adamw", weight_decay=0.1), axes, params, gradients)
    peer = optax.adamw(0.01, weight_decay=0.1, mask={"kernel": True, "scale": False, "table": False})
    theirs = _gone_by(peer, params, gradients)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("name", ["adafactor", "adamw"])
def test_the_axes_of_the_state_have_the_form_of_the_state(name):
    params = {"kernel": jnp.ones((256, 128)), "scale": jnp.ones((256,))}
    axes = {"kernel": P("embed", "mlp"), "scale": P("embed")}
    optimizer = Optimizer.of(OptimizerConfig(name=name), axes)
    state = optimizer.start(params)
    named = optimizer.state_axes(params)
    assert jax.tree.structure(named, is_leaf=lambda node: isinstance(node, P)) == jax.tree.structure(state)
    for spec, leaf in zip(
        jax.tree.leaves(named, is_leaf=lambda node: isinstance(node, P)), jax.tree.leaves(state), strict=True
    ):
        assert len(spec) in (0, leaf.ndim)


def test_clipping_bounds_the_norm_of_all_gradients_together():
    params = {"a": jnp.zeros(3), "b": jnp.zeros(4)}
    axes = {"a": P("embed"), "b": P("embed")}
    optimizer = Optimizer.of(OptimizerConfig(name="adamw", clip=1.0, epsilon=1e3), axes)
    gradients = {"a": jnp.full(3, 30.0), "b": jnp.full(4, 40.0)}
    _, state, norm = jax.jit(optimizer.update)(gradients, optimizer.start(params), params, RATE)
    assert float(norm) == pytest.approx(np.sqrt(3 * 900 + 4 * 1600))
    moments = state[0].mu
    clipped = np.sqrt(sum(float((leaf**2).sum()) for leaf in moments.values())) / 0.1
    assert clipped == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"weight_decay": 0.1}, "does nothing with adafactor"),
        ({"clip": -1.0}, "clip"),
        ({"beta1": 1.0}, "beta1"),
        ({"decay_rate": 0.0}, "decay_rate"),
    ],
)
def test_senseless_optimizers_are_refused(values, key):
    with pytest.raises(ConfigError, match=key):
        OptimizerConfig(**values)


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ("constant", [2.0, 2.0, 2.0, 2.0]),
        ("constant * linear_warmup", [1e-8, 1.0, 2.0, 2.0]),
        ("constant * rsqrt_decay", [2 / 10**0.5, 2 / 10**0.5, 2 / 10**0.5, 2 / 40**0.5]),
        ("constant * rsqrt_normalized_decay", [2.0, 2.0, 2.0, 1.0]),
        ("constant * decay_every", [2.0, 2.0, 1.0, 0.125]),
        ("constant * cosine_decay", [2.0, 2.0, 2.0, 1.0]),
        ("linear_decay", [1e-8, 1.0, 2.0, 1e-8]),
    ],
)
def test_schedules_are_products_of_t5x_s_factors(factors, expected):
    values = {"base": 2.0, "warmup_steps": 10, "decay_factor": 0.5, "steps_per_decay": 10, "steps_per_cycle": 60}
    names = {name.strip() for name in factors.split("*")}
    rate = schedule(ScheduleConfig(factors, **{key: values[key] for key in values if names & {*USED_BY[key]}}))
    steps = np.array([0, 5, 10, 40])
    np.testing.assert_allclose(np.broadcast_to(jax.jit(rate)(steps), 4), expected, rtol=1e-5)


def test_a_misspelt_factor_names_the_nearest():
    with pytest.raises(UnknownNameError, match="linear_warmup"):
        ScheduleConfig("constant * linear_warmpu")
    assert len(FACTORS) == 7 and {name for names in USED_BY.values() for name in names} == {*FACTORS}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"factors": "linear_decay * constant"}, "already includes constant and linear_warmup"),
        ({"factors": "linear_warmup", "base": 0.5}, "base is 0.5, and no factor of .* add constant or linear_decay"),
        ({"warmup_steps": 500}, "warmup_steps is 500, and no factor of 'constant' uses it: add linear_warmup or"),
        ({"factors": "constant * linear_warmup", "decay_factor": 0.9}, "add decay_every or linear_decay"),
        ({"factors": "constant * cosine_decay", "steps_per_decay": 9}, "add decay_every to"),
        ({"steps_per_cycle": 9}, "add cosine_decay to"),
        ({"factors": "constant * linear_warmup", "warmup_steps": 0}, "expected 1 or more"),
        ({"base": 0.0}, "expected more than 0"),
    ],
)
def test_senseless_schedules_are_refused(values, told):
    with pytest.raises(ConfigError, match=told):
        ScheduleConfig(**values)
