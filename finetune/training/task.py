"""What a run trains, as the loop of train.py sees it: a trainer, data, and a way to measure.

`AnswerTask` is the whole model that learns to answer; finetune/heads/task.py has the encoder with a head.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import jax

from core.progress import Progress
from finetune.config import FinetuneConfig
from finetune.data.stream import TrainingData
from finetune.data.validation import ValidationData
from finetune.model.architecture import Architecture
from finetune.model.flops import train_flops
from finetune.model.head import Head
from finetune.model.partitioning import rows_of_process
from finetune.training.sample_generations import Answer, Answering, write_samples
from finetune.training.step import TrainState
from finetune.training.trainer import Trainer
from finetune.training.validation_metrics import Measured, losses


class Batches(Protocol):
    """Data that go on where they were left."""

    def __next__(self) -> Any: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...

    def report(self) -> Any: ...


class Task(ABC):
    """Of one run.

    Attributes:
        notes: on the data, for whoever begins the run.
        data_identity: what the manifest says of each source.
        head: of the model that comes out; None for a whole model.
    """

    trainer: Trainer
    notes: Sequence[str]
    data_identity: Mapping[str, str]
    head: Head | None = None
    _config: FinetuneConfig
    _data: Batches

    @property
    @abstractmethod
    def flops(self) -> float:
        """Of a step."""

    def next(self) -> Any:
        """The next batch, on the mesh."""
        return self.trainer.put(next(self._data), self._config.data.rows)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on after the last batch."""
        return self._data.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where a state was taken; SourceError where the data are others."""
        self._data.restore(state)

    def report(self) -> Any:
        """A dataclass that says what was trained on so far."""
        return self._data.report()

    @abstractmethod
    def measure(self, state: TrainState, step: int) -> Measured | None:
        """What the model is worth now; None where there is nothing to measure it by."""

    @abstractmethod
    def told(self, measured: Measured) -> str:
        """What is said of a measurement beside its loss; "" for nothing."""

    def finish(self) -> None:  # noqa: B027 most have nothing to do
        """What is left to do when the last checkpoint is saved."""

    def close(self) -> None:  # noqa: B027
        """Ends what runs beside."""


class AnswerTask(Task):
    """The whole model, trained on conversations and spans."""

    _data: TrainingData

    def __init__(
        self, config: FinetuneConfig, architecture: Architecture, tokenizer: Path, out: Path, progress: Progress
    ) -> None:
        self._config, self._out = config, out
        self.trainer = Trainer.of(config, architecture)
        rows = config.data.rows
        first, end = rows_of_process(rows, self.trainer.rows)
        part, parts = first // (end - first), rows // (end - first)
        self._data = TrainingData.open(config.data, tokenizer, process=part, processes=parts)
        self._validation = ValidationData(self._data.sources)
        self._answering = Answering(self.trainer, tokenizer)
        self.notes = [*self._data.notes(config.steps), *self._validation.notes()]
        self.data_identity = {label: store.identity for label, store in self._data.sources.stores.items()}

    @property
    def flops(self) -> float:
        data = self._config.data
        return train_flops(self.trainer.architecture, data.rows, data.inputs, data.targets)

    def measure(self, state: TrainState, step: int) -> Measured | None:
        measured = losses(self.trainer, state, self._validation)
        if measured is not None and self._config.evaluate.generate:
            return measured.with_answers(self._answers(state, step))
        return measured

    def _answers(self, state: TrainState, step: int) -> Sequence[Answer]:
        """Answers to some validation examples of each language; the first process writes them down."""
        answers = self._answering(state, self._validation.examples(self._config.evaluate.generate))
        if jax.process_index() == 0:
            write_samples(self._out, step, answers)
        return answers

    def told(self, measured: Measured) -> str:
        exact = measured.mean("exact_match")
        return f"exact match {exact:.1%}" if exact is not None else ""

    def close(self) -> None:
        self._data.close()
