"""Products of matrices, and their gradients, in the forms that the device at hand is fast at.

XLA's CPU backend has kernels that multiply bfloat16 as such, twice as fast as float32, but only where the sum stays
float32 and the first factor lies row by row; all else it widens first. Elsewhere the compiler chooses better itself.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint

Array = jax.Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def product(spec: str, x: Array, y: Array) -> Array:
    """`einsum(spec, x, y)`, in the dtype of x. Every letter stands in two or three of the three terms.

    y may be a kernel that is kept in float32: it is rounded here, and its gradient is not.
    """
    return summed(spec, x, y.astype(x.dtype), x.dtype)


def _forward(spec: str, x: Array, y: Array) -> tuple[Array, tuple[Array, Array]]:
    return product(spec, x, y), (x, y)


def _backward(spec: str, factors: tuple[Array, Array], slope: Array) -> tuple[Array, Array]:
    x, y = factors
    of_x, of_y, out = _terms(spec)
    by_x = summed(f"{out},{of_y}->{of_x}", slope, y.astype(x.dtype), x.dtype)
    return by_x, summed(f"{of_x},{out}->{of_y}", x, slope, y.dtype)


product.defvjp(_forward, _backward)


def summed(spec: str, x: Array, y: Array, dtype: Any) -> Array:
    """`einsum(spec, x, y)` of factors of one dtype, given as `dtype`, to which the sum is rounded at the end."""
    if jax.default_backend() != "cpu":
        return jnp.einsum(spec, x, y, preferred_element_type=dtype)
    of_x, of_y, out = _terms(spec)
    alike = [axis for axis in of_x if axis in of_y and axis in out]
    own = [axis for axis in of_x if axis not in of_y]
    gone = [axis for axis in of_x if axis in of_y and axis not in out]
    rest = [axis for axis in of_y if axis not in alike]
    first, second = "".join(alike + own + gone), "".join(alike + rest)
    # Not einsum, which may take the factors the other way round to spare itself the transposition at the end.
    batch = tuple(range(len(alike)))
    over = tuple(map(first.index, gone)), tuple(map(second.index, gone))
    made = jax.lax.dot_general(
        _laid(x, of_x, first), _laid(y, of_y, second), (over, (batch, batch)), preferred_element_type=jnp.float32
    )
    found = [*alike, *own, *(axis for axis in rest if axis not in gone)]
    return jnp.transpose(made.astype(dtype), [found.index(axis) for axis in out])


def _terms(spec: str) -> list[str]:
    return re.split(",|->", spec)


def _laid(array: Array, axes: str, order: str) -> Array:
    """Its axes in another order, in memory too; a transposition alone would only be read in strides."""
    if axes == order:
        return array
    turned = jnp.transpose(array, [axes.index(axis) for axis in order])
    laid: Array = with_layout_constraint(turned, Layout(tuple(range(turned.ndim))))
    return laid
