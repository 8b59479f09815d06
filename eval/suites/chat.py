"""Evaluate answers: read the rows that can be asked, and say how answers are generated. Shared by all chat kinds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from collection.languages import Language
from core.errors import ConfigError
from eval.config import ChatSettings
from eval.data.examples import NothingToAsk, identifiers, texts
from eval.data.sources import Row, take
from eval.models.base import ChatModel, Generation, GenerationLimits
from eval.outcome import Outcome
from eval.suites.base import SuiteContext, SuiteKind, TaskRows
from eval.task import Suite, Task

RATES = ("empty_rate", "truncated_rate")


@dataclass(frozen=True)
class ChatExamples:
    """The rows to ask, with their ids. `every` has all rows that could be asked, before a limit."""

    chosen: Sequence[tuple[str, Row]]
    every: Sequence[Row]
    train: Sequence[Row]
    notes: tuple[str, ...]


class ChatSuite(SuiteKind):
    """A kind of chat task: it asks prompts and scores the answers."""

    suite: ClassVar[Suite] = "chat"

    def __init__(self, task: Task, context: SuiteContext) -> None:
        super().__init__(task, context)
        self.model: ChatModel = context.model.model
        self.settings: ChatSettings = context.settings

    @abstractmethod
    def has_answer(self, row: Row) -> bool:
        """Return whether an answer to a row can be scored."""

    @abstractmethod
    def outcome(self, language: Language, examples: ChatExamples) -> Outcome:
        """Ask the examples and score the answers."""

    def run(self, language: Language, data: TaskRows) -> Iterator[Outcome]:
        """Yield the one outcome of the task in a language."""
        yield self.outcome(language, self._examples(language, data))

    def _examples(self, language: Language, data: TaskRows) -> ChatExamples:
        rows = [{**row, "language_name": language.name} for row in data.rows]
        names = identifiers(rows, self.task)
        taken = take(rows, self.context.limit, lambda place: names[place])
        chosen = [(names[place], rows[place]) for place in taken if self._can_ask(rows[place])]
        if not chosen:
            raise NothingToAsk(
                "no row can be asked and has an answer" if rows else "its files have no rows of the task"
            )
        left_out = len(taken) - len(chosen)
        note = f"{self.task.name}: {left_out} of {len(taken)} rows of {language.code} lack an answer, or a question"
        train = [{**row, "language_name": language.name} for row in data.train]
        return ChatExamples(
            chosen,
            [row for row in rows if self._can_ask(row)],
            [row for row in train if self._can_ask(row)],
            (note,) if left_out else (),
        )

    def _can_ask(self, row: Row) -> bool:
        """Return whether a row has all that its prompts name, and an answer that can be scored."""
        return all(row.get(name, "") is not None for name in self.task.columns()) and self.has_answer(row)

    def limits(self) -> GenerationLimits:
        """Return how answers are generated."""
        tokens = self.settings.max_tokens or self.task.max_tokens
        return GenerationLimits(tokens, self.settings.temperature, self.context.seed)

    @classmethod
    def _check_prompts(cls, task: Task) -> None:
        if not task.prompts:
            raise ConfigError(f"the task {task.name}: it has no prompts, so nothing could be asked")


def columns_of(row: Row, task: Task) -> tuple[str, ...]:
    """Return the texts of a row that prompts name, without the words of the prompt: they could be in training data."""
    return tuple(str(row[name]) for name in sorted(task.columns()) if name in row)


def rates(answer: Generation) -> dict[str, Sequence[float]]:
    """Return whether an answer is empty, and whether it was cut."""
    return {"empty_rate": (float(not answer.text.strip()),), "truncated_rate": (float(answer.truncated),)}


def decoding(limits: GenerationLimits) -> dict[str, Any]:
    """Return how answers were generated, for a signature."""
    how = f"t={limits.temperature}" if limits.temperature else "greedy"
    return {"decoding": f"{how},{limits.max_tokens}"}


def has_texts(row: Row, name: str, task: Task) -> bool:
    """Return whether a field of a row holds text."""
    return bool(texts(row, name, task))
