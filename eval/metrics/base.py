"""A metric, apart from the statistics that it is made of: so scores can be bootstrapped, compared and made again.

Every item of a task leaves a row of statistics. A metric turns the rows into one number: most need their sums alone,
some need the rows themselves. What cannot be told (no items) is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

Rows = npt.NDArray[np.float64]
LEVEL: Final = 0.95
RESAMPLES: Final = 1_000
_RESAMPLES_WHOLE: Final = 200  # of metrics that need the rows themselves
_AT_ONCE: Final = 1_000_000  # places that are drawn together
_NOTHING: Final = 1e-12  # sums in another order differ by as much


@dataclass(frozen=True)
class Metric:
    """A name, what it was computed with, and how rows of statistics [n, k] become a number.

    `of_sums` takes sums of rows, [b, k], and how many rows there were, and gives [b] scores; `of_rows` takes the rows.
    One of both is set. `contributions`, beside `of_rows`: [n] numbers whose mean is the score, each made of all rows.
    Items are then drawn with what they contribute to the whole: where a row's worth hangs on its rivals, samples that
    lack some of them would score too high. `proportion`: the score is a mean from 0 to 1, whose interval is Wilson's
    where all values are 0 or 1.
    """

    name: str
    options: str = ""  # as in a signature: "nw:2|tok:13a"
    of_sums: Callable[[Rows, int], Rows] | None = None
    of_rows: Callable[[Rows], float] | None = None
    contributions: Callable[[Rows], Rows] | None = None
    proportion: bool = False
    higher_is_better: bool = True

    def score(self, rows: Rows) -> float | None:
        """The score of all rows; None where there are none, or where no number comes of them."""
        if not len(rows):
            return None
        value = float(self.of_sums(rows.sum(0, keepdims=True), len(rows))[0]) if self.of_sums else self._whole(rows)
        return value if np.isfinite(value) else None

    def drawn_from(self, rows: Rows) -> tuple[Metric, Rows]:
        """The metric and the rows [n, k] by which items are drawn: itself, or the mean of what each contributes."""
        if self.contributions is None:
            return self, rows
        apart = mean(self.name, self.options, proportion=self.proportion, higher_is_better=self.higher_is_better)
        return apart, self.contributions(rows)[:, None]

    def resampled(self, rows: Rows, picks: Iterable[npt.NDArray[np.int64]]) -> Rows:
        """The scores of samples of rows: each of the `picks`, [n], has places of rows. [b]"""
        if self.of_sums is None:
            return np.array([self._whole(rows[chosen]) for chosen in picks])
        sums = [np.bincount(chosen, minlength=len(rows)) @ rows for chosen in picks]
        return self.of_sums(np.array(sums), len(rows))

    def _whole(self, rows: Rows) -> float:
        assert self.of_rows is not None
        return float(self.of_rows(rows))


def mean(name: str, options: str = "", *, proportion: bool = False, higher_is_better: bool = True) -> Metric:
    """The mean of the first column."""
    return Metric(
        name, options, lambda sums, n: sums[:, 0] / n, proportion=proportion, higher_is_better=higher_is_better
    )


def median_of_means(name: str, options: str = "") -> Metric:
    """The median over columns, one a prompt, of their means: Aya's score of a task that is asked in several ways."""
    return Metric(name, options, lambda sums, n: np.median(sums / n, axis=1), proportion=True)


@dataclass(frozen=True)
class Interval:
    """Between which bounds the score of another sample of such items would lie, 95 times of 100."""

    low: float
    high: float
    method: str


def interval(metric: Metric, rows: Rows, seed: int = 0) -> Interval | None:
    """The interval of a score over items; None where nothing can be said.

    A mean of zeros and ones has Wilson's, since a bootstrap of all ones says that nothing is in doubt; other scores
    have the percentiles of a bootstrap over items. Where all samples score the same, a bootstrap says nothing: then a
    median over prompts has the interval of the prompt that is the median, and others have none.
    """
    if not len(rows) or metric.score(rows) is None:
        return None
    metric, rows = metric.drawn_from(rows)
    binary = metric.proportion and bool(np.isin(rows, (0.0, 1.0)).all())
    if binary and rows.shape[1] == 1:
        return _wilson(rows[:, 0])
    resamples = RESAMPLES if metric.of_sums else _RESAMPLES_WHOLE
    values = metric.resampled(rows, draws(len(rows), resamples, seed)) if len(rows) > 1 else np.empty(0)
    values = values[np.isfinite(values)]
    if not len(values) or np.ptp(values) <= _NOTHING * max(1.0, abs(values[0])):
        return _wilson(_median_column(rows)) if binary else None
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(values, [tail, 100 - tail])
    if metric.proportion:  # contributions may be negative
        low, high = max(low, 0.0), min(high, 1.0)
    return Interval(float(low), float(high), f"bootstrap:{resamples}")


def _wilson(values: Rows) -> Interval:
    """Of zeros and ones, [n]."""
    bounds = stats.binomtest(int(values.sum()), len(values)).proportion_ci(LEVEL, "wilson")
    return Interval(float(bounds.low), float(bounds.high), "wilson")


def _median_column(rows: Rows) -> Rows:
    """The column [n] whose mean is the median of all columns' means; of two in the middle the lower."""
    means = rows.mean(0)
    return rows[:, np.argsort(means, kind="stable")[(len(means) - 1) // 2]]


def draws(n: int, resamples: int, seed: int, at_once: int = _AT_ONCE) -> Iterator[npt.NDArray[np.int64]]:
    """Samples of the places of `n` items, drawn with replacement, [n] each: the same for the same seed.

    `at_once` places are drawn together, which saves time, takes their memory, and changes no number.
    """
    chance = np.random.default_rng([seed, n])
    step = max(1, at_once // max(1, n))
    for start in range(0, resamples, step):
        yield from chance.integers(0, n, (min(step, resamples - start), n))
