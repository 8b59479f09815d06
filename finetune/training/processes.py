"""Join the processes that train one model together."""

from __future__ import annotations

import jax

from finetune.training.config import DistributedConfig


def join(config: DistributedConfig) -> None:
    """Connect this process to the others, if the configuration names several processes."""
    if not (config.enabled or config.coordinator) or jax.distributed.is_initialized():
        return
    if config.coordinator:
        jax.distributed.initialize(config.coordinator, config.processes, config.process)
    else:
        jax.distributed.initialize()
