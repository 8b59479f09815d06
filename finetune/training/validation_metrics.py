"""What a model is worth while it is trained: its loss by language, on examples that it is not trained on."""

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
from finetune.training.sample_generations import Answer, score_by
from finetune.training.step import TrainState
from finetune.training.trainer import Trainer

COLUMNS: Final = ("step", "language", "resources", "examples", "tokens", "loss", "accuracy", "exact_match", "chrf")


@dataclass(frozen=True)
class LanguageScore:
    """Of one language. `loss` is the mean cross entropy in nats, of a target token, or with a head of a query's choice
    among documents; shares are from 0 to 1."""

    language: str
    resources: str  # Aya's class, high, mid or low; other where it is not among Aya's languages
    examples: int
    tokens: int
    loss: float
    accuracy: float  # of tokens, each after the right ones; with a head of queries, whose own document comes first
    exact_match: float | None = None  # of whole answers that were generated
    chrf: float | None = None  # of them, 0 to 100

    def row(self) -> tuple[Any, ...]:
        """A line of validation.csv, after the step."""
        scores = ("" if value is None else repr(value) for value in dataclasses.astuple(self)[4:])
        return (self.language, self.resources, self.examples, self.tokens, *scores)


@dataclass(frozen=True)
class Measured:
    """All languages at one step. Means over languages count each language once."""

    step: int
    scores: tuple[LanguageScore, ...]
    by_task: Mapping[str, tuple[float, int]] = field(default_factory=dict)  # exact match, and of how many answers

    @property
    def loss(self) -> float:
        return statistics.fmean(score.loss for score in self.scores)

    def by_resources(self) -> dict[str, float]:
        """The mean loss of the languages of each class."""
        groups: dict[str, list[float]] = defaultdict(list)
        for score in self.scores:
            groups[score.resources].append(score.loss)
        return {name: statistics.fmean(losses) for name, losses in sorted(groups.items())}

    def mean(self, name: str) -> float | None:
        """The mean over the languages that have this score."""
        values = [value for score in self.scores if (value := getattr(score, name)) is not None]
        return statistics.fmean(values) if values else None

    def worst(self, count: int) -> Sequence[LanguageScore]:
        """The languages of the highest loss."""
        return sorted(self.scores, key=lambda score: -score.loss)[:count]

    def with_answers(self, answers: Sequence[Answer]) -> Measured:
        """The same, with what answers are worth that were generated: exact match and chrF by language and task."""
        by_language = score_by(answers, lambda answer: answer.language)
        scores = (
            dataclasses.replace(score, exact_match=found.exact_match, chrf=found.chrf)
            if (found := by_language.get(score.language))
            else score
            for score in self.scores
        )
        tasks = score_by(answers, lambda answer: answer.kind)
        return Measured(self.step, tuple(scores), {name: (one.exact_match, one.answers) for name, one in tasks.items()})

    def to_json(self) -> dict[str, Any]:
        found = {
            "step": self.step,
            "loss": self.loss,
            "by_resources": self.by_resources(),
            "exact_match": self.mean("exact_match"),
            "chrf": self.mean("chrf"),
            "by_task": {task: {"exact_match": exact, "answers": count} for task, (exact, count) in self.by_task.items()}
            or None,
            "languages": {score.language: round(score.loss, 4) for score in self.scores},
        }
        return {name: value for name, value in found.items() if value is not None}


def losses(trainer: Trainer, state: TrainState, data: ValidationData) -> Measured | None:
    """The loss of each language, the same on every process; None where there is nothing to measure."""
    if not len(data):
        return None
    rows = trainer.config.data.validation.rows or trainer.config.data.rows
    own = slice(*rows_of_process(rows, trainer.rows))
    sums = np.zeros((len(data.languages), 4))
    for batch in data.batches():
        local = jax.tree.map(lambda array: array[own], batch.features)
        found = trainer.evaluate(state, trainer.put(local, rows))
        of_rows = np.stack([np.ones(rows), *map(np.asarray, found)], axis=1) * batch.weight[:, None]
        np.add.at(sums, batch.language, of_rows)
    scores = [
        LanguageScore(code, resources(code), int(count), int(tokens), loss / max(tokens, 1), correct / max(tokens, 1))
        for code, (count, loss, tokens, correct) in zip(data.languages, sums.tolist(), strict=True)
    ]
    return Measured(int(state.step), tuple(scores))


def resources(code: str) -> str:
    """Aya's class of a language; other where it is not among Aya's."""
    known = table().get(code)
    return (known.resource if known else None) or "other"
