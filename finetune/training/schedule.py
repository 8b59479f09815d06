"""Compute learning rates by step from T5X's factors, such as `constant * linear_warmup * rsqrt_decay`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp

from core.errors import ConfigError, UnknownNameError

Schedule = Callable[[jax.Array], jax.Array]
# The rate never falls below this: a decay that is too steep would change the sign of the update.
_LEAST: Final = 1e-8


@dataclass(frozen=True)
class ScheduleConfig:
    """The section [optimizer.schedule]: a product of factors of the step, which counts from 0."""

    factors: str = "constant"
    base: float = 1e-3  # the value of `constant`
    warmup_steps: int = 1_000
    decay_factor: float = 0.5  # factor of decay_every; slope of linear_decay
    steps_per_decay: int = 20_000
    steps_per_cycle: int = 100_000  # of cosine_decay

    def __post_init__(self) -> None:
        names = self.names
        for name in names:
            if name not in FACTORS:
                raise UnknownNameError("factor in schedule.factors", name, FACTORS)
        if "linear_decay" in names and {"constant", "linear_warmup"} & {*names}:
            raise ConfigError(
                "schedule.factors: linear_decay already includes constant and linear_warmup; remove those"
            )
        for key, users in USED_BY.items():
            if not {*users} & {*names} and getattr(self, key) != getattr(ScheduleConfig, key):
                raise ConfigError(
                    f"schedule.{key} is {getattr(self, key)}, and no factor of {self.factors!r} uses it: add "
                    f"{' or '.join(users)} to schedule.factors, or leave it out"
                )
        for key in ("warmup_steps", "steps_per_decay", "steps_per_cycle"):
            if getattr(self, key) < 1:
                raise ConfigError(f"schedule.{key} is {getattr(self, key)}: expected 1 or more")
        if self.base <= 0:
            raise ConfigError(f"schedule.base is {self.base}: expected more than 0")

    @property
    def names(self) -> list[str]:
        return [name.strip() for name in self.factors.split("*")]


def schedule(config: ScheduleConfig) -> Schedule:
    """Return the schedule: the float32 learning rate at a step, at least 1e-8."""

    def rate(step: jax.Array) -> jax.Array:
        value = jnp.ones((), jnp.float32)
        for name in config.names:
            value = FACTORS[name](value, jnp.asarray(step, jnp.float32), config)
        return jnp.maximum(value, _LEAST)

    return rate


def _cosine(value: jax.Array, step: jax.Array, config: ScheduleConfig) -> jax.Array:
    progress = jnp.maximum(0.0, (step - config.warmup_steps) / config.steps_per_cycle)
    return value * jnp.maximum(0.0, 0.5 * (1 + jnp.cos(jnp.pi * (progress % 1.0))))


def _linear(value: jax.Array, step: jax.Array, config: ScheduleConfig) -> jax.Array:
    falling = 1 + config.decay_factor * (config.warmup_steps - step)
    return value * config.base * jnp.minimum(step / config.warmup_steps, falling)


def _inverse_root(step: jax.Array, config: ScheduleConfig) -> jax.Array:
    return jax.lax.rsqrt(jnp.maximum(step, float(config.warmup_steps)))


FACTORS: Final[dict[str, Callable[[jax.Array, jax.Array, ScheduleConfig], jax.Array]]] = {
    "constant": lambda value, step, config: value * config.base,
    "linear_warmup": lambda value, step, config: value * jnp.minimum(1.0, step / config.warmup_steps),
    "linear_decay": _linear,
    "rsqrt_decay": lambda value, step, config: value * _inverse_root(step, config),
    "rsqrt_normalized_decay": lambda value, step, config: (
        value * config.warmup_steps**0.5 * _inverse_root(step, config)
    ),
    "decay_every": lambda value, step, config: value * config.decay_factor ** jnp.floor(step / config.steps_per_decay),
    "cosine_decay": _cosine,
}
USED_BY: Final = {
    "base": ("constant", "linear_decay"),
    "warmup_steps": ("linear_warmup", "linear_decay", "rsqrt_decay", "rsqrt_normalized_decay", "cosine_decay"),
    "decay_factor": ("decay_every", "linear_decay"),
    "steps_per_decay": ("decay_every",),
    "steps_per_cycle": ("cosine_decay",),
}
