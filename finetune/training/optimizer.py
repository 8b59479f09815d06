"""Update parameters by Adafactor with T5X's rules, or by AdamW, after clipping, at the rate of a schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec

from core.errors import ConfigError
from finetune.training.adafactor import AdafactorState, adafactor, slot_axes
from finetune.training.schedule import ScheduleConfig

_ADAFACTOR: Final = ("parameter_scale", "decay_rate")


@dataclass(frozen=True)
class OptimizerConfig:
    """The section [optimizer]."""

    name: Literal["adafactor", "adamw"] = "adafactor"
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    clip: float = 0.0  # largest norm of all gradients together; 0: no clipping
    parameter_scale: bool = True  # Adafactor: scale steps by the size of each parameter
    decay_rate: float = 0.8  # Adafactor: the mean of squares decays by step^-decay_rate
    beta1: float = 0.9  # AdamW
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0  # AdamW; applies to kernels and embeddings, not to norms and position tables

    def __post_init__(self) -> None:
        for key, least in (("clip", 0.0), ("weight_decay", 0.0), ("epsilon", 1e-38)):
            if getattr(self, key) < least:
                raise ConfigError(f"optimizer.{key} is {getattr(self, key)}: expected {least} or more")
        for key in ("beta1", "beta2"):
            if not 0 <= getattr(self, key) < 1:
                raise ConfigError(f"optimizer.{key} is {getattr(self, key)}: expected 0 or more, and less than 1")
        if not 0 < self.decay_rate <= 1:
            raise ConfigError(f"optimizer.decay_rate is {self.decay_rate}: expected more than 0, and 1 at most")
        others = ("beta1", "beta2", "epsilon", "weight_decay") if self.name == "adafactor" else _ADAFACTOR
        for key in others:
            if getattr(self, key) != getattr(OptimizerConfig, key):
                raise ConfigError(f"optimizer.{key} does nothing with {self.name}: leave it out")


@dataclass(frozen=True)
class Optimizer:
    """An optimizer with its configuration and the axes of the parameters."""

    config: OptimizerConfig
    axes: Any  # the names of the axes of every parameter
    transformation: optax.GradientTransformation

    @classmethod
    def of(cls, config: OptimizerConfig, axes: Any) -> Optimizer:
        if config.name == "adafactor":
            made = adafactor(axes, decay=config.decay_rate, parameter_scale=config.parameter_scale)
        else:
            made = optax.chain(
                optax.scale_by_adam(config.beta1, config.beta2, config.epsilon),
                optax.add_decayed_weights(config.weight_decay, mask=jax.tree.map(_decays, axes, is_leaf=_is_spec)),
            )
        return cls(config, axes, made)

    def start(self, params: Any) -> Any:
        return self.transformation.init(params)

    def update(self, gradients: Any, state: Any, params: Any, rate: jax.Array) -> tuple[Any, Any, jax.Array]:
        """Return new parameters, new state, and the norm of all gradients before clipping."""
        norm = optax.tree.norm(gradients)
        if self.config.clip:
            by = jnp.minimum(1.0, self.config.clip / jnp.maximum(norm, 1e-16))
            gradients = jax.tree.map(lambda gradient: gradient * by, gradients)
        changes, state = self.transformation.update(gradients, state, params)
        params = jax.tree.map(lambda old, change: (old - rate * change).astype(old.dtype), params, changes)
        return params, state, norm

    def state_axes(self, params: Any) -> Any:
        """Return the names of the axes of the state, in its form. Shapes are enough for `params`."""
        state = jax.eval_shape(self.start, params)
        if isinstance(state, AdafactorState):
            return AdafactorState(PartitionSpec(), slot_axes(params, self.axes))
        return optax.tree.map_params(
            self.transformation, lambda _, spec: spec, state, self.axes, transform_non_params=lambda _: PartitionSpec()
        )


def _decays(names: PartitionSpec) -> bool:
    own = [name for name in names if name != "layers"]
    return len(own) > 1 and "relpos_buckets" not in own


def _is_spec(node: Any) -> bool:
    return isinstance(node, PartitionSpec)
