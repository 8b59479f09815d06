"""The configuration of a run: what `glotmill finetune` reads, and writes back resolved as run.toml."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from core.errors import ConfigError, UnknownNameError
from finetune.data.config import DataConfig
from finetune.heads.config import HeadConfig
from finetune.model.architecture import FAMILIES, SIZES, Architecture, Execution, LoraConfig, architecture
from finetune.model.partitioning import MeshConfig
from finetune.training.loss import LossConfig
from finetune.training.optimizer import OptimizerConfig


@dataclass(frozen=True)
class ModelConfig:
    """What is trained: a checkpoint further, or a new model."""

    init: str = ""  # a checkpoint: glotmill's, a run's, or a Hugging Face folder; "": a new model, at random
    tokenizer: str = ""  # a folder that `glotmill tokenizer train` wrote; "": the checkpoint's own
    size: str = "small"  # of a new model: tiny, mini, small, base, large, xl, xxl
    family: Literal["mt5", "umt5", "t5"] = "mt5"  # of a new model; mt5 is also T5 1.1
    shape: Mapping[str, int] = field(default_factory=dict)  # of a new model, over its size: width = 320, ...

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise UnknownNameError("model.size", self.size, SIZES)
        if self.init and (self.size, self.family, dict(self.shape)) != ("small", "mt5", {}):
            raise ConfigError(
                f"model.size, family and shape are of a new model: {self.init} has its own; leave them out"
            )
        known = [one.name for one in dataclasses.fields(Architecture) if one.type == "int" and one.name != "vocabulary"]
        for name in self.shape:
            if name not in known:
                raise UnknownNameError("key in model.shape", name, known)

    def architecture(self, vocabulary: int) -> Architecture:
        """Of a new model."""
        return architecture(self.size, vocabulary, **FAMILIES[self.family], **self.shape)


@dataclass(frozen=True)
class CheckpointConfig:
    """When what is saved, and how much of it is kept."""

    every_steps: int = 1_000  # 0: not by steps
    every_minutes: float = 30.0  # 0: not by time
    keep: int = 3  # the newest so many
    best: bool = True  # also the one of the lowest validation loss

    def __post_init__(self) -> None:
        if self.every_steps < 0 or self.every_minutes < 0:
            raise ConfigError("checkpoints.every_steps and every_minutes: expected 0 (not by it) or more")
        if self.keep < 1:
            raise ConfigError(f"checkpoints.keep is {self.keep}: expected 1 or more, or a run could not be taken up")


@dataclass(frozen=True)
class EvaluateConfig:
    """What is measured while training; how much of which language is data.validation's."""

    every_steps: int = 500  # 0: at the end only
    generate: int = 0  # examples of each language that are answered in earnest: exact match, chrF; 0: none
    max_tokens: int = 128  # of such an answer

    def __post_init__(self) -> None:
        for name, least in (("every_steps", 0), ("generate", 0), ("max_tokens", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"evaluate.{name} is {getattr(self, name)}: expected {least} or more")


@dataclass(frozen=True)
class LogConfig:
    """What is told on the way. metrics.csv has every step, whatever stands here."""

    every_steps: int = 10  # of the line on the terminal, and of TensorBoard
    tensorboard: bool = False
    peak_tflops: float = 0.0  # of one device, for MFU; 0: as known of it

    def __post_init__(self) -> None:
        if self.every_steps < 1:
            raise ConfigError(f"log.every_steps is {self.every_steps}: expected 1 or more")
        if self.peak_tflops < 0:
            raise ConfigError(f"log.peak_tflops is {self.peak_tflops}: expected 0 (as known) or more")


@dataclass(frozen=True)
class DistributedConfig:
    """Several processes that train one model, each started with this same configuration."""

    enabled: bool = False  # on TPU slices, SLURM and Open MPI the rest is found out
    coordinator: str = ""  # HOST:PORT of process 0, where it is not found out
    processes: int = 0
    process: int = -1

    def __post_init__(self) -> None:
        told = (self.coordinator != "", self.processes > 0, self.process >= 0)
        if any(told) and not all(told):
            raise ConfigError(
                "distributed: coordinator, processes and process go together: expected all three, or none"
            )
        if all(told) and self.process >= self.processes:
            raise ConfigError(
                f"distributed.process is {self.process} of {self.processes}: expected 0 to {self.processes - 1}"
            )


@dataclass(frozen=True)
class FinetuneConfig:
    """One run, whole."""

    out: str = ""  # the run's folder; --out stands above it
    steps: int = 1_000  # optimizer steps in all
    microbatches: int = 1  # pieces of a step's rows that are computed one after the other, to save memory
    seed: int = 0  # of new parameters and dropout; the data's order is data.seed
    model: ModelConfig = field(default_factory=ModelConfig)
    execution: Execution = field(default_factory=Execution)
    lora: LoraConfig = field(default_factory=LoraConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    data: DataConfig = field(default_factory=DataConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    log: LogConfig = field(default_factory=LogConfig)
    distributed: DistributedConfig = field(default_factory=DistributedConfig)

    def __post_init__(self) -> None:
        for name in ("steps", "microbatches"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected 1 or more")
        if self.data.rows % self.microbatches:
            raise ConfigError(
                f"data.rows is {self.data.rows}, which {self.microbatches} microbatches cannot share: "
                "expected a multiple of them"
            )
        if self.head.kind:
            self._check_head()
        else:
            self._check_answers()

    def _check_answers(self) -> None:
        """ConfigError where answers are asked for, and there is nothing that they could be compared with."""
        data, told = self.data, f"evaluate.generate is {self.evaluate.generate}"
        if not self.evaluate.generate:
            return
        if data.sources and all(data.spans_share(source) == 1 for source in data.sources):
            raise ConfigError(f"{told}, and all sources are span corruption, which has no answers: leave it out")
        if not data.validation.examples:
            raise ConfigError(f"{told}, and data.validation.examples 0: there is no prompt to answer; raise it")

    def _check_head(self) -> None:
        """ConfigError for a key that does something to a whole model alone."""
        own = {
            "": (self, ("microbatches", "lora", "loss")),
            "data.": (self.data, ("sources", "inputs", "targets", "pack", "all_turns", "spans", "prefetch")),
            "evaluate.": (self.evaluate, ("generate", "max_tokens")),
        }
        for section, (values, names) in own.items():
            plain = type(values)()
            for name in names:
                if getattr(values, name) != getattr(plain, name):
                    told = {"microbatches": "head.cache_rows saves memory", "sources": "its texts are head.pairs"}
                    advice = told.get(name, "leave it out")
                    raise ConfigError(f"{section}{name} does nothing with head.kind {self.head.kind}: {advice}")


# A run may be taken up with these changed: none of them changes what a step computes, but for rounding. With other
# validation examples, losses cannot be compared with those before: the best checkpoint is sought anew.
MAY_CHANGE: Final = ("out", "steps", "mesh", "checkpoints", "evaluate", "log", "distributed")
_MAY_CHANGE_BELOW: Final = ("data.prefetch", "data.validation.examples", "data.validation.rows")


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first key in which two runs differ that may not, with both values; "" where one can take up the other."""
    return _difference({key: before.get(key) for key in now}, now, "")


def _difference(before: Any, now: Any, path: str) -> str:
    if path in MAY_CHANGE or path in _MAY_CHANGE_BELOW:
        return ""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in {**before, **now}:
            told = _difference(before.get(key), now.get(key), f"{path}.{key}" if path else str(key))
            if told:
                return told
        return ""
    return "" if before == now else f"{path} was {before!r}, is {now!r}"
