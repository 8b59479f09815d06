"""Render an evaluation report as one HTML page: every score with its interval, and the languages behind each mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.html.page import render_page
from core.html.plots import DotPlot
from core.html.table import PageTable
from eval.report import report_tables, rollup
from eval.report.page_cells import anchor, language_plot, language_table, task_link
from eval.report.retention import retention_table
from eval.report.rollup import Unit
from eval.report.signature_summary import summarize
from eval.report.tables import facts, named
from eval.results import Report


def render(report: Report, title: str = "") -> str:
    """Return the page of a report; the default title names the report's model."""
    suites: dict[str, dict[str, list[Unit]]] = {}
    for unit in rollup.units(report):
        suites.setdefault(unit.suite, {}).setdefault(unit.task, []).append(unit)
    model, how = _facts(report)
    return render_page(
        "eval.report",
        "report_page.html.j2",
        title=title or f"Evaluation of {report.model.get('name') or report.model.get('spec') or 'a model'}",
        model=model,
        how=how,
        notes=report.notes,
        suites=suites | {missing.suite: {} for missing in report.missing if missing.suite not in suites},
        task_links=[task_link(suite, task) for suite, tasks in suites.items() for task in tasks],
        missing=report.missing,
        languages=language_table(score.language for score in report.scores),
        intervals=rollup.INTERVALS,
        anchor=anchor,
        leading=leading,
        metric_plot=_plot,
        named=named,
        rollups=rollup.rollups,
        summarize=lambda units: summarize([score for unit in units for score in unit.scores]),
        overviews=_overviews,
        retention_tables=_retention_tables,
        report_tables=report_tables,
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


def _overviews(suite: str, tasks: Mapping[str, Sequence[Unit]]) -> tuple[PageTable, PageTable]:
    """Return the leading metrics of all tasks of a suite, and all other metrics and sizes."""
    units = [unit for own in tasks.values() for unit in own]
    leads = [unit for own in tasks.values() for unit in leading(own)]
    others = [unit for unit in units if unit not in leads]
    other_title = f"Other metrics and sizes of {suite}"
    return report_tables.overview(f"Tasks of {suite}", leads), report_tables.overview(other_title, others)


def _plot(label: str, unit: Unit, mean: float) -> DotPlot | None:
    return language_plot(label, ((own.language, own.group, own.score, own.interval) for own in unit.scores), mean)


def _retention_tables(units: Sequence[Unit]) -> list[PageTable]:
    """Return a table for each leading metric that was measured at several sizes."""
    metrics = dict.fromkeys(unit.metric for unit in leading(units))
    tables = (retention_table([unit for unit in units if unit.metric == metric]) for metric in metrics)
    return [table for table in tables if table]
