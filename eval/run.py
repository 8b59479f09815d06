"""Run an evaluation into a folder: find the tasks in the data, evaluate each, and write the report.

Each answer is cached as it comes (eval/models/answer_cache.py), so the same command resumes a stopped run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from collection.languages import resolve
from core import files
from core.errors import ConfigError, SourceError
from core.progress import Progress
from core.run_folder import RunFolder, read_json
from eval.contamination import check_collection
from eval.data.sources import Tree, find_sources
from eval.evaluation import Evaluation
from eval.models.answer_cache import AnswerCache
from eval.request import EvaluationRequest
from eval.results import REPORT, RESULTS, Report
from eval.suites.catalogue import chosen
from eval.task import Task

__all__ = ["PAGE", "EvaluationRequest", "evaluate"]

REQUEST: Final = "request.json"  # which evaluation a folder holds
PAGE: Final = "report.html"
CACHE: Final = "answers.sqlite"


def evaluate(request: EvaluationRequest, out: Path, progress: Progress, *, fresh: bool = False) -> Report:
    """Run an evaluation into a folder and return its report; UserError where the request cannot be met."""
    begun = time.monotonic()
    tasks = chosen(request.suites, request.tasks, request.task_files)
    languages = [resolve(name) for name in request.languages]
    folders = [Tree.of(name) for name in request.data]
    if not folders:
        raise ConfigError("there is no --data: name a folder with examples, such as a copy of Tatoeba's test sets")
    sources = {task.name: find_sources(task, folders) for task in tasks}
    fitting = [task for task in tasks if sources[task.name].sources]
    _check_fitting(request, tasks, fitting)
    if request.trained_on:
        check_collection(request.trained_on)
    folder = _folder(out)
    with folder.held():
        _begin(folder, request, fresh)
        with AnswerCache(request.cache or out / CACHE) as cache:
            work = Evaluation(request, out, cache, progress, languages)
            try:
                for task in fitting:
                    work.run(task, sources[task.name])
            finally:
                work.close()
            shares = work.contamination()
            report = work.report(shares, round(time.monotonic() - begun, 1))
        _remove_stale(out, work.written)
        report.write(out)
    if not report.scores:
        first = report.missing[0]
        raise SourceError(f"nothing was scored. The first reason: {first.task} in {first.language}: {first.why}")
    return report


def _check_fitting(request: EvaluationRequest, tasks: Sequence[Task], fitting: Sequence[Task]) -> None:
    where = ", ".join(request.data)
    if not fitting:
        layouts = ", ".join(f"{task.name} ({task.data.files[0]})" for task in tasks[:6])
        raise SourceError(f"{where}: no task finds its files here; expected layouts such as {layouts}")
    # A task that the user names, or brings as a file, must find its data.
    lost = [task for task in tasks if task not in fitting] if request.tasks or request.task_files else []
    if lost:
        files_of = " or ".join(lost[0].data.files)
        raise SourceError(f"{where}: the task {lost[0].name} does not find its files here: expected {files_of}")


def _folder(out: Path) -> RunFolder:
    cache = tuple(CACHE + end for end in ("", "-wal", "-shm", "-journal"))
    return RunFolder(out, "evaluation", (REQUEST, REPORT, PAGE, RESULTS), (REQUEST,), kept=cache, shared=True)


def _begin(folder: RunFolder, request: EvaluationRequest, fresh: bool) -> None:
    """Record which evaluation the folder holds.

    `fresh` removes the results of an evaluation, but not the cached answers, which may have cost money. An old report
    is removed first, because its examples are about to be rewritten.

    Raises:
        OutputError: the folder holds another evaluation, or files of something else.
    """
    identity = request.identity()
    folder.check_owner()
    if fresh:
        folder.clear()
    folder.check_whole()
    before = read_json(folder.path / REQUEST)
    if before is None:
        folder.check_marked()
    else:
        folder.check_same(before, identity)
    for name in (REPORT, PAGE):
        (folder.path / name).unlink(missing_ok=True)
    files.write_text(folder.path / REQUEST, json.dumps(identity, ensure_ascii=False, indent=1) + "\n")


def _remove_stale(out: Path, written: set[Path]) -> None:
    """Remove examples of an earlier evaluation, which the report does not cover."""
    for path in sorted((out / RESULTS).rglob("*.jsonl")):
        if path not in written:
            path.unlink()
    files.remove_leftovers(out)
