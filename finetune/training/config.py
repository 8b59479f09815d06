"""Define the sections of a run's configuration that training reads, but for [optimizer] and [loss]."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.errors import ConfigError, UnknownNameError
from finetune.model.architecture import FAMILIES, SIZES, Architecture, Execution, LoraConfig, architecture
from finetune.model.partitioning import MeshConfig
from finetune.training.loss import LossConfig
from finetune.training.optimizer import OptimizerConfig


@dataclass(frozen=True)
class ModelConfig:
    """The model that a run begins with: a checkpoint, or a new model."""

    init: str = ""  # checkpoint to continue from: a model folder, a run or a Hugging Face folder; "": a new model
    tokenizer: str = ""  # folder that `glotmill tokenizer train` wrote; "": the checkpoint's tokenizer
    size: str = "small"  # new models: tiny, mini, small, base, large, xl, xxl
    family: Literal["mt5", "umt5", "t5"] = "mt5"  # new models; mt5 is also T5 1.1
    shape: Mapping[str, int] = field(default_factory=dict)  # new models: overrides of the size: width = 320, ...

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise UnknownNameError("model.size", self.size, SIZES)
        if self.init and (self.size, self.family, dict(self.shape)) != ("small", "mt5", {}):
            raise ConfigError(
                f"model.size, family and shape describe a new model, and {self.init} has its own: leave them out"
            )
        fields = dataclasses.fields(Architecture)
        known = [field.name for field in fields if field.type == "int" and field.name != "vocabulary"]
        for name in self.shape:
            if name not in known:
                raise UnknownNameError("key in model.shape", name, known)

    def architecture(self, vocabulary: int) -> Architecture:
        """Return the architecture of the new model."""
        return architecture(self.size, vocabulary, **FAMILIES[self.family].changes, **self.shape)


@dataclass(frozen=True)
class CheckpointConfig:
    """When checkpoints are saved, and how many are kept."""

    every_steps: int = 1_000  # steps between checkpoints; 0: none by steps
    every_minutes: float = 30.0  # minutes between checkpoints; 0: none by time
    keep: int = 3  # how many of the newest checkpoints are kept
    best: bool = True  # also keep the checkpoint with the lowest validation loss

    def __post_init__(self) -> None:
        if self.every_steps < 0 or self.every_minutes < 0:
            raise ConfigError("checkpoints.every_steps and every_minutes: expected 0 (never) or more")
        if self.keep < 1:
            raise ConfigError(f"checkpoints.keep is {self.keep}: expected 1 or more, or a run could not resume")


@dataclass(frozen=True)
class EvaluateConfig:
    """Validation while training; data.validation says how many examples of each language it reads."""

    every_steps: int = 500  # steps between validations; 0: only at the end
    generate: int = 0  # examples of each language to generate answers for (exact match, chrF); 0: none
    max_tokens: int = 128  # most tokens of a generated answer

    def __post_init__(self) -> None:
        for name, least in (("every_steps", 0), ("generate", 0), ("max_tokens", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"evaluate.{name} is {getattr(self, name)}: expected {least} or more")


@dataclass(frozen=True)
class LogConfig:
    """Progress lines and TensorBoard. metrics.csv always has every step."""

    every_steps: int = 10  # steps between progress lines, and between TensorBoard points
    tensorboard: bool = False
    peak_tflops: float = 0.0  # peak of one device, for MFU; 0: a known value for the device

    def __post_init__(self) -> None:
        if self.every_steps < 1:
            raise ConfigError(f"log.every_steps is {self.every_steps}: expected 1 or more")
        if self.peak_tflops < 0:
            raise ConfigError(f"log.peak_tflops is {self.peak_tflops}: expected 0 (a known value) or more")


@dataclass(frozen=True)
class DistributedConfig:
    """Several processes that train one model; each is started with the same configuration."""

    enabled: bool = False  # on TPU slices, SLURM and Open MPI JAX finds the other keys itself
    coordinator: str = ""  # HOST:PORT of process 0, where JAX cannot find it
    processes: int = 0
    process: int = -1

    def __post_init__(self) -> None:
        is_set = (self.coordinator != "", self.processes > 0, self.process >= 0)
        if any(is_set) and not all(is_set):
            raise ConfigError(
                "distributed: coordinator, processes and process go together: expected all three, or none"
            )
        if all(is_set) and self.process >= self.processes:
            raise ConfigError(
                f"distributed.process is {self.process} of {self.processes}: expected 0 to {self.processes - 1}"
            )


@dataclass(frozen=True)
class TrainerConfig:
    """The sections and values that a trainer reads; `FinetuneConfig.trainer` makes it."""

    rows: int  # of a batch, on all devices together
    validation_rows: int
    microbatches: int
    seed: int
    execution: Execution
    lora: LoraConfig
    mesh: MeshConfig
    loss: LossConfig
    optimizer: OptimizerConfig


@dataclass(frozen=True)
class LoopConfig:
    """The sections and values that the loop reads; `FinetuneConfig.loop` makes it."""

    steps: int
    validate_every: int  # steps; 0: only at the end
    validation_examples: int
    checkpoints: CheckpointConfig
    log: LogConfig
