"""Define what every kind of suite is: the inputs it needs, the questions it asks a model, and how it scores answers.

A suite (`embed`, `rerank`, `chat`) is an interface of a model. A suite kind is one way to evaluate that interface. To
add one, write a SuiteKind in a file of this folder and give it a row in `eval/suites/table.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from collection.languages import Language
from core.errors import ConfigError
from eval.data.sources import Row
from eval.models.base import Identity
from eval.outcome import Outcome
from eval.task import Suite, Task


@dataclass(frozen=True)
class TaskRows:
    """The rows of one task in one language."""

    rows: Sequence[Row]  # to evaluate on
    train: Sequence[Row] = ()  # to learn from: a probe's labels, the examples of a few-shot prompt
    corpus: Sequence[Row] | None = None  # whose documents are searched; None: those of `rows`


class NamedModel(NamedTuple):
    """A model behind one of the interfaces of `eval.models.base`, and its identity."""

    identity: Identity
    model: Any
    makes: str = ""  # vectors, scores or text

    @property
    def signature(self) -> str:
        """The name and the first digits of the hash, for the signature of a score that this model takes part in."""
        return f"{self.identity.name}@{self.identity.sha256[:12]}"


@dataclass(frozen=True)
class SuiteContext:
    """What a suite kind needs besides its task: the model, its section of the configuration, and other models."""

    model: NamedModel
    settings: Any  # the suite's section of EvalConfig
    limit: int = 0  # examples of a task in a language; 0: all
    seed: int = 0
    load: Callable[[str, Suite], NamedModel] | None = None  # loads another model by its name, for an interface
    note: Callable[[str], None] = lambda note: None  # adds a note to the report

    def other_model(self, spec: str, suite: Suite) -> NamedModel:
        """Load a first stage, an opponent or a judge."""
        if self.load is None:
            raise ConfigError(f"the model {spec} cannot be loaded: this evaluation has one model only")
        return self.load(spec, suite)


class SuiteKind(ABC):
    """One kind of suite, for one task. The class says what a task file needs; an object evaluates languages."""

    suite: ClassVar[Suite]
    help: ClassVar[str]
    fields: ClassVar[tuple[str, ...]]  # which names `fields` of a task file must have

    def __init__(self, task: Task, context: SuiteContext) -> None:
        """Raise ConfigError where the model cannot do what the task needs."""
        self.task, self.context = task, context

    @classmethod
    def check(cls, task: Task) -> None:
        """Raise ConfigError where a task file lacks what this kind needs."""
        if missing := [name for name in cls.fields if name not in task.fields]:
            raise ConfigError(
                f"the task {task.name}: fields lack {', '.join(missing)}, which a task of {task.kind} needs"
            )

    @abstractmethod
    def run(self, language: Language, data: TaskRows) -> Iterator[Outcome]:
        """Yield the outcomes of the task in a language.

        Raises:
            NothingToAsk: The rows hold no example that can be asked and scored.
        """
