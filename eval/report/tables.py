"""A report as plain data: tables for a terminal, and JSON with the roll-ups beside the scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eval.metrics.base import Interval
from eval.report import rollup
from eval.report.compare import Comparison, Difference
from eval.report.rollup import Rollup, Unit, label
from eval.results import Missing, Report, Score


@dataclass(frozen=True)
class Table:
    """What `glotmill.cli.output.print_table` takes."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def tables(report: Report, languages: bool = False) -> list[Table]:
    """An overview, the main metrics by resource class, script and family, the worst ten, what is missing.

    `languages` brings a row for every score as well. Tables without rows are left out.
    """
    units = rollup.units(report)
    rolled = [(unit, rollup.rollups(unit)) for unit in units]
    main = [(unit, rows) for unit, rows in rolled if unit.main]
    found = [_overview(rows[0] for _, rows in rolled)]
    for by, title in (("resource", "Resource classes"), ("script", "Scripts"), ("family", "Families")):
        found.append(_by(title, by, [row for _, rows in main for row in rows if row.by == by]))
    found.append(_worst([unit for unit, _ in main]))
    if languages:
        found.append(_languages(report.scores))
    found += [_missing(report.missing), Table("Notes", ("",), tuple((note,) for note in report.notes))]
    return [table for table in found if table.rows]


def markdown(report: Report) -> str:
    """All tables, with every language, as Markdown."""
    name = report.model.get("name") or report.model.get("spec") or "a model"
    parts = [f"# Evaluation of {_cell(name)}", _facts(report)]
    for table in tables(report, languages=True):
        head, line = (" | ".join(cells) for cells in (table.head, ["---"] * len(table.head)))
        rows = "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in table.rows)
        parts.append(f"## {table.title}\n\n| {head} |\n| {line} |\n{rows}")
    return "\n\n".join(filter(None, parts)) + "\n"


def _facts(report: Report) -> str:
    run = report.run
    shown = {**dict(facts(report.model)), "data": ", ".join(run.get("data", ())), "date": run.get("date", "")}
    return "\n".join(f"- {key}: {_cell(value)}" for key, value in shown.items() if value)


def _cell(value: Any) -> str:
    shown = f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)
    return " ".join(shown.replace("|", "\\|").split())


def to_json(report: Report) -> dict[str, Any]:
    """The report, with its roll-ups and the worst ten languages of every metric."""
    units = rollup.units(report)
    return report.to_json() | {
        "rollups": [one.to_json() for unit in units for one in rollup.rollups(unit)],
        "worst": [
            {
                "suite": unit.suite,
                "task": unit.task,
                "metric": unit.metric,
                "group": unit.group,
                "languages": [{"language": label(one), "score": one.score} for one in rollup.worst(unit.scores)],
            }
            for unit in units
        ],
        "intervals": rollup.INTERVALS,
    }


def comparison_tables(comparison: Comparison, every: bool = False) -> list[Table]:
    """What two evaluations differ in: by task, then the real differences (or `every` one), then what was refused.

    Its notes are not among them: they are sentences.
    """
    overall = tuple(
        (
            one.task,
            named(one.metric, one.group),
            one.languages,
            one.a_better,
            one.b_better,
            one.undecided,
            one.mean,
            bounds(one.interval),
        )
        for one in comparison.overall
    )
    differences = tuple(_difference(one) for one in comparison.differences if every or one.real)
    found = [
        Table(
            "Differences, B less A",
            ("task", "metric", "languages", "A better", "B better", "not told apart", "mean", "interval"),
            overall,
        ),
        Table(
            "Languages" if every else "Languages that differ",
            ("task", "metric", "language", "items", "A", "B", "B less A", "interval", "p, corrected", "better"),
            differences,
        ),
        Table(
            "Not compared",
            ("task", "metric", "language", "why"),
            tuple((one.task, named(one.metric, one.group), one.language, one.why) for one in comparison.refused),
        ),
    ]
    return [table for table in found if table.rows]


def _difference(one: Difference) -> tuple[Any, ...]:
    return (
        one.task,
        named(one.metric, one.group),
        one.language,
        one.n,
        one.score_a,
        one.score_b,
        one.difference,
        bounds(one.interval),
        one.p_corrected,
        one.better or "not told apart",
    )


def named(metric: str, group: str) -> str:
    """A metric, with its group where there is one."""
    return f"{metric} {group}" if group else metric


def bounds(interval: Interval | None) -> str:
    """An interval in figures that fit its size; a dash for none."""
    if interval is None:
        return "–"
    return f"{number(interval.low)} to {number(interval.high)}"


def number(value: float) -> str:
    """Three places of a share, two of a score up to a hundred."""
    return f"{value:.3f}" if abs(value) <= 1 else f"{value:.2f}"


def share(value: float | None) -> str:
    """Of items in the training data: nothing where nobody looked."""
    return "" if value is None else f"{value:.1%}"


def _overview(rows: Iterable[Rollup]) -> Table:
    head = ("suite", "task", "metric", "languages", "mean", "interval", "deviation", "worst", "", "contaminated")
    return Table("Mean over languages", head, tuple((one.suite, *_row(one), share(one.contaminated)) for one in rows))


def _by(title: str, by: str, rows: Iterable[Rollup]) -> Table:
    head = (by, "task", "metric", "languages", "mean", "interval", "deviation", "worst", "")
    return Table(title, head, tuple((one.value, *_row(one)) for one in rows))


def _row(one: Rollup) -> tuple[Any, ...]:
    deviation = "–" if one.deviation is None else number(one.deviation)
    metric = named(one.metric, one.group)
    return (one.task, metric, one.languages, one.mean, bounds(one.interval), deviation, one.worst_language, one.worst)


def _worst(units: Iterable[Unit]) -> Table:
    rows = tuple(
        (one.task, named(one.metric, unit.group), label(one), rollup.place(one.language).name, one.score, one.n)
        for unit in units
        for one in rollup.worst(unit.scores)
    )
    return Table("Worst languages", ("task", "metric", "language", "name", "score", "items"), rows)


def _languages(scores: Iterable[Score]) -> Table:
    rows = tuple(
        (
            one.task,
            named(one.metric, one.group),
            one.language,
            one.score,
            bounds(one.interval),
            one.n,
            share(one.contaminated),
        )
        for one in scores
    )
    return Table("Languages", ("task", "metric", "language", "score", "interval", "items", "contaminated"), rows)


def _missing(missing: Iterable[Missing]) -> Table:
    """One row a reason, since a language often lacks a whole suite."""
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for one in missing:
        reasons.setdefault((one.suite, one.task, one.why), []).append(one.language)
    rows = tuple((*key[:2], " ".join(languages), key[2]) for key, languages in reasons.items())
    return Table("Missing", ("suite", "task", "languages", "why"), rows)


def facts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a report says of its model or its run, in words: nested keys joined by points, nothing for what is empty."""
    found: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += [(f"{key}.{name}", text) for name, text in facts(value)]
        elif isinstance(value, list | tuple):
            found.append((key, ", ".join(map(str, value))))
        elif value not in (None, ""):
            found.append((key, str(value)))
    return [(name, text) for name, text in found if text]
