"""The trainer of an encoder with a head: as that of a whole model, with another model and another step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp

from core.errors import ConfigError
from finetune.config import FinetuneConfig
from finetune.heads.step import HeadStep
from finetune.model.architecture import Architecture
from finetune.model.encoder import EncoderModel
from finetune.model.partitioning import check_rows, replicated
from finetune.training.schedule import schedule
from finetune.training.step import StepMetrics, TrainState
from finetune.training.trainer import Trainer

Array = jax.Array


@dataclass(frozen=True, eq=False)
class HeadTrainer(Trainer):
    """Of one run with a head."""

    @classmethod
    def of(cls, config: FinetuneConfig, architecture: Architecture) -> HeadTrainer:
        """ConfigError where model, batch, mesh and devices do not fit."""
        made = super().of(config, architecture)
        assert isinstance(made, HeadTrainer)
        rows = config.head.cache_rows
        if rows:
            check_rows("head.cache_rows", rows, config.mesh, made.mesh)
            if config.data.rows % rows:
                raise ConfigError(f"head.cache_rows is {rows}: expected a divisor of data.rows, {config.data.rows}")
        return made

    @cached_property
    def model(self) -> EncoderModel:
        return EncoderModel(self.architecture, self.config.head.head.projection, self.config.execution)

    def _initial(self, key: Array) -> Any:
        return self.model.init(key, jnp.zeros((1, 1), jnp.int32))["params"]

    def state_from(self, params: Mapping[str, Any]) -> TrainState:
        """A new run's, from the weights of a checkpoint; a head that it has not begins at random."""
        own = {name: branch for name, branch in params.items() if name in self.weight_places}

        def make(own: Mapping[str, Any]) -> TrainState:
            return self._state({**self._random(), **own})

        made: TrainState = jax.jit(make, out_shardings=self.places)(own)
        return made

    @cached_property
    def head_step(self) -> HeadStep:
        config = self.config
        rate = schedule(config.optimizer.schedule)
        return HeadStep(self.model, self.optimizer, rate, config.head, config.seed)

    @cached_property
    def step(self) -> Callable[[TrainState, Any], tuple[TrainState, StepMetrics]]:
        """The compiled step. The state that it is given is used up."""
        return jax.jit(
            self.head_step,
            in_shardings=(self.places, self.rows),
            out_shardings=(self.places, replicated(self.mesh)),
            donate_argnums=0,
        )

    @cached_property
    def outputs(self) -> Callable[[TrainState, Array], Array]:
        """The compiled encoder with its head: ids [rows, L] to float32 [rows, features], all of them everywhere."""

        def run(state: TrainState, ids_BxL: Array) -> Array:
            found: Array = self.model.apply({"params": state.trained}, ids_BxL)
            return found

        return jax.jit(run, in_shardings=(self.places, self.rows), out_shardings=replicated(self.mesh))
