"""Render an evaluation report as one HTML page: every score with its interval, and the languages behind each mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.html.page import render_page
from core.html.plots import DotPlot
from core.html.table import PageTable
from eval.report import report_tables, rollup
from eval.report.page_cells import anchor, language_plot, language_table, task_link
from eval.report.retention import retention_table
from eval.report.rollup import Unit
from eval.report.signature_summary import SignatureSummary, summarize
from eval.report.tables import facts, named
from eval.results import Missing, Report


@dataclass(frozen=True)
class MetricSection:
    """A leading metric of a task: its plot, and its means by class, script and family."""

    name: str
    plot: DotPlot | None
    classes: PageTable
    scripts: PageTable
    families: PageTable
    worst: PageTable


@dataclass(frozen=True)
class TaskSection:
    """All scores of a task."""

    name: str
    anchor: str
    metrics: Sequence[MetricSection]
    retentions: Sequence[PageTable]
    languages: PageTable
    signatures: SignatureSummary | None


@dataclass(frozen=True)
class SuiteSection:
    """The tasks of a suite and the scores it lacks."""

    name: str
    anchor: str
    overview: PageTable
    others: PageTable
    tasks: Sequence[TaskSection]
    missing: PageTable


def render(report: Report, title: str = "") -> str:
    """Return the page of a report; the default title names the report's model."""
    units = rollup.units(report)
    names = dict.fromkeys([unit.suite for unit in units] + [missing.suite for missing in report.missing])
    model, how = _facts(report)
    suites = []
    for name in names:
        own = [unit for unit in units if unit.suite == name]
        suites.append(_suite(name, own, [missing for missing in report.missing if missing.suite == name]))
    return render_page(
        "eval.report",
        "report_page.html.j2",
        title=title or f"Evaluation of {report.model.get('name') or report.model.get('spec') or 'a model'}",
        model=model,
        how=how,
        notes=report.notes,
        tasks=[task_link(*task) for task in dict.fromkeys((unit.suite, unit.task) for unit in units)],
        suites=suites,
        languages=language_table(score.language for score in report.scores),
        intervals=rollup.INTERVALS,
    )


def _facts(report: Report) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return what was evaluated, on what data and when; then how it was run."""
    first = {name: report.model.get(name) for name in ("name", "spec", "sha256", "tokenizer")}
    first |= {name: report.run.get(name) for name in ("data", "trained_on", "date", "glotmill")}
    models = report.run.get("models") or {}
    others = {key: model for key, model in models.items() if model.get("sha256") != report.model.get("sha256")}
    rest = {key: value for key, value in report.model.items() if key not in first}
    rest |= {key: value for key, value in report.run.items() if key not in first and key != "models"}
    return facts(first), facts(rest | ({"others": others} if others else {}))


def leading(units: Sequence[Unit]) -> list[Unit]:
    """Return the units that represent a task: its main metric, with all dimensions where there are several sizes."""
    main = [unit for unit in units if unit.main] or list(units[:1])
    groups = [unit.group for unit in units]
    return [unit for unit in main if not rollup.size(unit.group) or rollup.is_full(unit.group, groups)] or main


def _suite(suite: str, units: Sequence[Unit], missing: Sequence[Missing]) -> SuiteSection:
    by_task: dict[str, list[Unit]] = {}
    for unit in units:
        by_task.setdefault(unit.task, []).append(unit)
    leads = [unit for own in by_task.values() for unit in leading(own)]
    others = [unit for unit in units if unit not in leads]
    return SuiteSection(
        name=suite,
        anchor=anchor(suite),
        overview=report_tables.overview(f"Tasks of {suite}", leads),
        others=report_tables.overview(f"Other metrics and sizes of {suite}", others),
        tasks=[_task(task, own) for task, own in by_task.items()],
        missing=report_tables.missing_scores(missing),
    )


def _task(task: str, units: Sequence[Unit]) -> TaskSection:
    leads = leading(units)
    retentions = [
        retention_table([unit for unit in units if unit.metric == metric])
        for metric in dict.fromkeys(unit.metric for unit in leads)
    ]
    return TaskSection(
        name=task,
        anchor=anchor(units[0].suite, task),
        metrics=[_metric(task, unit) for unit in leads],
        retentions=[retention for retention in retentions if retention],
        languages=report_tables.languages(task, units),
        signatures=summarize([score for unit in units for score in unit.scores]),
    )


def _metric(task: str, unit: Unit) -> MetricSection:
    means = rollup.rollups(unit)
    name = named(unit.metric, unit.group)

    def by(head: str, *kinds: str) -> PageTable:
        return report_tables.means(f"{task} {name} by {head}", head, [mean for mean in means if mean.by in kinds])

    return MetricSection(
        name=name,
        plot=language_plot(
            f"{task} {name}",
            ((score.language, score.group, score.score, score.interval) for score in unit.scores),
            mean=means[0].mean,
        ),
        classes=by("class", "all", "resource"),
        scripts=by("script", "script"),
        families=by("family", "family"),
        worst=report_tables.worst(f"worst languages of {task} {name}", unit),
    )
