"""Make the tables of a report's page; a mean comes with its interval, its languages and the worst of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.html.table import PageCell, PageTable
from eval.report import rollup
from eval.report.page_cells import contamination, language_cells, task_link
from eval.report.rollup import Rollup, Unit, label, place
from eval.report.tables import bounds, named, number
from eval.results import Missing, Score


def overview(title: str, units: Sequence[Unit]) -> PageTable:
    """Return a row for each metric."""
    head = ("task", "metric", "mean", "95 % interval", "contaminated", "languages", "deviation", "worst", "worst in")
    rows = []
    for unit in units:
        mean = rollup.rollups(unit)[0]
        metric = named(unit.metric, unit.group) + ("" if unit.higher_is_better else " (lower is better)")
        task = task_link(unit.suite, unit.task)
        interval, *rest = _mean_cells(mean)[1:]
        rows.append((task, metric, number(mean.mean), interval, contamination(mean.contaminated), *rest))
    return PageTable(title, head, rows, text_columns=2)


def means(label: str, kind: str, rolled: Iterable[Rollup], kinds: Sequence[str]) -> PageTable:
    """Return a row for each class, script or family; `kinds` says which roll-ups are taken."""
    head = (kind, "mean", "95 % interval", "languages", "deviation", "worst", "worst in")
    rows = [(mean.value, *_mean_cells(mean)) for mean in rolled if mean.by in kinds]
    return PageTable(f"{label} by {kind}", head, rows)


def _mean_cells(mean: Rollup) -> tuple[str, ...]:
    deviation = "–" if mean.deviation is None else number(mean.deviation)
    spread = (f"{mean.languages:,}", deviation, number(mean.worst), mean.worst_language)
    return (number(mean.mean), bounds(mean.interval), *spread)


def worst(title: str, unit: Unit) -> PageTable:
    """Return the worst languages of a metric."""
    rows = [
        (label(score), place(score.language).name, number(score.score), bounds(score.interval), f"{score.n:,}")
        for score in rollup.worst(unit.scores)
    ]
    return PageTable(title, ("language", "name", "score", "95 % interval", "items"), rows, text_columns=2)


def languages(task: str, units: Sequence[Unit]) -> PageTable:
    """Return a row for each language and group, with the score and the interval of every metric."""
    metrics = list(dict.fromkeys(unit.metric for unit in units))
    by_language: dict[tuple[str, str], dict[str, Score]] = {}
    for unit in units:
        for score in unit.scores:
            by_language.setdefault((score.language, score.group), {})[score.metric] = score
    grouped = any(group for _, group in by_language)
    measured = any(score.contaminated is not None for scores in by_language.values() for score in scores.values())
    words = ["language", "name", "class", *(["group"] if grouped else [])]
    numbers = [name for metric in metrics for name in (metric, "95 % interval")]
    if measured:
        numbers.insert(2, "contaminated")
    rows = []
    for (code, group), scores in sorted(
        by_language.items(), key=lambda entry: (entry[0][0], _group_order(entry[0][1]))
    ):
        cells: list[str | PageCell] = []
        for metric in metrics:
            cells += [number(scores[metric].score), bounds(scores[metric].interval)] if metric in scores else ["–", "–"]
        if measured:
            shares = [score.contaminated for score in scores.values() if score.contaminated is not None]
            cells.insert(2, contamination(max(shares, default=None)))
        items = "/".join(f"{n:,}" for n in sorted({score.n for score in scores.values()}))
        rows.append((*language_cells(code), *([group] if grouped else []), *cells, items))
    head = (*words, *numbers, "items")
    return PageTable(f"every language of {task}", head, rows, text_columns=len(words), languages=True, ordered=True)


def _group_order(group: str) -> tuple[int, str]:
    """Sort larger embeddings first."""
    size = rollup.size(group)
    return (-size[0], size[1]) if size else (0, group)


def missing_scores(suite: str, missing: Sequence[Missing]) -> PageTable:
    """Return a row for each reason of a suite's missing scores: a language often lacks a whole suite."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for score in (score for score in missing if score.suite == suite):
        reasons.setdefault((score.task, score.why), []).append(score.language)
    rows = [
        (task, PageCell(why, "wrap"), f"{len(codes):,}", PageCell(", ".join(codes), "wrap"))
        for (task, why), codes in reasons.items()
    ]
    return PageTable("missing scores", ("task", "why", "languages", "which"), rows, text_columns=2)
