"""Define the configuration of a run: `glotmill finetune` reads it, and writes it resolved as run.toml.

Only finetune/train.py and the command import it. Every other file takes the sections that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from core.errors import ConfigError
from finetune.data.config import DataConfig
from finetune.heads.config import HeadConfig
from finetune.model.architecture import Execution, LoraConfig
from finetune.model.partitioning import MeshConfig
from finetune.training.config import (
    CheckpointConfig,
    DistributedConfig,
    EvaluateConfig,
    LogConfig,
    LoopConfig,
    ModelConfig,
    TrainerConfig,
)
from finetune.training.loss import LossConfig
from finetune.training.optimizer import OptimizerConfig


@dataclass(frozen=True)
class FinetuneConfig:
    """The whole configuration of one run."""

    out: str = ""  # the run folder; --out overrides it
    steps: int = 1_000  # optimizer steps in total
    microbatches: int = 1  # parts of a batch that are computed one after another, to save memory
    seed: int = 0  # of new parameters and dropout; data.seed sets the order of the data
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
                f"data.rows is {self.data.rows} and microbatches is {self.microbatches}: "
                "expected data.rows to be a multiple of microbatches"
            )
        if self.head.kind:
            self._check_head()
        else:
            self._check_generate()

    def _check_generate(self) -> None:
        """Raise ConfigError if answers are asked for, and no validation example has one to compare with."""
        data, given = self.data, f"evaluate.generate is {self.evaluate.generate}"
        if not self.evaluate.generate:
            return
        if data.sources and all(data.spans_share(source) == 1 for source in data.sources):
            raise ConfigError(f"{given}, and all sources are span corruption, which has no answers: leave it out")
        if not data.validation.examples:
            raise ConfigError(f"{given}, and data.validation.examples is 0: raise it, so that there are prompts")

    def _check_head(self) -> None:
        """Raise ConfigError for a key that has an effect on whole models only."""
        only_whole = {
            "": (self, ("microbatches", "lora", "loss")),
            "data.": (self.data, ("sources", "inputs", "targets", "pack", "all_turns", "spans", "prefetch")),
            "evaluate.": (self.evaluate, ("generate", "max_tokens")),
        }
        advice = {"microbatches": "head.cache_rows saves memory", "sources": "its texts are head.pairs"}
        for section, (values, names) in only_whole.items():
            defaults = type(values)()
            for name in names:
                if getattr(values, name) != getattr(defaults, name):
                    raise ConfigError(
                        f"{section}{name} does nothing with head.kind {self.head.kind}: "
                        f"{advice.get(name, 'leave it out')}"
                    )

    @property
    def trainer(self) -> TrainerConfig:
        """The part that a trainer reads."""
        return TrainerConfig(
            rows=self.data.rows,
            validation_rows=self.data.validation.rows or self.data.rows,
            microbatches=self.microbatches,
            seed=self.seed,
            execution=self.execution,
            lora=self.lora,
            mesh=self.mesh,
            loss=self.loss,
            optimizer=self.optimizer,
        )

    @property
    def loop(self) -> LoopConfig:
        """The part that the training loop reads."""
        return LoopConfig(
            self.steps, self.evaluate.every_steps, self.data.validation.examples, self.checkpoints, self.log
        )

    def inputs(self) -> list[str]:
        """Return the paths that the run reads, as they are written in the configuration."""
        paths = [self.model.init, self.model.tokenizer, self.head.miner_folder]
        paths += [source.path for source in self.data.sources]
        paths += [source.path for source in self.head.pairs]
        return [path for path in paths if path]


# A run may resume with other values of these: none of them changes what a step computes, but for rounding. With other
# validation examples, losses cannot be compared with those before, and the search for the best checkpoint restarts.
MAY_CHANGE: Final = ("out", "steps", "mesh", "checkpoints", "evaluate", "log", "distributed")
_MAY_CHANGE_BELOW: Final = ("data.prefetch", "data.validation.examples", "data.validation.rows")


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the first key that keeps a run from resuming, with its two values; "" if there is none."""
    return _difference({key: before.get(key) for key in now}, now, "")


def _difference(before: Any, now: Any, path: str) -> str:
    if path in MAY_CHANGE or path in _MAY_CHANGE_BELOW:
        return ""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = {**before, **now}
        parts = (_difference(before.get(key), now.get(key), f"{path}.{key}" if path else str(key)) for key in keys)
        return next(filter(None, parts), "")
    return "" if before == now else f"{path} was {before!r}, is {now!r}"
