"""The loss, against the textbook's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core.errors import ConfigError
from finetune.decoding.row_losses import position_losses, positions_per_chunk
from finetune.training.loss import LossConfig, cross_entropy, token_weights

B, T, D, V = 3, 10, 8, 50


@pytest.fixture(scope="module")
def values():
    chance = np.random.default_rng(0)
    hidden, kernel = (chance.normal(size=shape).astype(np.float32) for shape in ((B, T, D), (D, V)))
    return hidden, kernel, chance.integers(0, V, (B, T))


SEGMENTS = np.array([[1, 1, 1, 2, 2, 2, 2, 3, 0, 0]] * B)
WEIGHTS = (SEGMENTS > 0).astype(np.float32)


def textbook(hidden, kernel, targets, weights, config):
    logits = hidden @ kernel
    high, low = 1 - config.smoothing, config.smoothing / (V - 1)
    soft = jax.nn.one_hot(targets, V) * (high - low) + low
    entropy = -(high * jnp.log(high) + (V - 1) * low * jnp.log(low)) if config.smoothing else 0.0
    losses = -(soft * jax.nn.log_softmax(logits)).sum(-1) - entropy
    return ((losses + config.z * jax.nn.logsumexp(logits, -1) ** 2) * weights).sum()


@pytest.mark.parametrize("config", [LossConfig(z=0), LossConfig(), LossConfig(z=0.01, smoothing=0.1)], ids=str)
@pytest.mark.parametrize("piece", [10, 3, 1])
def test_in_pieces_the_loss_and_its_gradients_are_the_textbooks(values, config, piece):
    hidden, kernel, targets = values
    weights = token_weights(WEIGHTS, SEGMENTS, "sequence")
    reference = jax.jit(jax.value_and_grad(textbook, (0, 1)), static_argnums=4)
    wanted, wanted_gradients = reference(hidden, kernel, targets, weights, config)

    def ours(hidden, kernel):
        sums = cross_entropy(hidden, kernel, targets, weights, config, piece)
        return 2 * sums.total, sums

    (found, sums), gradients = jax.jit(jax.value_and_grad(ours, (0, 1), has_aux=True))(hidden, kernel)
    np.testing.assert_allclose(found, 2 * wanted, rtol=1e-6)
    for a, b in zip(gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(a, 2 * b, atol=5e-6)
    np.testing.assert_allclose(sums.cross_entropy + sums.z, wanted, rtol=1e-6)


def test_a_perfect_guess_costs_nothing_with_smoothing():
    """All of the smoothed target's entropy is taken off."""
    config = LossConfig(z=0, smoothing=0.1)
    best = jnp.log(jnp.where(jnp.arange(V) == 7, 0.9, 0.1 / (V - 1)))
    sums = cross_entropy(jnp.ones((1, 1, 1)), best[None], jnp.array([[7]]), jnp.ones((1, 1)), config)
    assert abs(float(sums.total)) < 1e-5


def test_per_sequence_every_target_weighs_the_same_and_per_token_every_token():
    weights = np.asarray(token_weights(WEIGHTS, SEGMENTS, "sequence"))
    np.testing.assert_allclose(weights[0], [1 / 3] * 3 + [1 / 4] * 4 + [1, 0, 0], rtol=1e-6)
    assert weights.sum() == pytest.approx(9)
    assert np.asarray(token_weights(WEIGHTS, SEGMENTS, "token")).tolist() == WEIGHTS.tolist()


def test_a_target_without_positions_that_count_makes_no_nan():
    weights = np.asarray(token_weights(jnp.zeros((1, 4)), jnp.array([[1, 1, 2, 0]]), "sequence"))
    assert weights.tolist() == [[0, 0, 0, 0]]


def test_right_guesses_are_counted_where_there_is_a_target(values):
    hidden, kernel, targets = values
    likeliest = (hidden @ kernel).argmax(-1)
    mixed = np.concatenate([likeliest[:, :5], targets[:, 5:]], axis=1)
    sums = jax.jit(cross_entropy, static_argnums=4)(hidden, kernel, mixed, WEIGHTS, LossConfig())
    expected = ((likeliest == mixed) & (WEIGHTS > 0)).sum()
    assert int(sums.correct) == int(expected) >= 5 * B
    positions = jax.jit(position_losses)(hidden, kernel, mixed)
    assert int((positions.correct * WEIGHTS).sum()) == int(expected)
    wanted = -jnp.take_along_axis(jax.nn.log_softmax(hidden @ kernel), mixed[..., None], -1)[..., 0]
    np.testing.assert_allclose(positions.cross_entropy, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "length", "vocabulary", "expected"),
    [(8, 64, 32_128, 64), (256, 1024, 250_112, 1), (32, 256, 250_112, 8), (1, 1, 1, 1)],
)
def test_logits_laid_out_at_a_time_are_bounded(rows, length, vocabulary, expected):
    chunk = positions_per_chunk(rows, length, vocabulary)
    assert chunk == expected
    assert chunk == 1 or rows * chunk * vocabulary * 4 <= 300 << 20


@pytest.mark.parametrize(("key", "value"), [("smoothing", 1.0), ("smoothing", -0.1), ("z", -1.0)])
def test_senseless_settings_are_refused(key, value):
    with pytest.raises(ConfigError, match=f"loss.{key}"):
        LossConfig(**{key: value})
