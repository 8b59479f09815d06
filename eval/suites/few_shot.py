"""Put examples before a question: the same examples for every question, but never the question itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eval.data.examples import NothingToAsk, identifiers
from eval.data.sources import Row, hashed
from eval.suites.chat import ChatExamples
from eval.task import Prompt, Task


class FewShotPrompts:
    """Prompts with examples of other rows before them. `answer` gives the right answer of a row."""

    def __init__(self, task: Task, examples: ChatExamples, count: int, seed: int, answer: Callable[[Row], str]) -> None:
        """Choose the examples from the training rows or, where there are none, from the rows that are asked.

        Raises:
            NothingToAsk: There are too few rows to choose from.
        """
        source = examples.train or examples.every
        # A question cannot be an example of itself, so one row more is needed where both come from the same rows.
        if count and len(source) < count + (not examples.train):
            raise NothingToAsk(f"{len(source)} rows are there to take {count} examples from")
        self._task, self.count, self._answer = task, count, answer
        self._rows = self._chosen(source, seed) if count else []

    def _chosen(self, source: Sequence[Row], seed: int) -> list[Row]:
        names = identifiers(source, self._task)
        by_prompt: dict[str, Row] = {}
        for place in sorted(range(len(source)), key=lambda place: hashed(f"{seed}:{names[place]}")):
            by_prompt.setdefault(self._task.filled(self._task.prompts[0].text, source[place]), source[place])
            if len(by_prompt) > self.count:
                break
        return list(by_prompt.values())

    def question(self, row: Row, prompt: Prompt) -> str:
        """Return the prompt of a row, after the examples."""
        asked = self._task.filled(prompt.text, row)
        others = [other for other in self._rows if self._task.filled(prompt.text, other) != asked][: self.count]
        shots = (f"{self._task.filled(prompt.text, other)}\n{self._answer(other)}\n\n" for other in others)
        return "".join(shots) + asked
