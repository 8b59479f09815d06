"""Train an encoder with a head: the trainer of a whole model, with another model and another step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import jax
import jax.numpy as jnp

from core.errors import ConfigError
from finetune.heads.base import TrainableHead, trainable_head
from finetune.heads.config import HeadConfig
from finetune.heads.step import HeadStep
from finetune.model.architecture import Architecture
from finetune.model.encoder import EncoderModel
from finetune.model.partitioning import check_rows, replicated
from finetune.training.config import TrainerConfig
from finetune.training.schedule import schedule
from finetune.training.step import StepMetrics, TrainState
from finetune.training.trainer import Trainer

Array = jax.Array


@dataclass(frozen=True, eq=False)
class HeadTrainer(Trainer):
    """The trainer of one run with a head."""

    head_config: HeadConfig

    @classmethod
    def with_head(cls, config: TrainerConfig, head: HeadConfig, architecture: Architecture) -> Self:
        """Make the mesh; raise ConfigError if model, batch, mesh and devices do not fit together."""
        plain = Trainer.of(config, architecture)
        if rows := head.cache_rows:
            check_rows("head.cache_rows", rows, config.mesh, plain.mesh)
            if config.rows % rows:
                raise ConfigError(f"head.cache_rows is {rows}: expected a divisor of data.rows, {config.rows}")
        return cls(config, architecture, plain.mesh, head)

    @cached_property
    def head(self) -> TrainableHead:
        return trainable_head(self.head_config.kind).of(self.head_config)

    @cached_property
    def model(self) -> EncoderModel:
        return EncoderModel(self.architecture, self.head.projection, self.config.execution)

    def _initial(self, key: Array) -> Any:
        return self.model.init(key, jnp.zeros((1, 1), jnp.int32))["params"]

    def state_from(self, params: Mapping[str, Any]) -> TrainState:
        """Return a new state from the weights of a checkpoint; a head that it lacks begins at random."""
        own = {name: branch for name, branch in params.items() if name in self.weight_shardings}

        def make(own: Mapping[str, Any]) -> TrainState:
            return self._state({**self._random(), **own})

        state: TrainState = jax.jit(make, out_shardings=self.shardings)(own)
        return state

    @cached_property
    def step(self) -> Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]:
        """The compiled step. It donates the state that it is given."""
        config = self.config
        rate = schedule(config.optimizer.schedule)
        return jax.jit(
            HeadStep(self.model, self.optimizer, rate, self.head, self.head_config, config.seed),
            in_shardings=(self.shardings, self.row_sharding),
            out_shardings=(self.shardings, replicated(self.mesh)),
            donate_argnums=0,
        )

    @cached_property
    def outputs(self) -> Callable[[TrainState, Array], Array]:
        """The compiled encoder with its head: ids [rows, L] to float32 [rows, features], on every process."""

        def run(state: TrainState, ids_BxL: Array) -> Array:
            outputs: Array = self.model.apply({"params": state.trained}, ids_BxL)
            return outputs

        return jax.jit(run, in_shardings=(self.shardings, self.row_sharding), out_shardings=replicated(self.mesh))
