"""A report as one HTML page that needs nothing else: every score with its doubt, and what no mean should hide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from core.html.page import document
from eval.report import rollup
from eval.report.page_parts import bullets, contamination, fact_list, language_cells, languages_of, table, text, wrapped
from eval.report.page_plot import Point, plot
from eval.report.page_retention import retention
from eval.report.page_script import SCRIPT, SEARCH
from eval.report.page_signatures import signatures
from eval.report.page_style import STYLE
from eval.report.rollup import Rollup, Unit, label, place
from eval.report.tables import bounds, facts, named, number
from eval.results import Missing, Report, Score


def render(report: Report, title: str = "") -> str:
    """The page of a report. Without a title it is called after its model."""
    title = title or f"Evaluation of {report.model.get('name') or report.model.get('spec') or 'a model'}"
    units = rollup.units(report)
    suites = dict.fromkeys([unit.suite for unit in units] + [one.suite for one in report.missing])
    parts = [
        f"<h1>{text(title)}</h1>",
        _facts(report),
        bullets(report.notes),
        _contents(units),
        SEARCH if units else "<p>There are no scores.</p>",
    ]
    for suite in suites:
        own = [unit for unit in units if unit.suite == suite]
        parts.append(_suite(suite, own, [one for one in report.missing if one.suite == suite]))
    if units:
        parts.append(languages_of(one.language for one in report.scores))
        parts.append(f'<p class="muted">{rollup.INTERVALS}</p>')
    return document(title, "".join(parts) + SCRIPT, STYLE)


def _facts(report: Report) -> str:
    """What was judged, on what and when; how it was run is folded away."""
    first = {name: report.model.get(name) for name in ("name", "spec", "sha256", "tokenizer")}
    first |= {name: report.run.get(name) for name in ("data", "trained_on", "date", "glotmill")}
    models = report.run.get("models") or {}
    others = {key: one for key, one in models.items() if one.get("sha256") != report.model.get("sha256")}
    rest = {key: value for key, value in report.model.items() if key not in first}
    rest |= {key: value for key, value in report.run.items() if key not in first and key != "models"}
    folded = fact_list(facts(rest | ({"others": others} if others else {})))
    more = f"<details><summary>How it was run</summary>{folded}</details>" if folded else ""
    return fact_list(facts(first)) + more


def leading(units: Sequence[Unit]) -> list[Unit]:
    """Of a task's units those that stand for it: its main metric, in all dimensions where there are several."""
    main = [unit for unit in units if unit.main] or list(units[:1])
    groups = [unit.group for unit in units]
    return [unit for unit in main if not rollup.size(unit.group) or rollup.is_full(unit.group, groups)] or main


def _anchor(suite: str, task: str = "") -> str:
    return escape("-".join(filter(None, (suite, task))).replace(" ", "_"))


def _contents(units: Sequence[Unit]) -> str:
    """Links to every task."""
    tasks = dict.fromkeys((unit.suite, unit.task) for unit in units)
    items = "".join(f'<li><a href="#{_anchor(*one)}">{text(one[1])}</a></li>' for one in tasks)
    return f'<nav aria-label="tasks"><ul>{items}</ul></nav>' if len(tasks) > 1 else ""


def _suite(suite: str, units: Sequence[Unit], missing: Sequence[Missing]) -> str:
    by_task: dict[str, list[Unit]] = {}
    for unit in units:
        by_task.setdefault(unit.task, []).append(unit)
    leads = [unit for own in by_task.values() for unit in leading(own)]
    others = [unit for unit in units if unit not in leads]
    parts = [f'<h2 id="{_anchor(suite)}">{text(suite)}</h2>']
    if leads:
        parts.append(_overview(f"Tasks of {suite}", leads))
    if others:
        shown = _overview(f"Other metrics and sizes of {suite}", others)
        parts.append(f"<details><summary>Other metrics and sizes ({len(others)})</summary>{shown}</details>")
    parts += [_task(task, own) for task, own in by_task.items()]
    if missing:
        parts.append(f"<h3>Missing scores</h3>{_missing(missing)}")
    return "".join(parts)


def _overview(title: str, units: Sequence[Unit]) -> str:
    """A row a metric: never a mean without its languages, doubt and worst."""
    head = ("task", "metric", "mean", "95 % interval", "contaminated", "languages", "deviation", "worst", "worst in")
    rows = []
    for unit in units:
        one = rollup.rollups(unit)[0]
        task = f'<a href="#{_anchor(unit.suite, unit.task)}">{text(unit.task)}</a>'
        metric = text(named(unit.metric, unit.group)) + ("" if unit.higher_is_better else " (less is better)")
        rows.append(
            (task, metric, number(one.mean), bounds(one.interval), contamination(one.contaminated), *_rest(one))
        )
    return table(title, head, rows, texts=2)


