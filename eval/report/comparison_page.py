"""Render a comparison of two models as one HTML page: the real differences, their size, and what was not compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.html.page import render_page
from core.html.plots import DotPlot
from core.html.table import PageCell, PageTable
from eval.report.compare import Comparison, Difference, Overall, Refused
from eval.report.page_cells import anchor, language_cells, language_plot, language_table, task_link
from eval.report.rollup import INTERVALS
from eval.report.tables import bounds, facts, named, number

_CORRECTIONS: Final = {
    "holm": "corrected by Holm's method (the chance that any real difference of a metric is luck is at most 5 %)",
    "bh": "corrected by Benjamini and Hochberg's method (on average, 5 % of the real differences are luck)",
    "none": "not corrected (two equal systems differ in one language out of twenty)",
}


@dataclass(frozen=True)
class TaskDifferences:
    """The differences of a task, in plots by metric and in a table."""

    name: str
    anchor: str
    plots: Sequence[tuple[str, DotPlot]]
    differences: PageTable


def render_comparison(comparison: Comparison, title: str = "") -> str:
    """Return the page of a comparison; the default title names its models."""
    names = [str(model.get("name") or model.get("spec") or "a model") for model in (comparison.a, comparison.b)]
    by_task: dict[tuple[str, str], list[Difference]] = {}
    for difference in comparison.differences:
        by_task.setdefault((difference.suite, difference.task), []).append(difference)
    return render_page(
        "eval.report",
        "comparison_page.html.j2",
        title=title or f"{names[0]} and {names[1]}",
        correction=_CORRECTIONS[comparison.correction],
        models=[("A", facts(comparison.a)), ("B", facts(comparison.b))],
        notes=comparison.notes,
        overall=_overall(comparison.overall),
        tasks=[_task(*task, differences) for task, differences in by_task.items()],
        refused=_refused(comparison.refused),
        languages=language_table(difference.language for difference in comparison.differences),
        intervals=INTERVALS,
    )


def _overall(overall: Sequence[Overall]) -> PageTable:
    head = ("task", "metric", "mean difference", "95 % interval", "languages", "A better", "B better", "undecided")
    rows = [
        (
            task_link(row.suite, row.task),
            named(row.metric, row.group),
            signed(row.mean),
            bounds(row.interval),
            f"{row.languages:,}",
            f"{row.a_better:,}",
            f"{row.b_better:,}",
            f"{row.undecided:,}",
        )
        for row in overall
    ]
    return PageTable("tasks", head, rows, text_columns=2)


def _refused(refused: Sequence[Refused]) -> PageTable:
    rows = [
        (score.task, named(score.metric, score.group), score.language, PageCell(score.why, "wrap")) for score in refused
    ]
    return PageTable("not compared", ("task", "metric", "language", "why"), rows, text_columns=4)


def _task(suite: str, task: str, differences: Sequence[Difference]) -> TaskDifferences:
    by_metric: dict[str, list[Difference]] = {}
    for difference in differences:
        by_metric.setdefault(named(difference.metric, difference.group), []).append(difference)
    plots = []
    for name, own in by_metric.items():
        values = ((row.language, row.group, row.difference, row.interval) for row in own)
        plot = language_plot(f"{task} {name}, B minus A", values, with_zero=True)
        if plot and (own[0].main or len(by_metric) == 1):
            plots.append((name, plot))
    return TaskDifferences(task, anchor(suite, task), plots, _differences(task, differences))


def _differences(task: str, differences: Sequence[Difference]) -> PageTable:
    words = ("language", "name", "class", "metric", "better")
    numbers = ("A", "B", "B minus A", "95 % interval", "p, corrected", "p", "p, bootstrap", "items", "left out")
    rows = [
        (
            *language_cells(row.language),
            named(row.metric, row.group),
            PageCell(row.better, "strong") if row.better else "",
            number(row.score_a),
            number(row.score_b),
            signed(row.difference),
            bounds(row.interval),
            f"{row.p_corrected:.4f}",
            f"{row.p:.4f}",
            "–" if row.p_bootstrap is None else f"{row.p_bootstrap:.4f}",
            f"{row.n:,}",
            f"{row.only_a + row.only_b:,}",
        )
        for row in sorted(differences, key=lambda row: (row.language, not row.main))
    ]
    title, head = f"every language of {task}", (*words, *numbers)
    return PageTable(title, head, rows, text_columns=len(words), languages=True, ordered=True)


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"{'+' if value > 0 else ''}{number(value)}"
