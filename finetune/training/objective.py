"""Define what a run trains, as the training loop sees it: a trainer, data and validation.

`Seq2SeqObjective` trains the whole model to answer. finetune/heads/objective.py trains an encoder with a head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax

from core.progress import Progress
from finetune.data.config import DataConfig
from finetune.data.stream import TrainingData
from finetune.data.validation import ValidationData
from finetune.model.flops import train_flops
from finetune.model.head import EncoderHead
from finetune.model.partitioning import rows_of_process
from finetune.training.config import EvaluateConfig
from finetune.training.sample_generations import SampleGeneration, SampleGenerator, write_samples
from finetune.training.step import TrainState
from finetune.training.trainer import Trainer
from finetune.training.validation_metrics import ValidationMetrics, measure_losses


class BatchStream(Protocol):
    """Endless batches, with a state to resume from."""

    def __next__(self) -> Any: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...

    def report(self) -> Any: ...


class Objective(ABC):
    """The objective of one run.

    Attributes:
        notes: what a user would want to know about the data before the run begins.
        data_identity: the identity of each data source, for the manifest.
        head: the head of the model; None for a whole model.
    """

    trainer: Trainer
    notes: Sequence[str]
    data_identity: Mapping[str, str]
    head: EncoderHead | None = None
    _data: BatchStream

    @property
    @abstractmethod
    def flops(self) -> float:
        """The floating-point operations of a step."""

    def next(self) -> Any:
        """Return the next batch, on the mesh."""
        return self.trainer.put(next(self._data), self.trainer.config.rows)

    def state(self) -> dict[str, Any]:
        """Return the state of the data, which `restore` takes."""
        return self._data.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Continue after the batch at which a state was taken; raise SourceError if the data differ."""
        self._data.restore(state)

    def report(self) -> Any:
        """Return a dataclass with counts of what was trained on so far."""
        return self._data.report()

    @abstractmethod
    def measure(self, state: TrainState, step: int) -> ValidationMetrics | None:
        """Return the validation metrics of a state; None without validation data."""

    @abstractmethod
    def summary(self, metrics: ValidationMetrics) -> str:
        """Return what the progress line of a validation says after the loss; "" for nothing."""

    def finish(self) -> None:  # noqa: B027 most objectives have nothing to do
        """Do what is left after the last checkpoint was saved."""

    def close(self) -> None:  # noqa: B027
        """Stop background work."""


class Seq2SeqObjective(Objective):
    """The whole model, trained on conversations and spans."""

    _data: TrainingData

    def __init__(
        self,
        trainer: Trainer,
        data: DataConfig,
        evaluate: EvaluateConfig,
        steps: int,
        tokenizer: Path,
        out: Path,
        progress: Progress,
    ) -> None:
        self.trainer, self._config, self._generate, self._out = trainer, data, evaluate.generate, out
        first, end = rows_of_process(data.rows, trainer.row_sharding)
        part, parts = first // (end - first), data.rows // (end - first)
        self._data = TrainingData.open(data, tokenizer, process=part, processes=parts)
        self._validation = ValidationData(self._data.sources)
        self._generator = SampleGenerator(trainer, tokenizer, evaluate.max_tokens)
        self.notes = [*self._data.notes(steps), *self._validation.notes()]
        self.data_identity = {label: store.identity for label, store in self._data.sources.stores.items()}

    @property
    def flops(self) -> float:
        return train_flops(self.trainer.architecture, self._config.rows, self._config.inputs, self._config.targets)

    def measure(self, state: TrainState, step: int) -> ValidationMetrics | None:
        metrics = measure_losses(self.trainer, state, self._validation)
        if metrics is not None and self._generate:
            return metrics.with_generations(self._samples(state, step))
        return metrics

    def _samples(self, state: TrainState, step: int) -> Sequence[SampleGeneration]:
        """Answer some validation examples of each language; the first process writes the answers."""
        generations = self._generator(state, self._validation.examples(self._generate))
        if jax.process_index() == 0:
            write_samples(self._out, step, generations)
        return generations

    def summary(self, metrics: ValidationMetrics) -> str:
        exact = metrics.mean("exact_match")
        return f"exact match {exact:.1%}" if exact is not None else ""

    def close(self) -> None:
        self._data.close()
