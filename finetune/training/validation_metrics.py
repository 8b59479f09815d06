"""Compute validation metrics during training, by language, on examples that are not trained on."""

from __future__ import annotations

import dataclasses
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import jax
import numpy as np

from collection.languages import table
from finetune.data.validation import ValidationData
from finetune.model.partitioning import rows_of_process
from finetune.training.sample_generations import SampleGeneration, score_by
from finetune.training.step import TrainState
from finetune.training.trainer import Trainer

COLUMNS: Final = ("step", "language", "resources", "examples", "tokens", "loss", "accuracy", "exact_match", "chrf")


@dataclass(frozen=True)
class LanguageMetrics:
    """The metrics of one language. Shares are from 0 to 1.

    `loss` is the mean cross entropy in nats: of a target token, or, with a head, of a query's choice among documents.
    """

    language: str
    resources: str  # Aya's class: high, mid or low; other for languages that are not Aya's
    examples: int
    tokens: int
    loss: float
    accuracy: (
        float  # share of tokens, each after the right ones; with a head: of queries that rank their document first
    )
    exact_match: float | None = None  # of generated answers
    chrf: float | None = None  # of generated answers, 0 to 100

    def row(self) -> tuple[Any, ...]:
        """Return the line of validation.csv, without the step."""
        scores = ("" if value is None else repr(value) for value in dataclasses.astuple(self)[4:])
        return (self.language, self.resources, self.examples, self.tokens, *scores)


@dataclass(frozen=True)
class ValidationMetrics:
    """The metrics of all languages at one step. Means over languages count each language once."""

    step: int
    languages: tuple[LanguageMetrics, ...]
    by_task: Mapping[str, tuple[float, int]] = field(default_factory=dict)  # exact match, and number of answers

    @property
    def loss(self) -> float:
        return statistics.fmean(metrics.loss for metrics in self.languages)

    def by_resources(self) -> dict[str, float]:
        """Return the mean loss of the languages of each class."""
        groups: dict[str, list[float]] = defaultdict(list)
        for metrics in self.languages:
            groups[metrics.resources].append(metrics.loss)
        return {name: statistics.fmean(losses) for name, losses in sorted(groups.items())}

    def mean(self, name: str) -> float | None:
        """Return the mean of a metric over the languages that have it, None if no language has."""
        values = [value for metrics in self.languages if (value := getattr(metrics, name)) is not None]
        return statistics.fmean(values) if values else None

    def worst(self, count: int) -> Sequence[LanguageMetrics]:
        """Return the languages with the highest loss."""
        return sorted(self.languages, key=lambda metrics: -metrics.loss)[:count]

    def with_generations(self, generations: Sequence[SampleGeneration]) -> ValidationMetrics:
        """Add the exact match and chrF of generated answers, by language and by task."""
        by_language = score_by(generations, lambda generation: generation.language)
        languages = (
            dataclasses.replace(metrics, exact_match=scored.exact_match, chrf=scored.chrf)
            if (scored := by_language.get(metrics.language))
            else metrics
            for metrics in self.languages
        )
        by_task = score_by(generations, lambda generation: generation.group)
        tasks = {name: (scored.exact_match, scored.answers) for name, scored in by_task.items()}
        return ValidationMetrics(self.step, tuple(languages), tasks)

    def to_json(self) -> dict[str, Any]:
        """Return the plain values for a manifest, without those that are None."""
        tasks = {task: {"exact_match": exact, "answers": count} for task, (exact, count) in self.by_task.items()}
        values = {
            "step": self.step,
            "loss": self.loss,
            "by_resources": self.by_resources(),
            "exact_match": self.mean("exact_match"),
            "chrf": self.mean("chrf"),
            "by_task": tasks or None,
            "languages": {metrics.language: round(metrics.loss, 4) for metrics in self.languages},
        }
        return {name: value for name, value in values.items() if value is not None}


def measure_losses(trainer: Trainer, state: TrainState, data: ValidationData) -> ValidationMetrics | None:
    """Return the loss of each language, the same on every process; None without validation examples."""
    if not len(data):
        return None
    rows = trainer.config.validation_rows
    own_rows = slice(*rows_of_process(rows, trainer.row_sharding))
    sums = np.zeros((len(data.languages), 4))
    for batch in data.batches():
        local = jax.tree.map(lambda array: array[own_rows], batch.features)
        losses = trainer.row_losses(state, trainer.put(local, rows))
        by_row = np.stack([np.ones(rows), *map(np.asarray, losses)], axis=1) * batch.weight[:, None]
        np.add.at(sums, batch.language, by_row)
    languages = [
        LanguageMetrics(code, resources(code), int(count), int(tokens), loss / max(tokens, 1), correct / max(tokens, 1))
        for code, (count, loss, tokens, correct) in zip(data.languages, sums.tolist(), strict=True)
    ]
    return ValidationMetrics(int(state.step), tuple(languages))


def resources(code: str) -> str:
    """Return Aya's class of a language; "other" for languages that are not Aya's."""
    language = table().get(code)
    return (language.resource if language else None) or "other"
