"""Evaluate tasks language by language, and collect scores, missing scores and notes for the report."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from collection.languages import Language, resolve
from core import config as configuration
from core.errors import ConfigError, SourceError
from core.progress import Progress
from core.version import VERSION
from eval.contamination import Share, measure
from eval.data.examples import NothingToAsk
from eval.data.sources import Found, Reader, Row, Source
from eval.model_pool import ModelPool
from eval.models.answer_cache import AnswerCache
from eval.outcome import Outcome
from eval.request import EvaluationRequest
from eval.results import Missing, Report, Score, examples_path, write_examples
from eval.scoring import scores_of
from eval.suites.base import SuiteContext, SuiteKind, TaskRows
from eval.suites.table import suite_kind
from eval.task import Task


class Evaluation:
    """An evaluation at work: its models, and the scores so far."""

    def __init__(
        self,
        request: EvaluationRequest,
        out: Path,
        cache: AnswerCache,
        progress: Progress,
        languages: Sequence[Language],
    ) -> None:
        self._request, self._out, self._cache, self._progress = request, out, cache, progress
        self._languages = languages
        self._models = ModelPool(request.config, cache)
        self._scores: list[Score] = []
        self._texts: dict[str, Mapping[str, tuple[str, ...]]] = {}
        self._missing: list[Missing] = []
        self._notes: dict[str, None] = {}
        self.written: set[Path] = set()

    def run(self, task: Task, found: Found) -> None:
        """Evaluate a task in the languages that were asked for or, without any, in all that the data has."""
        self._note(*found.notes)
        sources = found.sources
        for language in self._languages:
            if language.code not in sources:
                self._missing.append(Missing(task.suite, task.name, language.code, "the data has no items in it"))
        wanted = {language.code for language in self._languages} or set(sources)
        codes = [code for code in sources if code in wanted]
        try:
            suite = self._suite(task)
        except ConfigError as error:
            if len(self._request.suites) == 1 and self._request.tasks:
                raise
            self._missing += [Missing(task.suite, task.name, code, str(error)) for code in codes]
            return
        reader = Reader(task)
        for number, code in enumerate(codes, 1):
            self._progress.note(f"{task.suite}: {task.name} in {sources[code].language} ({number} of {len(codes)})")
            self._run_language(suite, reader, found, sources[code])
        splits = {sources[code].split for code in codes}
        if len(splits) > 1:
            self._note(f"{task.name}: languages are judged by different splits: {', '.join(sorted(splits))}")
        self._note(*reader.notes)

    def _suite(self, task: Task) -> SuiteKind:
        """Return what evaluates a task; ConfigError where the model cannot do what the task needs."""
        config = self._request.config
        model = self._models.load(self._request.model, task.suite)
        section = getattr(config, task.suite)
        context = SuiteContext(model, section, config.limit, config.seed, self._models.load, self._note)
        return suite_kind(task)(task, context)

    def _run_language(self, suite: SuiteKind, reader: Reader, found: Found, source: Source) -> None:
        task = suite.task
        try:
            for outcome in suite.run(source.language, self._rows(task, reader, found, source)):
                self._keep(outcome, source)
        except NothingToAsk as why:
            self._missing.append(Missing(task.suite, task.name, source.language.code, str(why)))

    def _rows(self, task: Task, reader: Reader, found: Found, source: Source) -> TaskRows:
        """Read the rows of a language. A file that cannot be read raises NothingToAsk: the other languages go on."""
        try:
            return _read_rows(task, reader, found, source)
        except SourceError as error:
            self._note(f"{task.name}: {error}")
            raise NothingToAsk(str(error)) from None

    def close(self) -> None:
        """Release all models."""
        self._models.close()

    def _keep(self, outcome: Outcome, source: Source) -> None:
        """Write the examples of an outcome, and compute its scores."""
        task, language = outcome.task, outcome.language
        self._note(*outcome.notes)
        if source.split:
            outcome = replace(outcome, options={"split": source.split, **outcome.options})
        path = examples_path(self._out, task.suite, task.name, language.code, outcome.group)
        write_examples(path, outcome.examples)
        self.written.add(path)
        self._texts.setdefault(f"{task.name} {language.code}", outcome.texts)
        identity = self._models.load(self._request.model, task.suite).identity
        scores, missing = scores_of(outcome, identity, self._request.config.seed)
        self._scores += scores
        self._missing += missing

    def contamination(self) -> Mapping[str, Share]:
        """Return the share of each task's examples, by language, that the model's training collection holds."""
        if self._request.trained_on is None:
            return {}
        self._progress.note(f"looking for the examples in {self._request.trained_on}")
        return measure(self._texts, self._request.trained_on)

    def report(self, shares: Mapping[str, Share], seconds: float) -> Report:
        """Return the report of everything so far."""
        if untold := sum(share.items - share.told for share in shares.values()):
            examples = sum(share.items for share in shares.values())
            self._note(f"contamination: {untold:,} of {examples:,} examples are too short to search for")
        request = self._request
        models = self._models.identities()
        keys = (f"{suite} {request.model}" for suite in request.suites)
        return Report(
            model=next((models[key] for key in keys if key in models), {"spec": request.model}),
            scores=tuple(self._sorted_scores(shares)),
            missing=tuple(self._missing),
            notes=tuple(self._notes),
            run={
                "glotmill": VERSION,
                "config": configuration.as_dict(request.config),
                "data": list(request.data),
                "suites": list(request.suites),
                "trained_on": str(request.trained_on) if request.trained_on else None,
                "models": models,
                "answers": {"new": self._cache.misses, "kept": self._cache.hits},
                "date": time.strftime("%Y-%m-%d"),
                "seconds": seconds,
            },
        )

    def _sorted_scores(self, shares: Mapping[str, Share]) -> list[Score]:
        scores = []
        for score in self._scores:
            share = shares.get(f"{score.task} {score.language}")
            scores.append(dataclasses.replace(score, contaminated=share.share if share else None))
        order = {suite: number for number, suite in enumerate(self._request.suites)}
        return sorted(
            scores, key=lambda score: (order[score.suite], score.task, score.group, score.metric, score.language)
        )

    def _note(self, *notes: str) -> None:
        for note in notes:
            if note not in self._notes:
                self._notes[note] = None
                self._progress.note(f"note: {note}")


def _read_rows(task: Task, reader: Reader, found: Found, source: Source) -> TaskRows:
    """Read the rows; SourceError where a file cannot be read, NothingToAsk where there are no documents to search."""
    rows = reader.rows(source)
    corpus: list[Row] | None = None
    if task.corpus == "*":
        others = [other for code, other in found.sources.items() if code != source.language.code]
        corpus = [*rows, *(row for other in others for row in reader.rows(other))]
    elif task.corpus:
        code = resolve(task.corpus).code
        if code not in found.sources:
            raise NothingToAsk(f"its documents are those of {code}, which the data lacks")
        corpus = reader.rows(found.sources[code])
    return TaskRows(rows, reader.train_rows(source), corpus)
