"""Make the cells, dots and tables that the pages of a report and of a comparison have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from core.html.plots import Dot, DotPlot, dot_plot
from core.html.table import PageCell, PageTable
from eval.metrics.base import Interval
from eval.report.rollup import RESOURCES, label_of, place
from eval.report.tables import number

# The index of each resource class's colour in the stylesheet.
COLOURS: Final = {resource: index for index, resource in enumerate(RESOURCES)}


def anchor(suite: str, task: str = "") -> str:
    """Return the id of a suite's or a task's heading."""
    return "-".join(filter(None, (suite, task))).replace(" ", "_")


def task_link(suite: str, task: str) -> PageCell:
    """Return a cell that leads to the task's heading."""
    return PageCell(task, href=f"#{anchor(suite, task)}")


def contamination(share: float | None) -> str | PageCell:
    """Return the share of items that are in the training data, flagged above 0; empty where it was not measured."""
    if share is None:
        return ""
    return PageCell(f"⚠ {share:.1%}", style="flag") if share > 0 else "0.0%"


def language_cells(code: str) -> tuple[str, str, str]:
    """Return code, name and resource class. The search also finds what `language_table` says of the code."""
    language = place(code)
    return code, language.name, language.resource


def language_table(codes: Iterable[str]) -> PageTable:
    """Return the scripts and families of all languages of a page, which would fill every other table."""
    known = [(code, place(code)) for code in sorted(set(codes))]
    return PageTable(
        "languages of this page",
        ("language", "name", "script", "family", "class"),
        [(code, language.name, language.script, language.family, language.resource) for code, language in known],
        text_columns=5,
        languages=True,
        reference=True,
        ordered=True,
    )


def language_plot(
    label: str,
    values: Iterable[tuple[str, str, float, Interval | None]],
    mean: float | None = None,
    with_zero: bool = False,
) -> DotPlot | None:
    """Return a plot of languages from the highest value to the lowest, coloured by resource class.

    Args:
        label: What the plot shows.
        values: Language, group, value and interval.
        mean: Where a dashed line goes.
        with_zero: Whether the axis holds zero.
    """
    dots = [
        Dot(label_of(code, group), place(code).resource, value, (interval.low, interval.high) if interval else None)
        for code, group, value, interval in values
    ]
    dots.sort(key=lambda dot: (-dot.value, dot.label))
    return dot_plot(label, dots, COLOURS, number, mean, with_zero)
