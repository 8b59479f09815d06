"""Combine a model, its optimizer and a mesh: new and restored states, and the compiled step.

In memory the layers may be stacked (execution.scan); on disk every layer is a separate subtree. Arrays are converted on
the mesh, so no host ever holds the whole of a sharded model.
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

from finetune.data.features import Batch
from finetune.decoding.row_losses import RowLosses, row_losses
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
)
from finetune.model.partitioning import shardings as shardings_of
from finetune.training.config import TrainerConfig
from finetune.training.optimizer import Optimizer
from finetune.training.schedule import schedule
from finetune.training.step import StepMetrics, TrainState, TrainStep


@dataclass(frozen=True, eq=False)
class Trainer:
    """The trainer of one run. Everything that compiles does so within `on_mesh`."""

    config: TrainerConfig
    architecture: Architecture
    mesh: Mesh

    @classmethod
    def of(cls, config: TrainerConfig, architecture: Architecture) -> Trainer:
        """Make the mesh; raise ConfigError if model, batch, mesh and devices do not fit together."""
        mesh = make_mesh(config.mesh)
        check_fit(architecture, config.rows, config.microbatches, config.mesh, mesh)
        check_rows("data.validation.rows", config.validation_rows, config.mesh, mesh)
        config.lora.check(architecture)
        return cls(config, architecture, mesh)

    @contextlib.contextmanager
    def on_mesh(self) -> Iterator[None]:
        """Set the mesh and its rules, where the model's sharding constraints look them up."""
        with jax.set_mesh(self.mesh), nn.logical_axis_rules(self.config.mesh.table()):
            yield

    @cached_property
    def model(self) -> EncoderDecoder:
        return EncoderDecoder(self.architecture, self.config.execution, self.config.lora)

    @cached_property
    def _on_disk(self) -> Trainer:
        """The same trainer with a subtree for every layer: the form of checkpoints."""
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
        """Return random parameters, with the names of their axes."""
        return self.model.init(key, _ids(), _ids())["params"]

    @cached_property
    def optimizer(self) -> Optimizer:
        trained, _ = lora.split(self._axes, self.config.lora.rank)
        return Optimizer.of(self.config.optimizer, trained)

    @cached_property
    def shardings(self) -> TrainState:
        """The sharding of each array of a state."""
        trained, fixed = lora.split(self._axes, self.config.lora.rank)
        shapes, _ = lora.split(self._shapes, self.config.lora.rank)
        axes = TrainState(PartitionSpec(), trained, fixed, self.optimizer.state_axes(shapes))
        placed: TrainState = shardings_of(axes, self.mesh, self.config.mesh)
        return placed

    @cached_property
    def row_sharding(self) -> NamedSharding:
        """The sharding of the rows of a batch."""
        return batch_sharding(self.mesh, self.config.mesh)

    def new_state(self) -> TrainState:
        """Return a random state, the same for every mesh, with and without scan."""
        state: TrainState = jax.jit(lambda: self._state(self._random()), out_shardings=self.shardings)()
        return state

    def state_from(self, params: Mapping[str, Any]) -> TrainState:
        """Return a new state from the weights of a checkpoint; LoRA's matrices, which it lacks, begin at random."""

        def make(params: Mapping[str, Any]) -> TrainState:
            rank = self.config.lora.rank
            return self._state(lora.join(lora.split(self._random(), rank)[0], params) if rank else params)

        # Donating arrays of single layers frees nothing: they cannot become stacked arrays.
        donated = () if self.config.execution.scan else (0,)
        state: TrainState = jax.jit(make, out_shardings=self.shardings, donate_argnums=donated)(params)
        return state

    def _random(self) -> Any:
        return _unboxed(self._on_disk._initial(jax.random.key(self.config.seed)))

    def _state(self, params: Mapping[str, Any]) -> TrainState:
        if self.config.execution.scan:
            params = stacking.stack(params)
        trained, fixed = lora.split(params, self.config.lora.rank)
        return TrainState(jnp.zeros((), jnp.int32), trained, fixed, self.optimizer.start(trained))

    @cached_property
    def weight_shardings(self) -> Any:
        """The shardings of a checkpoint's weights, without LoRA's matrices: a tree like theirs."""
        return lora.without(lora.join(self._on_disk.shardings.trained, self._on_disk.shardings.fixed))

    def to_disk(self, state: TrainState) -> TrainState:
        """Return the state in the form of a checkpoint."""
        if not self.config.execution.scan:
            return state
        unstack = jax.jit(lambda state: _each_tree(stacking.unstack, state), out_shardings=self._on_disk.shardings)
        plain: TrainState = unstack(state)
        return plain

    @cached_property
    def disk_shapes(self) -> TrainState:
        """The shape and sharding of each array of a state on disk, to restore it by."""

        def shape(array: Any, sharding: NamedSharding) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)

        plain = self._on_disk
        shapes: TrainState = jax.tree.map(shape, jax.eval_shape(lambda: plain._state(plain._random())), plain.shardings)
        return shapes

    def from_disk(self, state: TrainState) -> TrainState:
        """Return a restored state in the form that the step takes."""
        if not self.config.execution.scan:
            return state
        stack = jax.jit(lambda state: _each_tree(stacking.stack, state), out_shardings=self.shardings)
        stacked: TrainState = stack(state)
        return stacked

    @cached_property
    def step(self) -> Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]:
        """The compiled step. It donates the state that it is given."""
        config = self.config
        step = TrainStep(
            self.model,
            self.optimizer,
            schedule(config.optimizer.schedule),
            config.loss,
            config.microbatches,
            config.seed,
        )
        return jax.jit(
            step,
            in_shardings=(self.shardings, self.row_sharding),
            out_shardings=(self.shardings, replicated(self.mesh)),
            donate_argnums=0,
        )

    @cached_property
    def row_losses(self) -> Callable[[TrainState, Batch], RowLosses]:
        """The compiled loss of each row; every process gets the losses of all rows."""

        def run(state: TrainState, batch: Batch) -> RowLosses:
            return row_losses(self.model, lora.join(state.trained, state.fixed), batch)

        return jax.jit(run, in_shardings=(self.shardings, self.row_sharding), out_shardings=replicated(self.mesh))

    def weights(self, state: TrainState) -> Any:
        """Return the plain weights of a state on the mesh, unstacked, with LoRA's matrices added in."""

        def plain(state: TrainState) -> Any:
            params = lora.join(state.trained, state.fixed)
            params = stacking.unstack(params) if self.config.execution.scan else params
            return lora.added_in(params, self.config.lora.scale)

        return jax.jit(plain, out_shardings=self.weight_shardings)(state)

    def put(self, local: Any, rows: int) -> Any:
        """Return arrays of `rows` rows on the mesh, from this process's part of them."""
        return local_batch(local, rows, self.row_sharding)


def _ids() -> jax.Array:
    return jnp.zeros((1, 1), jnp.int32)


def _unboxed(params: Any) -> Any:
    """Return parameters without the names of their axes. Flax's `unbox` would also place them, and shapes cannot be."""

    def is_box(node: Any) -> bool:
        return isinstance(node, nn.meta.AxisMetadata)

    return jax.tree.map(lambda node: node.value if is_box(node) else node, params, is_leaf=is_box)


def _each_tree(function: Callable[[Mapping[str, Any]], dict[str, Any]], node: Any) -> Any:
    """Apply `function` to every tree of parameters in a state, and to every tree of the same form."""
    if isinstance(node, Mapping):
        return function(node)
    if isinstance(node, tuple):
        parts = [_each_tree(function, part) for part in node]
        return type(node)(*parts) if hasattr(node, "_fields") else tuple(parts)
    return node
