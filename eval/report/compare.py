"""Two evaluations side by side: every score that both have, tested on the items that both have.

A difference is real where the p of approximate randomisation, corrected for all languages and groups of a task's
metric, is at most 0.05. Scores of other data or other metric options are not compared, and it is said which and why.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.errors import ConfigError, SourceError, UserError, nearest
from core.frames import data_frame
from eval.metrics import paired
from eval.metrics.base import LEVEL, Interval, Metric, Rows
from eval.metrics.signature import signature_parts
from eval.metrics.table import metric as metric_of
from eval.report.rollup import mean_interval
from eval.results import Report, Score, examples_path, read_statistics

if TYPE_CHECKING:
    import pandas

Key = tuple[str, str, str, str, str]
_SAME: Final = ("suite", "task", "language", "metric", "options", "group", "data")  # what a signature must agree in
_OWN: Final = ("model", "tokenizer", "n")  # what each has its own of


@dataclass(frozen=True)
class Difference:
    """One score of two systems, on the items that both have. `difference` is B less A."""

    suite: str
    task: str
    language: str
    metric: str
    group: str
    score_a: float
    score_b: float
    difference: float
    interval: Interval | None  # of the difference, by the paired bootstrap
    p_bootstrap: float | None
    p: float  # of approximate randomisation
    p_corrected: float
    n: int
    only_a: int  # items that the other has not
    only_b: int
    main: bool
    higher_is_better: bool

    @property
    def real(self) -> bool:
        return self.p_corrected <= 1 - LEVEL + 1e-12

    @property
    def better(self) -> str:
        """A or B where the difference is real, else nothing."""
        if not self.real or not self.difference:
            return ""
        return "B" if (self.difference > 0) == self.higher_is_better else "A"


@dataclass(frozen=True)
class Refused:
    """A score that both have and that cannot be compared, and why."""

    suite: str
    task: str
    language: str
    metric: str
    group: str
    why: str


@dataclass(frozen=True)
class Overall:
    """The differences of a metric of a task over its languages."""

    suite: str
    task: str
    metric: str
    group: str
    languages: int
    mean: float
    interval: Interval | None  # languages as independent samples
    a_better: int
    b_better: int
    undecided: int
    main: bool


@dataclass(frozen=True)
class Comparison:
    """Two models, what tells them apart, and what could not be compared."""

    a: Mapping[str, Any]
    b: Mapping[str, Any]
    differences: tuple[Difference, ...]
    overall: tuple[Overall, ...]
    refused: tuple[Refused, ...]
    notes: tuple[str, ...]
    correction: str

    def to_json(self) -> dict[str, Any]:
        return {
            "a": dict(self.a),
            "b": dict(self.b),
            "correction": self.correction,
            "overall": [asdict(one) for one in self.overall],
            "differences": [asdict(one) | {"real": one.real, "better": one.better} for one in self.differences],
            "refused": [asdict(one) for one in self.refused],
            "notes": list(self.notes),
        }

    def to_pandas(self) -> pandas.DataFrame:
        """Return the differences as a data frame, one row each, with the bounds of the interval as `low` and `high`."""
        rows = []
        for difference in self.differences:
            values = asdict(difference) | {"real": difference.real, "better": difference.better}
            bounds = values.pop("interval") or {}
            rows.append({**values, "low": bounds.get("low"), "high": bounds.get("high")})
        columns = [column.name for column in fields(Difference) if column.name != "interval"]
        return data_frame(rows, [*columns, "real", "better", "low", "high"])


def compare(
    a: Path,
    b: Path,
    correction: str = "holm",
    seed: int = 0,
    rounds: int | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Comparison:
    """Of two folders that `glotmill eval run` wrote.

    `rounds` of randomisation: by default as many as so many languages need. `told` hears of the progress. ConfigError
    for an unknown correction, SourceError where a folder is no evaluation or where nothing can be compared.
    """
    if correction not in paired.CORRECTIONS:
        near = "".join(f"; did you mean {one!r}?" for one in nearest(correction, paired.CORRECTIONS, 1))
        raise ConfigError(f"unknown correction {correction!r}: expected {', '.join(paired.CORRECTIONS)}{near}")
    first, second = Report.read(a), Report.read(b)
    scores_a, scores_b = _by_key(first), _by_key(second)
    common = [key for key in scores_a if key in scores_b]
    families = Counter(_family(key) for key in common)
    found: list[Difference] = []
    refused: list[Refused] = []
    for place, key in enumerate(common):
        try:
            pairing = _pair(_folder(a), _folder(b), scores_a[key], scores_b[key])
            found.append(_test(scores_a[key], pairing, families[_family(key)], seed, rounds))
        except UserError as error:
            refused.append(Refused(*key, str(error)))
        told(place + 1, len(common))
    if not found:
        raise SourceError(_nothing(a, b, common, refused))
    differences = _correct(found, correction)
    return Comparison(
        first.model,
        second.model,
        tuple(differences),
        tuple(_overall(differences)),
        tuple(refused),
        tuple(_notes(scores_a, scores_b, differences, correction, families, rounds)),
        correction,
    )


@dataclass(frozen=True)
class _Pairing:
    """The rows [n, k] of both systems for the same items, and how many items each has alone."""

    metric: Metric
    a: Rows
    b: Rows
    only_a: int
    only_b: int


def _by_key(report: Report) -> dict[Key, Score]:
    return {(one.suite, one.task, one.language, one.metric, one.group): one for one in report.scores}


def _family(key: Key) -> tuple[str, str, str]:
    """What is corrected together: all languages and groups of a metric of a task."""
    return key[0], key[1], key[3]


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _pair(folder_a: Path, folder_b: Path, a: Score, b: Score) -> _Pairing:
    """The rows that can be compared; SourceError says why there are none."""
    metric = metric_of(a.metric)
    _agree(metric, a, b)
    sides = []
    for folder, score in ((folder_a, a), (folder_b, b)):
        path = examples_path(folder, score.suite, score.task, score.language, score.group)
        try:
            ids, rows = read_statistics(path, score.metric)
        except ValueError:  # rows of unequal lengths
            raise SourceError(f"{path} has rows of {score.metric} of unequal lengths: run it again") from None
        if len(set(ids)) < len(ids):
            twice = next(one for one, count in Counter(ids).items() if count > 1)
            raise SourceError(f"{path} has the item {twice} twice: its items cannot be paired")
        sides.append((dict(zip(ids, range(len(ids)), strict=True)), rows))
    (places_a, rows_a), (places_b, rows_b) = sides
    both = [one for one in places_a if one in places_b]
    if not both:
        raise SourceError(f"no item is in both: {len(rows_a)} items in A, {len(rows_b)} others in B")
    if rows_a.shape[1] != rows_b.shape[1]:
        raise SourceError(
            f"A has {rows_a.shape[1]} numbers an item and B {rows_b.shape[1]}: they were asked in other ways (prompts)"
        )
    return _Pairing(
        metric,
        rows_a[[places_a[one] for one in both]],
        rows_b[[places_b[one] for one in both]],
        len(rows_a) - len(both),
        len(rows_b) - len(both),
    )


def _agree(metric: Metric, a: Score, b: Score) -> None:
    """SourceError where the signatures say that the scores are of other data or other options."""
    parts_a, parts_b = signature_parts(a.signature), signature_parts(b.signature)
    for key in dict.fromkeys((*_SAME, *signature_parts(metric.options))):
        if parts_a.get(key) != parts_b.get(key):
            what = {"data": "other data", "options": "other options of its metric"}.get(key, f"another {key}")
            seen = f"{key} is {parts_a.get(key, 'not told')} in A and {parts_b.get(key, 'not told')} in B"
            raise SourceError(f"B was scored on {what}: {seen}; evaluate both the same way")


def _test(score: Score, pairing: _Pairing, tests: int, seed: int, rounds: int | None) -> Difference:
    metric, a, b = pairing.metric, pairing.a, pairing.b
    score_a, score_b = metric.score(a), metric.score(b)
    p = paired.randomisation(metric, a, b, rounds or paired.rounds_for(metric, tests), seed)
    if score_a is None or score_b is None or p is None:
        raise SourceError(f"no {metric.name} comes of the items that both have: some statistics are not numbers")
    resampled = paired.bootstrap(metric, a, b, seed)
    return Difference(
        suite=score.suite,
        task=score.task,
        language=score.language,
        metric=score.metric,
        group=score.group,
        score_a=score_a,
        score_b=score_b,
        difference=score_b - score_a,
        interval=resampled.interval if resampled else None,
        p_bootstrap=resampled.p if resampled else None,
        p=p,
        p_corrected=p,
        n=len(a),
        only_a=pairing.only_a,
        only_b=pairing.only_b,
        main=score.main,
        higher_is_better=score.higher_is_better,
    )


def _correct(found: Sequence[Difference], method: str) -> list[Difference]:
    families: dict[tuple[str, str, str], list[int]] = {}
    for place, one in enumerate(found):
        families.setdefault((one.suite, one.task, one.metric), []).append(place)
    differences = list(found)
    for places in families.values():
        adjusted = paired.corrected([found[place].p for place in places], method)
        for place, p in zip(places, adjusted, strict=True):
            differences[place] = replace(found[place], p_corrected=p)
    return differences


def _overall(differences: Sequence[Difference]) -> list[Overall]:
    members: dict[tuple[str, str, str, str], list[Difference]] = {}
    for one in differences:
        members.setdefault((one.suite, one.task, one.metric, one.group), []).append(one)
    found = []
    for key, ones in members.items():
        better = Counter(one.better for one in ones)
        values = [one.difference for one in ones]
        bounds = mean_interval(values, [one.interval for one in ones])
        languages = len({one.language for one in ones})
        mean, main = statistics.fmean(values), any(one.main for one in ones)
        found.append(Overall(*key, languages, mean, bounds, better["A"], better["B"], better[""], main))
    return found


def _notes(
    a: Mapping[Key, Score],
    b: Mapping[Key, Score],
    differences: Sequence[Difference],
    correction: str,
    families: Mapping[tuple[str, str, str], int],
    rounds: int | None,
) -> list[str]:
    """What a reader must know beside the figures."""
    notes = []
    for name, own, other in (("A", a, b), ("B", b, a)):
        alone = [key for key in own if key not in other]
        if alone:
            tasks = ", ".join(sorted({key[1] for key in alone}))
            notes.append(f"{len(alone)} scores are in {name} alone ({tasks}): they are not compared")
    for name, counts in (("A", [one.only_a for one in differences]), ("B", [one.only_b for one in differences])):
        if any(counts):
            scores = sum(1 for count in counts if count)
            notes.append(f"{sum(counts)} items of {scores} scores are in {name} alone: they were left out of both")
    notes += _other_ways(a, b)
    for family in dict.fromkeys((one.suite, one.task, one.metric) for one in differences):
        count = rounds or paired.rounds_for(metric_of(family[2]), families[family])
        tests = 1 if correction == "none" else families[family]
        if tests / (count + 1) > 1 - LEVEL:
            notes.append(
                f"{family[1]} {family[2]}: {count} rounds cannot show a real difference among {tests} scores; "
                f"{round(2 * tests / (1 - LEVEL))} can"
            )
    return notes


def _other_ways(a: Mapping[Key, Score], b: Mapping[Key, Score]) -> list[str]:
    """What else the signatures differ in: versions, seeds, examples in the prompt."""
    seen: dict[tuple[str, str, str], set[str]] = {}
    for key in a:
        if key not in b:
            continue
        parts_a, parts_b = signature_parts(a[key].signature), signature_parts(b[key].signature)
        for name in dict.fromkeys((*parts_a, *parts_b)):
            pair = parts_a.get(name, "not told"), parts_b.get(name, "not told")
            if name not in (*_SAME, *_OWN) and pair[0] != pair[1]:
                seen.setdefault((name, *pair), set()).add(key[1])
    return [
        f"{name} is {one} in A and {other} in B ({', '.join(sorted(tasks))})"
        for (name, one, other), tasks in seen.items()
    ]


def _nothing(a: Path, b: Path, common: Sequence[Key], refused: Sequence[Refused]) -> str:
    if not common:
        return f"{a} and {b} have no score in common: evaluate both on the same suites, tasks and languages"
    first = refused[0]
    return (
        f"none of the {len(common)} scores that {a} and {b} share can be compared; "
        f"{first.task} in {first.language}: {first.why}"
    )
