"""Vectors in fewer bits: what the bits are, and that nothing wraps round."""

import subprocess
import sys

import numpy as np
import pytest

from core.errors import ConfigError, UnknownNameError
from finetune.model.quantize import (
    Ranges,
    asymmetric_similarity,
    calibrate,
    calibrate_each,
    dequantize,
    quantize,
    similarity,
)


@pytest.fixture(scope="module")
def vectors():
    found = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_bits_stand_most_significant_first_and_binary_is_ubinary_less_128():
    vector = np.array([[0.5, -1, 0, 1, -1, -1, -1, 1]], np.float32)
    assert quantize(vector, "ubinary").tolist() == [[0b10010001]]
    assert quantize(vector, "binary").tolist() == [[0b10010001 - 128]]
    assert quantize(vector, "binary").dtype == np.int8


def test_int8_clips_and_never_wraps():
    ranges = Ranges.symmetric(0.5, 4)
    vector = np.array([[0.5, -0.5, 9.0, -9.0]], np.float32)
    assert quantize(vector, "int8", ranges).tolist() == [[127, -127, 127, -128]]
    assert quantize(vector, "uint8", ranges).tolist() == [[255, 1, 255, 0]]
    assert quantize(np.zeros((1, 4)), "int8", ranges).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary", "float"])
def test_likeness_is_kept(vectors, precision):
    ranges = calibrate(vectors)
    exact = vectors[:20] @ vectors.T
    held = quantize(vectors, precision, ranges)
    loss = {"float": 1e-6, "int8": 0.02, "uint8": 0.02}.get(precision, 0.5)
    for found in (
        similarity(held[:20], held, precision, ranges),
        asymmetric_similarity(vectors[:20], held, precision, ranges),
    ):
        assert np.abs(found - exact).max() < loss
        assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > (0.6 if "binary" in precision else 0.999)
        assert np.array_equal(found[:, :20].argmax(1), np.arange(20))
    np.testing.assert_allclose(
        similarity(held[:20], held, precision, ranges),
        dequantize(held[:20], precision, ranges) @ dequantize(held, precision, ranges).T,
        atol=1e-5,
    )


def test_ranges_of_each_component_work_too(vectors):
    ranges = calibrate_each(vectors)
    assert ranges.limit is None
    held = quantize(vectors, "int8", ranges)
    assert held.min() == -127 and held.max() == 127
    assert np.abs(dequantize(held, "int8", ranges) - vectors).max() < 0.01
    assert np.abs(similarity(held, held, "int8", ranges) - vectors @ vectors.T).max() < 0.02


def test_a_text_is_the_same_bytes_whatever_stands_beside_it(vectors):
    ranges = calibrate(vectors)
    for precision in ("int8", "binary"):
        assert np.array_equal(quantize(vectors, precision, ranges)[3:4], quantize(vectors[3:4], precision, ranges))


def test_what_cannot_be_done_is_told(vectors):
    with pytest.raises(ConfigError, match="int8 needs ranges"):
        quantize(vectors, "int8")
    with pytest.raises(ConfigError, match="ranges are of dimension 32, and the vectors have 64"):
        quantize(vectors, "int8", Ranges.symmetric(1, 32))
    with pytest.raises(ConfigError, match="eight components to a byte"):
        quantize(vectors[:, :12], "binary")
    with pytest.raises(ConfigError, match="not a number"):
        quantize(vectors * np.nan, "binary")
    with pytest.raises(UnknownNameError, match="ubinary"):
        quantize(vectors, "ubinery")


def test_nothing_but_numpy_is_needed():
    code = "import sys, finetune.model.quantize; sys.exit('jax' in sys.modules or 'flax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
