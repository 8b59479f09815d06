"""Evaluate embeddings: embed the texts of a task once, then score each vector variant.

Classification and clustering follow MTEB's protocol to the draw, so that scores equal mteb's on the same vectors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from collection.languages import Language
from eval.config import EmbedSettings
from eval.data.examples import NothingToAsk
from eval.models.base import EmbedModel, TextKind
from eval.outcome import Outcome
from eval.results import Example
from eval.suites.base import SuiteContext, SuiteKind, TaskRows
from eval.suites.vector_variants import variants
from eval.task import Suite, Task

MTEB_SEED: Final = 42


@dataclass(frozen=True, kw_only=True)
class EmbedExamples:
    """The examples of a task in a language. The texts to embed are in lists by name; the last list gives the ranges of
    int8 vectors where the model has none."""

    ids: Sequence[str]
    lists: Mapping[str, tuple[Sequence[str], TextKind]]
    data: str  # hash of the content
    texts: Mapping[str, tuple[str, ...]]  # of each example, the texts that could be in the training data
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class EmbedScores(NamedTuple):
    """The examples with their statistics, and statistics of draws by metric."""

    examples: list[Example]
    draws: Mapping[str, tuple[tuple[float, ...], ...]] = {}


E = TypeVar("E", bound=EmbedExamples)


class EmbedSuite(SuiteKind, Generic[E]):
    """A kind of embedding task: it reads examples from rows, and scores their vectors."""

    suite: ClassVar[Suite] = "embed"
    metrics: ClassVar[tuple[str, ...]]  # the first is the main one

    def __init__(self, task: Task, context: SuiteContext) -> None:
        super().__init__(task, context)
        self.model: EmbedModel = context.model.model
        self.settings: EmbedSettings = context.settings

    @abstractmethod
    def examples(self, data: TaskRows) -> E:
        """Return the examples of some rows; NothingToAsk where there are none."""

    @abstractmethod
    def score(self, examples: E, vectors: Mapping[str, Any]) -> EmbedScores:
        """Return the statistics of the examples, from the vectors [n, d] of each list of texts."""

    def run(self, language: Language, data: TaskRows) -> Iterator[Outcome]:
        """Yield an outcome for each vector variant: a dimension and a precision."""
        if not data.rows:
            raise NothingToAsk("its files have no rows of the task")
        examples = self.examples(data)
        vectors = {name: self.model.embed(texts, kind) for name, (texts, kind) in examples.lists.items()}
        sample = next(reversed(vectors.values()))
        for variant in variants(self.model, sample, self.settings):
            scores = self.score(examples, {name: variant.held(whole) for name, whole in vectors.items()})
            yield Outcome(
                self.task,
                language,
                self.metrics,
                tuple(scores.examples),
                examples.data,
                variant.name,
                {**variant.options, **examples.options},
                examples.texts,
                examples.notes if variant.name == "" else (),
                scores.draws,
            )
