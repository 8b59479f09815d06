"""Adafactor (Shazeer and Stern 2018) by T5X's rules: what is factored follows from the names of the axes.

    ROW     embed                              COLUMN  vocab, mlp, heads, kv, joined_kv
    BATCH   layers: each slice by itself       other names: never factored

A kernel with both kinds keeps two vectors in place of a matrix of squares, if either has 128 or more. Several COLUMN
axes count as one, and a stack of layers gets for every layer what that layer would get alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec

ROW: Final = frozenset({"embed"})
COLUMN: Final = frozenset({"vocab", "mlp", "heads", "kv", "joined_kv"})
STACKED: Final = frozenset({"layers"})
_LEAST_FACTORED: Final = 128
_EPSILON_SQUARE: Final = 1e-30
_EPSILON_SCALE: Final = 1e-3
_LARGEST_UPDATE: Final = 1.0


class Slots(NamedTuple):
    """What is kept of one parameter: `row` and `column`, or `full`; the others hold a 0."""

    row: Any
    column: Any
    full: Any


class AdafactorState(NamedTuple):
    """The step, and the slots of every parameter."""

    count: Any
    slots: Any


class Factoring(NamedTuple):
    """Axes by their role."""

    row: tuple[int, ...]
    column: tuple[int, ...]
    stacked: tuple[int, ...]

    @classmethod
    def of(cls, shape: Sequence[int], names: Iterable[Any]) -> Factoring:
        """The roles of the axes of a parameter; row and column are empty where it is not factored."""
        names = list(names)
        stacked = tuple(axis for axis, name in enumerate(names) if name in STACKED)
        row = tuple(axis for axis, name in enumerate(names) if name in ROW)
        column = tuple(axis for axis, name in enumerate(names) if name in COLUMN)
        sizes = [math.prod(shape[axis] for axis in axes) for axes in (row, column)]
        known = len(row) + len(column) + len(stacked) == len(shape)
        if not (row and column and known and min(sizes) >= _LEAST_FACTORED):
            return cls((), (), stacked)
        return cls(row, column, stacked)


def adafactor(axes: Any, *, decay: float = 0.8, parameter_scale: bool = True) -> optax.GradientTransformation:
    """Updates before the learning rate, and with their sign: new = old - rate x update.

    `axes`: for every parameter a PartitionSpec of the names of its axes.
    """

    def start(params: Any) -> AdafactorState:
        return AdafactorState(jnp.zeros((), jnp.int32), _map(_start, params, axes))

    def update(gradients: Any, state: AdafactorState, params: Any = None) -> tuple[Any, AdafactorState]:
        count = state.count + 1
        keep = 1 - jnp.asarray(count, jnp.float32) ** -decay

        def one(gradient: jax.Array, names: PartitionSpec, slots: Slots, parameter: jax.Array) -> Any:
            return _update(gradient, names, slots, parameter, keep, parameter_scale)

        both = _map(one, gradients, axes, state.slots, params)
        updates = jax.tree.map(lambda pair: pair[0], both, is_leaf=_is_pair)
        return updates, AdafactorState(count, jax.tree.map(lambda pair: pair[1], both, is_leaf=_is_pair))

    return optax.GradientTransformation(start, update)


class _Pair(NamedTuple):
    update: jax.Array
    slots: Slots


def _is_pair(node: Any) -> bool:
    return isinstance(node, _Pair)


def _map(function: Any, first: Any, axes: Any, *rest: Any) -> Any:
    """`function` of every parameter and what belongs to it. Specs and slots are nodes of a tree to JAX, here leaves."""
    leaves = jax.tree.leaves(first)
    specs = jax.tree.leaves(axes, is_leaf=lambda node: isinstance(node, PartitionSpec))
    others = [jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, Slots)) for tree in rest]
    found = [function(*one) for one in zip(leaves, specs, *others, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(first), found)


def _start(parameter: jax.Array, names: PartitionSpec) -> Slots:
    shape, roles = parameter.shape, Factoring.of(parameter.shape, names)
    # Not empty: checkpoints cannot hold arrays without a value. T5X keeps the same.
    none = jnp.zeros([*(shape[axis] for axis in roles.stacked), 1], jnp.float32)
    if not roles.row:
        return Slots(none, none, jnp.zeros(shape, jnp.float32))
    row = jnp.zeros([size for axis, size in enumerate(shape) if axis not in roles.column], jnp.float32)
    column = jnp.zeros([size for axis, size in enumerate(shape) if axis not in roles.row], jnp.float32)
    return Slots(row, column, none)


def slot_axes(params: Any, axes: Any) -> Any:
    """The names of the axes of the slots of every parameter, as PartitionSpecs, from which their places follow."""

    def one(parameter: Any, names: PartitionSpec) -> Slots:
        roles = Factoring.of(parameter.shape, names)
        if not roles.row:
            return Slots(PartitionSpec(), PartitionSpec(), names)
        row = PartitionSpec(*(name for axis, name in enumerate(names) if axis not in roles.column))
        column = PartitionSpec(*(name for axis, name in enumerate(names) if axis not in roles.row))
        return Slots(row, column, PartitionSpec())

    return _map(one, params, axes)


def _update(
    gradient: jax.Array, names: PartitionSpec, slots: Slots, parameter: jax.Array, keep: jax.Array, scaled: bool
) -> _Pair:
    gradient = gradient.astype(jnp.float32)
    roles = Factoring.of(parameter.shape, names)
    own = tuple(axis for axis in range(gradient.ndim) if axis not in roles.stacked)
    if roles.row:
        row = keep * slots.row + (1 - keep) * _mean_square(gradient, roles.column)
        column = keep * slots.column + (1 - keep) * _mean_square(read_again(gradient), roles.row)
        slots = Slots(row, column, slots.full)
        row, column = jnp.expand_dims(row, roles.column), jnp.expand_dims(column, roles.row)
        by_row, by_column = jax.lax.rsqrt(row / row.mean(roles.row, keepdims=True)), jax.lax.rsqrt(column)
        change = gradient * by_row * by_column
        # Of each row first: the change is worked out twice, and never laid out.
        sizes = jnp.mean(jnp.square(read_again(gradient) * by_column), roles.column, keepdims=True)
        size = jnp.sqrt(jnp.mean(sizes * jnp.square(by_row), roles.row, keepdims=True))
    else:
        full = keep * slots.full + (1 - keep) * (jnp.square(gradient) + _EPSILON_SQUARE)
        slots = Slots(slots.row, slots.column, full)
        change = gradient * jax.lax.rsqrt(full)
        size = _root_mean_square(change, own)
    by = 1 / jnp.maximum(1.0, size / _LARGEST_UPDATE)
    if scaled:
        by = by * jnp.maximum(_EPSILON_SCALE, _root_mean_square(parameter, own))
    change = change * by
    return _Pair(change, slots)


def read_again(array: jax.Array) -> jax.Array:
    """The same, as if it were another: squares that two sums shared would be written to memory for both to read."""
    again: jax.Array = jax.lax.optimization_barrier(array)
    return again


def _mean_square(array: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    return jnp.mean(jnp.square(array), axes) + _EPSILON_SQUARE


def _root_mean_square(array: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    return jnp.sqrt(jnp.mean(jnp.square(array), axes, keepdims=True))
