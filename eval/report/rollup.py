"""Scores of many languages rolled up: by script, family and resource class, and the worst ten. Never a bare average.

A mean over languages comes with how many they are, the interval of the mean, the worst language, and how far the
languages are apart. The languages are taken as they are, their items as a sample: the interval says what other items
would do to the mean of these very languages, and nothing of languages that were not measured.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from collection.languages import Language, find
from eval.metrics.base import Interval
from eval.results import Report, Score

UNKNOWN: Final = "unknown"  # pairs of languages, and codes that are in no table
OUTSIDE: Final = "outside Aya"
RESOURCES: Final = ("high", "mid", "low", OUTSIDE, UNKNOWN)
WORST: Final = 10
INTERVALS: Final = (
    "Intervals of means treat the languages' items as independent samples. Where all languages have translations of "
    "the same items, the true interval of a mean is wider; to compare two models, use a paired comparison."
)
_PAIR: Final = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}-[a-z]{3}_[A-Z][a-z]{3}")
_SIZE: Final = re.compile(r"(\d+)\.(\w+)")
_FLOATS: Final = ("float", "float32", "f32")


@dataclass(frozen=True)
class Place:
    """Where a language belongs, in words; what is not known is said to be unknown, never left out."""

    name: str
    script: str
    family: str
    resource: str


@dataclass(frozen=True)
class Rollup:
    """The scores of one metric of a task in all languages of a kind. `by` is all, script, family or resource."""

    suite: str
    task: str
    metric: str
    group: str
    by: str
    value: str
    languages: int
    scores: int  # more than languages where scores are of pairs
    items: int
    mean: float
    interval: Interval | None  # None where a language has none
    deviation: float | None  # between languages; None for a single one
    worst_language: str
    worst: float
    contaminated: float | None  # share of all items that were looked up
    main: bool
    higher_is_better: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Unit:
    """All scores of a metric of a task, in a group: what can be averaged at all."""

    suite: str
    task: str
    metric: str
    group: str
    scores: tuple[Score, ...]

    @property
    def main(self) -> bool:
        return any(score.main for score in self.scores)

    @property
    def higher_is_better(self) -> bool:
        return self.scores[0].higher_is_better


def place(code: str) -> Place:
    """Of a language code; pairs and strange codes are unknown in all."""
    language = find(code)
    if language is None:
        return Place("", UNKNOWN, UNKNOWN, UNKNOWN)
    return Place(language.name, language.script.name, language.family or UNKNOWN, _resource(language))


def _resource(language: Language) -> str:
    return language.resource or OUTSIDE


def size(group: str) -> tuple[int, str] | None:
    """The dimension and precision that a group of embedding scores is named after: `256.int8`; None for others."""
    found = _SIZE.fullmatch(group)
    return (int(found[1]), found[2]) if found else None


def is_full(group: str, groups: Iterable[str]) -> bool:
    """Whether a group has all dimensions, in floats: what the others are held against.

    That is the one without a name beside named sizes, or else the largest of floats.
    """
    names = set(groups)
    if "" in names:
        return group == "" and any(map(size, names))
    sizes = [found for one in names if (found := size(one)) and found[1] in _FLOATS]
    return bool(sizes) and size(group) == max(sizes)


def units(report: Report) -> list[Unit]:
    """The scores by suite, task, metric and group, in the report's order, main metrics first within a task.

    Groups that are pairs of languages are one unit together: apart, each would be a single score.
    """
    found: dict[tuple[str, str, str, str], list[Score]] = {}
    for score in report.scores:
        group = "" if _PAIR.fullmatch(score.group) else score.group
        found.setdefault((score.suite, score.task, score.metric, group), []).append(score)
    all_units = [Unit(*key, tuple(scores)) for key, scores in found.items()]
    order = {key: place for place, key in enumerate(dict.fromkeys((one.suite, one.task) for one in all_units))}
    return sorted(all_units, key=lambda one: (order[one.suite, one.task], not one.main))


def rollups(unit: Unit) -> list[Rollup]:
    """All languages, then by resource class, script and family; classes in their order, others by their size."""
    found = [_roll(unit, "all", "all", unit.scores)] if unit.scores else []
    kinds: dict[str, Callable[[Place], str]] = {
        "resource": lambda where: where.resource,
        "script": lambda where: where.script,
        "family": lambda where: where.family,
    }
    for by, value_of in kinds.items():
        values: dict[str, list[Score]] = {}
        for score in unit.scores:
            values.setdefault(value_of(place(score.language)), []).append(score)
        order = sorted(values, key=lambda value: _rank(by, value, len(values[value])))
        found += [_roll(unit, by, value, values[value]) for value in order]
    return found


def _rank(by: str, value: str, scores: int) -> tuple[int, str]:
    return (RESOURCES.index(value), "") if by == "resource" else (-scores, value)


def worst(scores: Iterable[Score], count: int = WORST) -> list[Score]:
    """The worst scores, the very worst first; equal ones by language."""
    return sorted(scores, key=lambda one: (one.score if one.higher_is_better else -one.score, label(one)))[:count]


def label(score: Score) -> str:
    """The language of a score, with its pair where it has one."""
    return label_of(score.language, score.group)


def label_of(language: str, group: str) -> str:
    """A language, with its pair where its group is one."""
    return f"{language} {group}" if _PAIR.fullmatch(group) else language


def mean_interval(scores: Sequence[float], intervals: Sequence[Interval | None]) -> Interval | None:
    """Of the mean of independent scores: their distances to each bound add up as squares (Zou and Donner, 2008).

    None where one of them has no interval: a bound that leaves out a doubt would say too much.
    """
    known = [one for one in intervals if one is not None]
    if not scores or len(known) < len(scores):
        return None
    centre = statistics.fmean(scores)
    below = sum((value - one.low) ** 2 for value, one in zip(scores, known, strict=True)) ** 0.5 / len(scores)
    above = sum((one.high - value) ** 2 for value, one in zip(scores, known, strict=True)) ** 0.5 / len(scores)
    return Interval(centre - below, centre + above, "independent")


def _roll(unit: Unit, by: str, value: str, scores: Sequence[Score]) -> Rollup:
    numbers = [one.score for one in scores]
    lowest = worst(scores, 1)[0]
    looked = [one for one in scores if one.contaminated is not None]
    items = sum(one.n for one in looked)
    return Rollup(
        suite=unit.suite,
        task=unit.task,
        metric=unit.metric,
        group=unit.group,
        by=by,
        value=value,
        languages=len({one.language for one in scores}),
        scores=len(scores),
        items=sum(one.n for one in scores),
        mean=statistics.fmean(numbers),
        interval=mean_interval(numbers, [one.interval for one in scores]),
        deviation=statistics.stdev(numbers) if len(numbers) > 1 else None,
        worst_language=label(lowest),
        worst=lowest.score,
        contaminated=sum((one.contaminated or 0) * one.n for one in looked) / items if items else None,
        main=unit.main,
        higher_is_better=unit.higher_is_better,
    )
