"""Read what the demo's model learned: its scores by task, and some of its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Languages of eight scripts, whose answers are printed.
_SHOWN = ("swh_Latn", "arb_Arab", "hin_Deva", "tha_Thai", "jpn_Jpan", "amh_Ethi", "rus_Cyrl", "spa_Latn")


@dataclass(frozen=True)
class DemoModel:
    """The validation scores of the demo's training run."""

    run: Path
    step: int
    by_task: Mapping[str, tuple[float, int]]  # exercises only: exact match from 0 to 1, number of answers
    by_resources: Mapping[str, float]  # loss

    @classmethod
    def read(cls, run: Path) -> DemoModel:
        """Read the scores of a finished run of finetune.toml."""
        from glotmill.sample.exercises import TASKS

        measured = json.loads((run / "manifest.json").read_text("utf-8"))["measured"]
        scores = {task: measured["by_task"][task] for task in TASKS if task in measured["by_task"]}
        by_task = {task: (score["exact_match"], score["answers"]) for task, score in scores.items()}
        return cls(run, measured["step"], by_task, measured["by_resources"])

    @property
    def answers(self) -> int:
        """The number of answers to exercises."""
        return sum(count for _, count in self.by_task.values())

    @property
    def exact_match(self) -> float:
        """Exact match over the answers to exercises.

        Facts are left out: no rule gives them, so a model cannot infer them.
        """
        return sum(exact * count for exact, count in self.by_task.values()) / self.answers

    def to_json(self) -> dict[str, Any]:
        """Return the fields that `glotmill demo --json` prints."""
        tasks = {task: round(exact, 4) for task, (exact, _) in self.by_task.items()}
        return {"steps": self.step, "exact_match": round(self.exact_match, 4), "exact_match_by_task": tasks}

    def examples(self) -> list[tuple[str, str, str, str]]:
        """Return language, prompt, answer and expected answer of one exercise in each of a few languages."""
        lines = (self.run / "samples" / f"{self.step}.jsonl").read_text("utf-8").splitlines()
        answers = [answer for answer in map(json.loads, lines) if answer["task"] in self.by_task]
        first = {answer["language"]: answer for answer in reversed(answers)}
        return [
            (code, answer["prompt"], answer["answer"], answer["expected"])
            for code in _SHOWN
            if (answer := first.get(code))
        ]
