"""A model, its optimizer and the mesh, put together: new and restored states, and the compiled step.

In memory the layers may be stacked (execution.scan); on disk every layer has a branch of its own. Arrays go from one
form to the other on the mesh, and no host ever holds a whole model that is split.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from finetune.config import FinetuneConfig
from finetune.data.features import Batch
from finetune.model import lora, stacking
from finetune.model.architecture import Architecture
from finetune.model.encoder_decoder import EncoderDecoder
from finetune.model.partitioning import (
    batch_sharding,
    check_fit,
    check_rows,
    local_batch,
    make_mesh,
    replicated,
    shardings,
)
from finetune.training.optimizer import Optimizer
from finetune.training.schedule import schedule
from finetune.training.step import RowLosses, StepMetrics, TrainState, TrainStep, evaluate


@dataclass(frozen=True, eq=False)
class Trainer:
    """Of one run. Everything that compiles does so within `at_work`."""

    config: FinetuneConfig
    architecture: Architecture
    mesh: Mesh

    @classmethod
    def of(cls, config: FinetuneConfig, architecture: Architecture) -> Trainer:
        """ConfigError where model, batch, mesh and devices do not fit."""
        mesh = make_mesh(config.mesh)
        check_fit(architecture, config.data.rows, config.microbatches, config.mesh, mesh)
        check_rows("data.validation.rows", config.data.validation.rows or config.data.rows, config.mesh, mesh)
        config.lora.check(architecture)
        return cls(config, architecture, mesh)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """The mesh and its rules, as the model's constraints look for them."""
        with jax.set_mesh(self.mesh), nn.logical_axis_rules(self.config.mesh.table()):
            yield

    @cached_property
    def model(self) -> EncoderDecoder:
        return EncoderDecoder(self.architecture, self.config.execution, self.config.lora)

    @cached_property
    def _on_disk(self) -> Trainer:
        """The same, with a branch for every layer: the form of checkpoints."""
        if not self.config.execution.scan:
            return self
        plain = dataclasses.replace(self.config, execution=dataclasses.replace(self.config.execution, scan=False))
        return type(self)(plain, self.architecture, self.mesh)

    @cached_property
    def _axes(self) -> Any:
        return nn.get_partition_spec(self._boxed)

    @cached_property
    def _shapes(self) -> Any:
        return _unboxed(self._boxed)

    @cached_property
    def _boxed(self) -> Any:
        """Shapes of all parameters, with the names of their axes."""
        return jax.eval_shape(lambda: self._initial(jax.random.key(0)))

    def _initial(self, key: jax.Array) -> Any:
        """Parameters at random, with the names of their axes."""
        return self.model.init(key, _ids(), _ids())["params"]

    @cached_property
    def optimizer(self) -> Optimizer:
        trained, _ = lora.split(self._axes, self.config.lora.rank)
        return Optimizer.of(self.config.optimizer, trained)

    @cached_property
    def places(self) -> TrainState:
        """Where each array of a state lies on the mesh."""
        trained, fixed = lora.split(self._axes, self.config.lora.rank)
        shapes, _ = lora.split(self._shapes, self.config.lora.rank)
        axes = TrainState(PartitionSpec(), trained, fixed, self.optimizer.state_axes(shapes))
        placed: TrainState = shardings(axes, self.mesh, self.config.mesh)
        return placed

    @cached_property
    def rows(self) -> NamedSharding:
        """Where the rows of a batch lie on the mesh."""
        return batch_sharding(self.mesh, self.config.mesh)

    def new_state(self) -> TrainState:
        """At random, the same for every mesh, with and without scan."""
        made: TrainState = jax.jit(lambda: self._state(self._random()), out_shardings=self.places)()
        return made

    def state_from(self, params: Mapping[str, Any]) -> TrainState:
        """A new run's, from the weights of a checkpoint; LoRA's additions, which it has not, begin at random."""

        def make(params: Mapping[str, Any]) -> TrainState:
            rank = self.config.lora.rank
            return self._state(lora.join(lora.split(self._random(), rank)[0], params) if rank else params)

        # Arrays of single layers cannot become those of stacks: to give them away would free nothing.
        given = () if self.config.execution.scan else (0,)
        made: TrainState = jax.jit(make, out_shardings=self.places, donate_argnums=given)(params)
        return made

    def _random(self) -> Any:
        return _unboxed(self._on_disk._initial(jax.random.key(self.config.seed)))

    def _state(self, params: Mapping[str, Any]) -> TrainState:
        if self.config.execution.scan:
            params = stacking.stack(params)
        trained, fixed = lora.split(params, self.config.lora.rank)
        return TrainState(jnp.zeros((), jnp.int32), trained, fixed, self.optimizer.start(trained))

    @cached_property
    def weight_places(self) -> Any:
        """Where the weights of a checkpoint without LoRA's additions lie on the mesh: a tree like theirs."""
        return lora.without(lora.join(self._on_disk.places.trained, self._on_disk.places.fixed))

    def to_disk(self, state: TrainState) -> TrainState:
        """The state as a checkpoint holds it."""
        if not self.config.execution.scan:
            return state
        unstack = jax.jit(lambda state: _each_tree(stacking.unstack, state), out_shardings=self._on_disk.places)
        plain: TrainState = unstack(state)
        return plain

    @cached_property
    def disk_shapes(self) -> TrainState:
        """Shape and place of each array of a state on disk, to restore it by."""

        def shape(one: Any, place: NamedSharding) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(one.shape, one.dtype, sharding=place)

        plain = self._on_disk
        shapes: TrainState = jax.tree.map(shape, jax.eval_shape(lambda: plain._state(plain._random())), plain.places)
        return shapes

    def from_disk(self, state: TrainState) -> TrainState:
        """A restored state as the step takes it."""
        if not self.config.execution.scan:
            return state
        stack = jax.jit(lambda state: _each_tree(stacking.stack, state), out_shardings=self.places)
        stacked: TrainState = stack(state)
        return stacked

    @cached_property
    def step(self) -> Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]:
        """The compiled step. The state that it is given is used up."""
        config = self.config
        pure = TrainStep(
            self.model,
            self.optimizer,
            schedule(config.optimizer.schedule),
            config.loss,
            config.microbatches,
            config.seed,
        )
        return jax.jit(
            pure,
            in_shardings=(self.places, self.rows),
            out_shardings=(self.places, replicated(self.mesh)),
            donate_argnums=0,
        )

    @cached_property
    def evaluate(self) -> Callable[[TrainState, Batch], RowLosses]:
        """The compiled loss of each row; every process gets those of all."""

        def run(state: TrainState, batch: Batch) -> RowLosses:
            return evaluate(self.model, lora.join(state.trained, state.fixed), batch)

        return jax.jit(run, in_shardings=(self.places, self.rows), out_shardings=replicated(self.mesh))

    def weights(self, state: TrainState) -> Any:
        """The plain weights of a state, unstacked and with LoRA's additions in them, where they lie on the mesh."""

        def plain(state: TrainState) -> Any:
            params = lora.join(state.trained, state.fixed)
            params = stacking.unstack(params) if self.config.execution.scan else params
            return lora.added_in(params, self.config.lora.scale)

        return jax.jit(plain, out_shardings=self.weight_places)(state)

    def put(self, local: Any, rows: int) -> Any:
        """Arrays of `rows` rows on the mesh, of this process's share of them."""
        return local_batch(local, rows, self.rows)


def _ids() -> jax.Array:
    return jnp.zeros((1, 1), jnp.int32)


def _unboxed(params: Any) -> Any:
    """Parameters without the names of their axes. Flax's own `unbox` would also place them, which shapes cannot be."""

    def is_box(node: Any) -> bool:
        return isinstance(node, nn.meta.AxisMetadata)

    return jax.tree.map(lambda node: node.value if is_box(node) else node, params, is_leaf=is_box)


def _each_tree(function: Callable[[Mapping[str, Any]], dict[str, Any]], node: Any) -> Any:
    """`function` of every tree of parameters in a state, and of every tree that has their form."""
    if isinstance(node, Mapping):
        return function(node)
    if isinstance(node, tuple):
        parts = [_each_tree(function, part) for part in node]
        return type(node)(*parts) if hasattr(node, "_fields") else tuple(parts)
    return node
