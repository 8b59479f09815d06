"""Evaluate multiple choice: is the right answer the likeliest one?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from collection.languages import Language
from core.errors import ConfigError
from eval.data.examples import at, field
from eval.data.sources import Row, content_hash
from eval.metrics import ranking
from eval.models.base import LogLikelihood, cannot
from eval.outcome import Outcome
from eval.results import Example
from eval.suites.base import SuiteContext
from eval.suites.chat import ChatExamples, ChatSuite, columns_of, has_texts
from eval.suites.few_shot import FewShotPrompts
from eval.task import Task

_LETTERS: Final = "ABCDEFGHIJ"


class ChoiceSuite(ChatSuite):
    """Multiple choice, scored by the log likelihoods of the given answers."""

    help = "the right one of `choices`: a number, a letter or its text; also needs `prompts`"
    fields = ("answer",)

    def __init__(self, task: Task, context: SuiteContext) -> None:
        super().__init__(task, context)
        if not self.model.scores_choices:
            raise cannot(
                context.model.identity.spec,
                "chat",
                f"{task.name} asks how likely given answers are, and this model only generates text",
            )

    @classmethod
    def check(cls, task: Task) -> None:
        super().check(task)
        cls._check_prompts(task)
        if not task.choices:
            raise ConfigError(f"the task {task.name}: it has no choices")

    def has_answer(self, row: Row) -> bool:
        return has_texts(row, "answer", self.task) and gold(row, self.task) >= 0

    def outcome(self, language: Language, examples: ChatExamples) -> Outcome:
        task = self.task
        count = task.shots if self.settings.shots is None else self.settings.shots
        shots = FewShotPrompts(
            task, examples, count, self.context.seed, lambda row: options(row, task)[gold(row, task)]
        )
        asked = [
            (shots.question(row, prompt), options(row, task)) for _, row in examples.chosen for prompt in task.prompts
        ]
        pairs = [(question, choice) for question, choices in asked for choice in choices]
        likelihoods = iter(self.model.log_likelihoods(pairs))
        scored, truncated = [], 0
        for name, row in examples.chosen:
            example, cut = self._example(name, row, likelihoods)
            scored.append(example)
            truncated += cut
        note = f"{task.name}: {truncated} of {len(asked)} questions in {language.code} lost their end: too long"
        return Outcome(
            task,
            language,
            ("accuracy", "accuracy_norm"),
            tuple(scored),
            content_hash([asked, [gold(row, task) for _, row in examples.chosen]]),
            options={"prompts": len(task.prompts), "shots": shots.count, "choices": len(task.choices)},
            texts={name: columns_of(row, task) for name, row in examples.chosen},
            notes=(*examples.notes, note) if truncated else examples.notes,
        )

    def _example(self, name: str, row: Row, likelihoods: Iterator[LogLikelihood]) -> tuple[Example, int]:
        """Return the example, and how many of its prompts were cut."""
        choices, right_place = options(row, self.task), gold(row, self.task)
        lengths = np.array([max(1, len(choice)) for choice in choices], np.float64)
        right, right_norm, values, truncated = [], [], [], 0
        for _ in self.task.prompts:
            scores = [next(likelihoods) for _ in choices]
            truncated += any(score.truncated for score in scores)
            likely = np.array([score.value for score in scores], np.float64)
            right.append(float(ranking.best(likely) == right_place))
            right_norm.append(float(ranking.best(likely / lengths) == right_place))
            values.append([float(value) if np.isfinite(value) else None for value in likely])
        shown = {
            "prompt": self.task.filled(self.task.prompts[0].text, row),
            "choices": choices,
            "expected": right_place,
            "log_likelihoods": values,
        }
        return Example(name, {"accuracy": right, "accuracy_norm": right_norm}, shown), truncated


def options(row: Row, task: Task) -> list[str]:
    """Return the answers to choose from."""
    if len(task.choices) == 1 and task.choices[0].startswith("["):
        return [str(choice) for choice in at(row, task.choices[0].strip("[]"), task)]
    return [task.filled(choice, row) for choice in task.choices]


def gold(row: Row, task: Task) -> int:
    """Return the place of the right answer, from 0; -1 where the row names none of them, or could mean two.

    A number counts from `answer_from`, a letter from A. Anything else is the text of a choice.
    """
    answer = field(row, "answer", task)
    text, choices = str(answer).strip(), options(row, task)
    if isinstance(answer, int | float):
        place = int(answer) - task.answer_from
    elif text.isdecimal():
        place = int(text) - task.answer_from
    elif len(text) == 1 and text.upper() in _LETTERS:
        place = _LETTERS.index(text.upper())
    else:
        place = choices.index(text) if text in choices else -1
    if isinstance(answer, str) and text in choices and choices.index(text) != place:
        return -1
    return place if 0 <= place < len(choices) else -1
