"""Products in the device's own forms are einsum's, and so are their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from finetune.model.matmul import product, summed

SIZES = dict(zip("abdfhklpqrv", (4, 2, 6, 5, 3, 8, 7, 9, 10, 2, 11), strict=True))
# All that the model multiplies by: kernels and additions, scores of attention, mixed values.
SPECS = ("bld,df->blf", "bld,dr->blr", "blr,rf->blf", "bqha,bkha->bhqk", "bhqk,bkha->bqha")
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}


def drawn(axes, seed, dtype):
    return jnp.asarray(np.random.default_rng(seed).normal(size=[SIZES[axis] for axis in axes]), dtype)


def assert_close(found, exact, dtype):
    """`exact` is float32, of the same factors; a product is as exact as the dtype that it is given in."""
    difference = np.abs(np.asarray(found, np.float32) - exact).max()
    assert difference < TOLERANCE[dtype] * np.abs(exact).max()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("spec", SPECS)
def test_a_product_and_its_gradients_are_einsum_s(spec, dtype):
    terms = spec.replace("->", ",").split(",")
    # Kernels stay in float32 whatever is computed in; what comes out of a layer has the run's dtype.
    of_y = "float32" if "h" not in spec else dtype
    x, y, slope = (drawn(*one) for one in zip(terms, (0, 1, 2), (dtype, of_y, dtype), strict=True))

    def run(multiply, x, y, slope):
        out, pull = jax.vjp(multiply, x, y)
        return out, *pull(slope)

    found = jax.jit(lambda *all: run(lambda x, y: product(spec, x, y), *all))(x, y, slope)
    assert [one.dtype for one in found] == [jnp.dtype(dtype), x.dtype, y.dtype]
    # A kernel is rounded before it is multiplied by.
    widened = [jnp.asarray(one, jnp.float32) for one in (x, y.astype(dtype), slope)]
    with jax.default_matmul_precision("highest"):
        exact = run(lambda x, y: jnp.einsum(spec, x, y), *widened)
    for one, other in zip(found, exact, strict=True):
        assert_close(one, np.asarray(other), dtype)


@pytest.mark.parametrize(("spec", "given"), [("bpv,dv->bpd", "bfloat16"), ("bpd,bpv->dv", "float32")])
def test_sums_of_the_loss_are_einsum_s(spec, given):
    x, y = (drawn(axes, seed, "bfloat16") for seed, axes in enumerate(spec.partition("->")[0].split(",")))
    found = jax.jit(lambda x, y: summed(spec, x, y, jnp.dtype(given)))(x, y)
    assert found.dtype == jnp.dtype(given)
    with jax.default_matmul_precision("highest"):
        exact = jnp.einsum(spec, x.astype(jnp.float32), y.astype(jnp.float32))
    # Into float32 the sum of products of bfloat16 is exact but for its own roundings.
    assert_close(found, np.asarray(exact), given)
