"""An evaluation: models loaded, tasks found in the data, asked language by language, scored and written down.

Each answer is cached at once (eval/models/answer_cache.py), so the same command resumes a stopped run.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from collection.languages import Language, resolve
from core import config as configuration
from core import files, locks
from core.errors import ConfigError, OutputError, SourceError, UserError
from core.progress import Progress
from core.version import VERSION
from eval.config import EvalConfig
from eval.contamination import Share, check_collection, measure
from eval.data.examples import NothingToAsk
from eval.data.sources import Found, Reader, Row, Source, Tree, find_sources
from eval.models.answer_cache import Cache
from eval.models.base import Identity, Loaded, Options, cannot, load
from eval.models.cached import CachedChat, CachedEmbedder, CachedReranker
from eval.outcome import Outcome
from eval.results import REPORT, RESULTS, Missing, Report, Score, examples_path, write_examples
from eval.scoring import scores_of
from eval.task import Suite, Task, chosen

REQUEST: Final = "request.json"  # whose evaluation a folder is
PAGE: Final = "report.html"
CACHE: Final = "answers.sqlite"


@dataclass(frozen=True)
class Request:
    """What is to be judged, on what."""

    model: str
    data: tuple[str, ...]
    suites: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    task_files: tuple[Path, ...] = ()
    languages: tuple[str, ...] = ()
    trained_on: Path | None = None  # a collection: how much of each task is in it
    cache: Path | None = None  # a file for answers; None: one in the output folder
    config: EvalConfig = field(default_factory=EvalConfig)

    def identity(self) -> dict[str, Any]:
        """What makes it another evaluation."""
        asked = {name: list(getattr(self, name)) for name in ("data", "suites", "tasks", "languages")}
        own = {"task_files": [str(path) for path in self.task_files], "trained_on": str(self.trained_on or "")}
        return {"model": self.model, **asked, **own, "config": configuration.as_dict(self.config)}


def evaluate(request: Request, out: Path, progress: Progress, *, fresh: bool = False) -> Report:
    """Runs an evaluation into a folder, and gives its report; UserError where something cannot be as it is asked."""
    begun = time.monotonic()
    tasks = chosen(request.suites, request.tasks, request.task_files)
    languages = [resolve(name) for name in request.languages]
    trees = [Tree.of(place) for place in request.data]
    if not trees:
        raise ConfigError("there is no --data: name a folder with items, such as a copy of Tatoeba's test sets")
    found = {task.name: find_sources(task, trees) for task in tasks}
    fitting = [task for task in tasks if found[task.name].sources]
    _check_fitting(request, tasks, fitting)
    if request.trained_on:
        check_collection(request.trained_on)
    with locks.locked(out):
        _begin(out, request, fresh)
        with Cache(request.cache or out / CACHE) as cache:
            work = _Work(request, out, cache, progress, languages)
            try:
                for task in fitting:
                    work.run(task, found[task.name])
            finally:
                work.close()
            shares = work.contamination()
            report = work.report(shares, round(time.monotonic() - begun, 1))
        _remove_stale(out, work.written)
        report.write(out)
    if not report.scores:
        first = report.missing[0]
        raise SourceError(f"no score came of it: {first.task} in {first.language}: {first.why}")
    return report


def _check_fitting(request: Request, tasks: Sequence[Task], fitting: Sequence[Task]) -> None:
    where = ", ".join(request.data)
    if not fitting:
        layouts = ", ".join(f"{task.name} ({task.data.files[0]})" for task in tasks[:6])
        raise SourceError(f"{where}: no task finds its files here; expected layouts such as {layouts}")
    # Tasks that were named, or brought along, are meant.
    lost = [task for task in tasks if task not in fitting] if request.tasks or request.task_files else []
    if lost:
        files_of = " or ".join(lost[0].data.files)
        raise SourceError(f"{where}: the task {lost[0].name} does not find its files here: expected {files_of}")


def _begin(out: Path, request: Request, fresh: bool) -> None:
    """Notes whose evaluation the folder is. OutputError where it is another's, or holds what is not ours.

    `fresh` throws away what an evaluation left, but not what a model was asked already, which may have cost money. A
    report goes before anything is asked: it speaks of examples that are about to be written anew.
    """
    mine = json.loads(json.dumps(request.identity()))
    theirs = _read(out / REQUEST)
    if theirs is None and out.is_dir() and any(path.name != ".lock" for path in out.iterdir()):
        raise OutputError(f"{out} holds other files: choose an empty or new folder")
    if theirs is not None and theirs != mine and not fresh:
        key = next(key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key))
        raise OutputError(
            f"{out} holds another evaluation: {key} was {theirs.get(key)!r}, is {mine.get(key)!r}. "
            "Use another --out, or --fresh to replace it; answers are kept"
        )
    for name in (REPORT, PAGE):
        (out / name).unlink(missing_ok=True)
    if fresh:
        shutil.rmtree(out / RESULTS, ignore_errors=True)
    files.write_text(out / REQUEST, json.dumps(mine, ensure_ascii=False, indent=1) + "\n")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}; choose another --out") from error
    return values if isinstance(values, dict) else {}


def _remove_stale(out: Path, written: set[Path]) -> None:
    """Examples of an earlier evaluation in this folder, which the report does not speak of."""
    for path in sorted((out / RESULTS).rglob("*.jsonl")):
        if path not in written:
            path.unlink()
    files.remove_leftovers(out)


class _Items(NamedTuple):
    """What is read of a task in one language."""

    rows: list[Row]  # to judge by
    train: list[Row]  # to learn from
    corpus: list[Row] | None  # whose documents are searched, where they are not the language's own


_Ask = Callable[[Language, _Items], Iterator[Outcome]]


class _Work:
    """One evaluation at work."""

    def __init__(
        self, request: Request, out: Path, cache: Cache, progress: Progress, languages: Sequence[Language]
    ) -> None:
        self._request, self._out, self._cache, self._progress = request, out, cache, progress
        self._languages = languages
        self._models: dict[str, tuple[Loaded, Any]] = {}  # and with a cache before it
        self._scores: list[Score] = []
        self._texts: dict[str, Mapping[str, tuple[str, ...]]] = {}
        self._missing: list[Missing] = []
        self._notes: dict[str, None] = {}
        self.written: set[Path] = set()

    def run(self, task: Task, found: Found) -> None:
        """A task in all the languages that were asked for, or that there are."""
        self._note(*found.notes)
        reader = Reader(task)
        sources = found.sources
        for language in self._languages:
            if language.code not in sources:
                self._missing.append(Missing(task.suite, task.name, language.code, "the data has no items in it"))
        wanted = {language.code for language in self._languages} or set(sources)
        codes = [code for code in sources if code in wanted]
        try:
            ask = self._asker(task)
        except ConfigError as error:
            if len(self._request.suites) == 1 and self._request.tasks:
                raise
            self._missing += [Missing(task.suite, task.name, code, str(error)) for code in codes]
            return
        for number, code in enumerate(codes, 1):
            self._progress.note(f"{task.suite}: {task.name} in {sources[code].language} ({number} of {len(codes)})")
            try:
                items = self._items(task, reader, found, sources[code])
                for outcome in ask(sources[code].language, items):
                    self._keep(outcome, sources[code])
            except NothingToAsk as why:
                self._missing.append(Missing(task.suite, task.name, code, str(why)))
        splits = {sources[code].split for code in codes}
        if len(splits) > 1:
            self._note(f"{task.name}: languages are judged by different splits: {', '.join(sorted(splits))}")
        self._note(*reader.notes)

    def _items(self, task: Task, reader: Reader, found: Found, source: Source) -> _Items:
        """NothingToAsk where a file cannot be read, too: the other languages go on."""
        try:
            return _read_items(task, reader, found, source)
        except SourceError as error:
            self._note(f"{task.name}: {error}")
            raise NothingToAsk(str(error)) from None

    def _asker(self, task: Task) -> _Ask:
        """How a task is asked in a language; ConfigError where the model cannot do what the task needs."""
        _, model = self._model(self._request.model, task.suite)
        config = self._request.config
        if task.suite == "embed":
            from eval.suites import embed

            return lambda language, items: embed.run(
                task, language, items.rows, model, config, train=items.train, corpus=items.corpus
            )
        if task.suite == "rerank":
            from eval.suites import rerank

            first = self._first_stage()
            return lambda language, items: rerank.run(
                task, language, items.rows, model, first, config, corpus=items.corpus
            )
        if task.kind == "choice" and not model.scores_choices:
            raise cannot(
                self._request.model, "chat", f"{task.name} asks how likely given answers are; it tells texts only"
            )
        return self._chat_asker(task, model)

    def _chat_asker(self, task: Task, model: Any) -> _Ask:
        from eval.suites import chat

        settings = self._request.config.chat
        against = referee = detector = None
        judged: dict[str, str] = {}
        if task.kind == "open":
            detector = self._detector(task)
            if settings.against and not task.refusals:
                other, against = self._model(settings.against, "chat")
                judge, referee = self._model(settings.judge, "chat")
                judged = {"against": _known(other), "judge": _known(judge)}
        return lambda language, items: chat.run(
            task,
            language,
            items.rows,
            model,
            self._request.config,
            train=items.train,
            detector=detector,
            against=against,
            referee=referee,
            judged=judged,
        )

    def _detector(self, task: Task) -> Any:
        from collection.detectors import make_detector

        try:
            return make_detector(self._request.config.chat.detector)
        except UserError as error:
            self._note(f"{task.name}: the language of answers is not measured: {error}")
            return None

    def _first_stage(self) -> Any:
        from eval.suites.rerank import EmbeddedFirst, LexicalFirst

        name = self._request.config.rerank.first
        if name == "bm25":
            return LexicalFirst()
        identity, model = self._model(name, "embed")
        return EmbeddedFirst(model, _known(identity))

    def _model(self, spec: str, suite: Suite) -> tuple[Identity, Any]:
        """A model with a cache before it, loaded once."""
        key = f"{suite} {spec}"
        if key not in self._models:
            config = self._request.config
            loaded = load(spec, suite, Options(config.batch, config.max_input, config.dtype, config.timeout))
            self._models[key] = (loaded, self._wrapped(loaded, spec, suite))
        loaded, wrapped = self._models[key]
        return loaded.identity, wrapped

    def close(self) -> None:
        """Lets go of all models."""
        for loaded, _ in self._models.values():
            loaded.close()

    def _wrapped(self, loaded: Loaded, spec: str, suite: Suite) -> Any:
        identity, model, makes = loaded
        if makes == "text":
            return CachedChat(identity, model, self._cache)
        if makes == "scores":
            return CachedReranker(identity, model, self._cache, apart=not spec.startswith("ranker:"))
        embedder = CachedEmbedder(identity, model, self._cache)
        if suite == "embed":
            return embedder
        from eval.suites.rerank import ByCosine

        return ByCosine(embedder)

    def _keep(self, outcome: Outcome, source: Source) -> None:
        """Writes the examples of an outcome, and makes its scores."""
        task, language = outcome.task, outcome.language
        self._note(*outcome.notes)
        if source.split:
            outcome = replace(outcome, options={"split": source.split, **outcome.options})
        path = examples_path(self._out, task.suite, task.name, language.code, outcome.group)
        write_examples(path, outcome.examples)
        self.written.add(path)
        self._texts.setdefault(f"{task.name} {language.code}", outcome.texts)
        identity, _ = self._model(self._request.model, task.suite)
        scores, missing = scores_of(outcome, identity, self._request.config.seed)
        self._scores += scores
        self._missing += missing

    def contamination(self) -> Mapping[str, Share]:
        """What the collection that the model was trained on holds of each task in each language."""
        if self._request.trained_on is None:
            return {}
        self._progress.note(f"looking for the items in {self._request.trained_on}")
        return measure(self._texts, self._request.trained_on)

    def report(self, shares: Mapping[str, Share], seconds: float) -> Report:
        if untold := sum(share.items - share.told for share in shares.values()):
            items = sum(share.items for share in shares.values())
            self._note(f"contamination: {untold:,} of {items:,} items are too short to be told")
        scores = []
        for score in self._scores:
            share = shares.get(f"{score.task} {score.language}")
            scores.append(dataclasses.replace(score, contaminated=share.share if share else None))
        order = {suite: place for place, suite in enumerate(self._request.suites)}
        scores.sort(key=lambda one: (order[one.suite], one.task, one.group, one.metric, one.language))
        models = {key: loaded.identity.to_json() for key, (loaded, _) in sorted(self._models.items())}
        asked = (f"{suite} {self._request.model}" for suite in self._request.suites)
        first = next((models[key] for key in asked if key in models), {"spec": self._request.model})
        return Report(
            model=first,
            scores=tuple(scores),
            missing=tuple(self._missing),
            notes=tuple(self._notes),
            run={
                "glotmill": VERSION,
                "config": configuration.as_dict(self._request.config),
                "data": list(self._request.data),
                "suites": list(self._request.suites),
                "trained_on": str(self._request.trained_on) if self._request.trained_on else None,
                "models": models,
                "answers": {"new": self._cache.misses, "kept": self._cache.hits},
                "date": time.strftime("%Y-%m-%d"),
                "seconds": seconds,
            },
        )

    def _note(self, *notes: str) -> None:
        for note in notes:
            if note not in self._notes:
                self._notes[note] = None
                self._progress.note(f"note: {note}")


def _known(identity: Identity) -> str:
    """A model that has a part in a score, as in a signature."""
    return f"{identity.name}@{identity.sha256[:12]}"


def _read_items(task: Task, reader: Reader, found: Found, source: Source) -> _Items:
    """SourceError where a file cannot be read, NothingToAsk where there are no documents to search."""
    rows = reader.rows(source)
    corpus: list[Row] | None = None
    if task.corpus == "*":
        others = [one for code, one in found.sources.items() if code != source.language.code]
        corpus = [*rows, *(row for one in others for row in reader.rows(one))]
    elif task.corpus:
        code = resolve(task.corpus).code
        if code not in found.sources:
            raise NothingToAsk(f"its documents are those of {code}, which the data lacks")
        corpus = reader.rows(found.sources[code])
    return _Items(rows, reader.train_rows(source), corpus)
