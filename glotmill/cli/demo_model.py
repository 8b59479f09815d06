"""The model of the demo: how it is configured, what it came to, and some of its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from core import files
from glotmill.cli.output import folder_name, print_table

_SHOWN = ("swh_Latn", "arb_Arab", "hin_Deva", "tha_Thai", "jpn_Jpan", "amh_Ethi", "rus_Cyrl", "spa_Latn")


def write_config(out: Path) -> Path:
    """demo.toml as out/finetune.toml, with the paths of this folder."""
    text = resources.files("cli").joinpath("demo.toml").read_text("utf-8")
    here = json.dumps(f"{folder_name(out)}/", ensure_ascii=False)[:-1]
    target = out / "finetune.toml"
    files.write_text(target, text.replace('"demo/', here))
    return target


def write_task(out: Path) -> Path:
    """demo_task.toml as out/exercises.toml: a task of one's own."""
    target = out / "exercises.toml"
    files.write_text(target, resources.files("cli").joinpath("demo_task.toml").read_text("utf-8"))
    return target


@dataclass(frozen=True)
class DemoModel:
    """What a run came to, on validation rows."""

    run: Path
    step: int
    by_task: Mapping[str, tuple[float, int]]  # of the exercises: exact match, 0 to 1, and of how many answers
    by_resources: Mapping[str, float]  # loss

    @classmethod
    def read(cls, run: Path) -> DemoModel:
        """Of a finished run of demo.toml."""
        from glotmill.sample.exercises import TASKS

        measured = json.loads((run / "manifest.json").read_text("utf-8"))["measured"]
        scores = {task: measured["by_task"][task] for task in TASKS if task in measured["by_task"]}
        by_task = {task: (score["exact_match"], score["answers"]) for task, score in scores.items()}
        return cls(run, measured["step"], by_task, measured["by_resources"])

    @property
    def exact_match(self) -> float:
        """Over all answers to exercises, which have a rule; facts, which have none, cannot be inferred."""
        return sum(exact * count for exact, count in self.by_task.values()) / sum(n for _, n in self.by_task.values())

    def to_json(self) -> dict[str, Any]:
        tasks = {task: round(exact, 4) for task, (exact, _) in self.by_task.items()}
        return {"steps": self.step, "exact_match": round(self.exact_match, 4), "exact_match_by_task": tasks}

    def tell(self) -> None:
        """Tables of scores and of answers."""
        print_table(
            "The model, on exercises that it was not trained on",
            ("task", "answers", "exact match"),
            [(task, count, round(exact, 3)) for task, (exact, count) in self.by_task.items()]
            + [("all", sum(count for _, count in self.by_task.values()), round(self.exact_match, 3))],
        )
        classes = [(name, round(loss, 3)) for name, loss in self.by_resources.items()]
        print_table("Its loss on all validation rows, by the resources of languages", ("resources", "loss"), classes)
        print_table("Some of its answers", ("language", "prompt", "answer", "expected"), self._answers())

    def _answers(self) -> list[tuple[str, str, str, str]]:
        """One exercise of each of some languages, as the model answered it."""
        lines = (self.run / "samples" / f"{self.step}.jsonl").read_text("utf-8").splitlines()
        answers = [answer for answer in map(json.loads, lines) if answer["task"] in self.by_task]
        first = {answer["language"]: answer for answer in reversed(answers)}
        return [
            (code, answer["prompt"], answer["answer"], answer["expected"])
            for code in _SHOWN
            if (answer := first.get(code))
        ]