def _rest(one: Rollup) -> tuple[str, ...]:
    deviation = "–" if one.deviation is None else number(one.deviation)
    return (f"{one.languages:,}", deviation, number(one.worst), text(one.worst_language))


def _task(task: str, units: Sequence[Unit]) -> str:
    leads = leading(units)
    scores = [score for unit in units for score in unit.scores]
    parts = [_lead(task, unit) for unit in leads]
    for metric in dict.fromkeys(unit.metric for unit in leads):
        parts.append(retention([unit for unit in units if unit.metric == metric]))
    parts.append(f"<h4>Every language</h4>{_languages(task, units)}{signatures(scores)}")
    return f'<section class="task"><h3 id="{_anchor(units[0].suite, task)}">{text(task)}</h3>{"".join(parts)}</section>'


def _lead(task: str, unit: Unit) -> str:
    """The plot of a metric, its classes and its worst languages beside each other, its scripts and families."""
    rolled = rollup.rollups(unit)
    name = named(unit.metric, unit.group)
    points = [Point(label(one), place(one.language).resource, one.score, one.interval) for one in unit.scores]
    classes = _by(f"{task} {name} by resource class", [one for one in rolled if one.by in ("all", "resource")])
    folded = ""
    for by, title in (("script", "By script"), ("family", "By family")):
        shown = _by(f"{task} {name}: {title}", [one for one in rolled if one.by == by])
        folded += f"<details><summary>{title}</summary>{shown}</details>"
    worst = _worst(f"worst languages of {task} {name}", unit)
    return (
        f"<h4>{text(name)}</h4>{plot(f'{task} {name}', points, rolled[0].mean)}"
        f'<div class="pair"><div><h4>Resource classes</h4>{classes}</div>'
        f"<div><h4>Worst languages</h4>{worst}</div></div>"
        f'<div class="pair">{folded}</div>'
    )


def _by(title: str, rolled: Iterable[Rollup]) -> str:
    head = ("", "mean", "95 % interval", "languages", "deviation", "worst", "worst in")
    rows = [(text(one.value), number(one.mean), bounds(one.interval), *_rest(one)) for one in rolled]
    return table(title, head, rows, texts=1)


def _worst(title: str, unit: Unit) -> str:
    rows = [
        (text(label(one)), text(place(one.language).name), number(one.score), bounds(one.interval), f"{one.n:,}")
        for one in rollup.worst(unit.scores)
    ]
    return table(title, ("language", "name", "score", "95 % interval", "items"), rows, texts=2)


def _languages(task: str, units: Sequence[Unit]) -> str:
    """A row a language (and group), with every metric's score and interval beside each other."""
    metrics = list(dict.fromkeys(unit.metric for unit in units))
    found: dict[tuple[str, str], dict[str, Score]] = {}
    for unit in units:
        for one in unit.scores:
            found.setdefault((one.language, one.group), {})[one.metric] = one
    grouped = any(group for _, group in found)
    head = ["language", "name", "class", *(["group"] if grouped else [])]
    texts = len(head)
    looked = any(one.contaminated is not None for scores in found.values() for one in scores.values())
    for place_of, metric in enumerate(metrics):
        head += [metric, "95 % interval", *(["contaminated"] if looked and not place_of else [])]
    rows = []
    for (language, group), scores in sorted(found.items(), key=lambda item: (item[0][0], _group_order(item[0][1]))):
        row = [*language_cells(language), *([text(group)] if grouped else [])]
        shares = [one.contaminated for one in scores.values() if one.contaminated is not None]
        for place_of, metric in enumerate(metrics):
            score = scores.get(metric)
            row += [number(score.score), bounds(score.interval)] if score else ["–", "–"]
            row += [contamination(max(shares, default=None))] if looked and not place_of else []
        items = sorted({one.n for one in scores.values()})
        rows.append([*row, "/".join(f"{n:,}" for n in items)])
    return table(f"every language of {task}", [*head, "items"], rows, texts=texts, kind="languages", ordered=True)


def _group_order(group: str) -> tuple[int, str]:
    """Larger embeddings first."""
    found = rollup.size(group)
    return (-found[0], found[1]) if found else (0, group)


def _missing(missing: Sequence[Missing]) -> str:
    """One row a reason: a language often lacks a whole suite."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in missing:
        reasons.setdefault((one.task, one.why), []).append(one.language)
    rows = [
        (text(task), wrapped(text(why)), f"{len(languages):,}", wrapped(text(", ".join(languages))))
        for (task, why), languages in reasons.items()
    ]
    return table("missing scores", ("task", "why", "languages", "which"), rows, texts=2)
