"""List the suite kinds by the suite and kind that a task file names. A kind is imported when a task needs it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Final

from core.errors import ConfigError, UnknownNameError
from eval.suites.base import SuiteKind
from eval.task import SUITES, Task

SUITE_KINDS: Final[dict[tuple[str, str], str]] = {
    ("embed", "bitext"): "eval.suites.bitext:BitextSuite",
    ("embed", "retrieval"): "eval.suites.retrieval:RetrievalSuite",
    ("embed", "classification"): "eval.suites.classification:ClassificationSuite",
    ("embed", "clustering"): "eval.suites.clustering:ClusteringSuite",
    ("embed", "sts"): "eval.suites.sts:StsSuite",
    ("rerank", "retrieval"): "eval.suites.rerank:RerankSuite",
    ("chat", "choice"): "eval.suites.choice:ChoiceSuite",
    ("chat", "text"): "eval.suites.generation:GenerationSuite",
    ("chat", "open"): "eval.suites.open:OpenSuite",
}


def suite_kind(task: Task) -> type[SuiteKind]:
    """Return the class that evaluates a task; ConfigError where its suite has no such kind."""
    if task.suite not in SUITES:
        raise UnknownNameError("suite", task.suite, SUITES)
    if (task.suite, task.kind) not in SUITE_KINDS:
        known = ", ".join(kind for suite, kind in SUITE_KINDS if suite == task.suite)
        raise ConfigError(
            f"the task {task.name}: a {task.suite} task is one of {known}, not {task.kind}. Change `kind`"
        )
    module, _, name = SUITE_KINDS[task.suite, task.kind].partition(":")
    found: type[SuiteKind] = getattr(importlib.import_module(module), name)
    return found


def checked(task: Task) -> Task:
    """Return the task; ConfigError where it lacks what its kind needs."""
    suite_kind(task).check(task)
    return task


def rows_of_help() -> Iterator[tuple[str, str, str, str]]:
    """Yield the suite, kind, fields and help text of each kind."""
    for (suite, kind), where in SUITE_KINDS.items():
        module, _, name = where.partition(":")
        made: type[SuiteKind] = getattr(importlib.import_module(module), name)
        yield suite, kind, ", ".join(made.fields), made.help
