"""Say what an evaluation is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core import config as configuration
from eval.config import EvalConfig


@dataclass(frozen=True)
class EvaluationRequest:
    """A model, the data and the tasks to evaluate it on."""

    model: str
    data: tuple[str, ...]
    suites: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    task_files: tuple[Path, ...] = ()
    languages: tuple[str, ...] = ()
    trained_on: Path | None = None  # a collection, which is searched for the examples of each task
    cache: Path | None = None  # a file for answers; None: one in the output folder
    config: EvalConfig = field(default_factory=EvalConfig)

    def identity(self) -> dict[str, Any]:
        """Return what makes two evaluations different."""
        asked = {name: list(getattr(self, name)) for name in ("data", "suites", "tasks", "languages")}
        own = {"task_files": [str(path) for path in self.task_files], "trained_on": str(self.trained_on or "")}
        return {"model": self.model, **asked, **own, "config": configuration.as_dict(self.config)}
