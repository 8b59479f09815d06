"""A comparison of two models as one HTML page: what is really different, by how much, and what was not compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from core.html.page import document
from eval.report.compare import Comparison, Difference, Overall
from eval.report.page_parts import bullets, fact_list, language_cells, languages_of, table, text, wrapped
from eval.report.page_plot import Point, plot
from eval.report.page_script import SCRIPT, SEARCH
from eval.report.page_style import STYLE
from eval.report.rollup import INTERVALS, label_of, place
from eval.report.tables import bounds, facts, named, number

_CORRECTIONS: Final = {
    "holm": "corrected by Holm's method (that luck makes any difference of a metric real has a chance of 5 % at most)",
    "bh": "corrected by Benjamini and Hochberg's method (of the differences called real, 5 % are luck on average)",
    "none": "not corrected (of equal systems, one language in twenty is called different)",
}


def render_comparison(comparison: Comparison, title: str = "") -> str:
    """The page of a comparison. Without a title it is called after its models."""
    names = [str(model.get("name") or model.get("spec") or "a model") for model in (comparison.a, comparison.b)]
    title = title or f"{names[0]} and {names[1]}"
    parts = [
        f"<h1>{text(title)}</h1>",
        "<p>Differences are B less A. A difference is real where p is at most 0.05: p of approximate randomisation "
        f"over the items that both have, {_CORRECTIONS[comparison.correction]}. Intervals: paired bootstrap.</p>",
        f'<div class="pair"><div>{_model("A", comparison.a)}</div><div>{_model("B", comparison.b)}</div></div>',
        bullets(comparison.notes),
        f"<h2>Tasks</h2>{_overall(comparison.overall)}" if comparison.overall else "<p>Nothing was compared.</p>",
        SEARCH if comparison.differences else "",
    ]
    by_task: dict[tuple[str, str], list[Difference]] = {}
    for one in comparison.differences:
        by_task.setdefault((one.suite, one.task), []).append(one)
    parts += [_task(*key, found) for key, found in by_task.items()]
    if comparison.refused:
        rows = [
            (text(one.task), text(named(one.metric, one.group)), text(one.language), wrapped(text(one.why)))
            for one in comparison.refused
        ]
        head = ("task", "metric", "language", "why")
        parts.append(f"<h2>Not compared</h2>{table('not compared', head, rows, texts=4)}")
    parts.append(languages_of(one.language for one in comparison.differences))
    parts.append(f'<p class="muted">{INTERVALS}</p>')
    return document(title, "".join(parts) + SCRIPT, STYLE)


def _model(name: str, model: Mapping[str, Any]) -> str:
    return f"<h4>{name}</h4>{fact_list(facts(model))}"


def _anchor(suite: str, task: str) -> str:
    return escape(f"{suite}-{task}".replace(" ", "_"))


def _overall(overall: Sequence[Overall]) -> str:
    head = ("task", "metric", "mean difference", "95 % interval", "languages", "A better", "B better", "not told apart")
    rows = [
        (
            f'<a href="#{_anchor(one.suite, one.task)}">{text(one.task)}</a>',
            text(named(one.metric, one.group)),
            signed(one.mean),
            bounds(one.interval),
            f"{one.languages:,}",
            f"{one.a_better:,}",
            f"{one.b_better:,}",
            f"{one.undecided:,}",
        )
        for one in overall
    ]
    return table("tasks", head, rows, texts=2)


def _task(suite: str, task: str, found: Sequence[Difference]) -> str:
    by_metric: dict[tuple[str, str], list[Difference]] = {}
    for one in found:
        by_metric.setdefault((one.metric, one.group), []).append(one)
    plots = []
    for key, ones in by_metric.items():
        if ones[0].main or len(by_metric) == 1:
            drawn = plot(f"{task} {named(*key)}, B less A", [_point(one) for one in ones], zero=True)
            plots.append(f"<h4>{text(named(*key))}</h4>{drawn}")
    return (
        f'<section class="task"><h3 id="{_anchor(suite, task)}">{text(task)}</h3>{"".join(plots)}'
        f"<h4>Every language</h4>{_differences(task, found)}</section>"
    )


def _point(one: Difference) -> Point:
    return Point(label_of(one.language, one.group), place(one.language).resource, one.difference, one.interval)


def _differences(task: str, found: Sequence[Difference]) -> str:
    head = "language|name|class|metric|better|A|B|B less A|95 % interval|p, corrected|p|p, bootstrap"
    rows = []
    for one in sorted(found, key=lambda one: (one.language, not one.main)):
        rows.append(
            (
                *language_cells(one.language),
                text(named(one.metric, one.group)),
                f"<td><b>{one.better}</b>" if one.better else "",
                number(one.score_a),
                number(one.score_b),
                signed(one.difference),
                bounds(one.interval),
                f"{one.p_corrected:.4f}",
                f"{one.p:.4f}",
                "–" if one.p_bootstrap is None else f"{one.p_bootstrap:.4f}",
                f"{one.n:,}",
                f"{one.only_a + one.only_b:,}",
            )
        )
    names = (*head.split("|"), "items", "left out")
    return table(f"every language of {task}", names, rows, texts=5, kind="languages", ordered=True)


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"{'+' if value > 0 else ''}{number(value)}"
