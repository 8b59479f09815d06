"""A metric, apart from the statistics that it is made of: so scores can be bootstrapped, compared and made again.

Every item of a task leaves a row of statistics. A metric turns the rows into one number: most need their sums alone,
some need the rows themselves. What cannot be told (no items) is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

Rows = npt.NDArray[np.float64]
LEVEL: Final = 0.95
RESAMPLES: Final = 1_000
_RESAMPLES_WHOLE: Final = 200  # of metrics that need the rows themselves
_AT_ONCE: Final = 2_000_000  # cells of a table of counts


@dataclass(frozen=True)
class Metric:
    """A name, what it was computed with, and how rows of statistics [n, k] become a number.

    `of_sums` takes sums of rows, [b, k], and how many rows there were, and gives [b] scores; `of_rows` takes the rows.
    One of both is set. `proportion`: the score is a mean of values from 0 to 1, whose interval is Wilson's where all
    are 0 or 1.
    """

    name: str
    options: str = ""  # as in a signature: "nw:2|tok:13a"
    of_sums: Callable[[Rows, int], Rows] | None = None
    of_rows: Callable[[Rows], float] | None = None
    proportion: bool = False
    higher_is_better: bool = True

    def score(self, rows: Rows) -> float | None:
        """The score of all rows; None where there are none, or where no number comes of them."""
        if not len(rows):
            return None
        value = float(self.of_sums(rows.sum(0, keepdims=True), len(rows))[0]) if self.of_sums else self._whole(rows)
        return value if np.isfinite(value) else None

    def resampled(self, rows: Rows, picks: npt.NDArray[np.int64]) -> Rows:
        """The scores of samples of rows: `picks` [b, n] are places of rows. [b]"""
        if self.of_sums is None:
            return np.array([self._whole(rows[chosen]) for chosen in picks])
        sums = np.empty((len(picks), rows.shape[1]))
        step = max(1, _AT_ONCE // max(1, len(rows)))
        for start in range(0, len(picks), step):
            chosen = picks[start : start + step]
            counts = np.zeros((len(chosen), len(rows)))
            np.add.at(counts, (np.arange(len(chosen))[:, None], chosen), 1)
            sums[start : start + step] = counts @ rows
        return self.of_sums(sums, picks.shape[1])

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

    def to_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "method": self.method}


def interval(metric: Metric, rows: Rows, seed: int = 0) -> Interval | None:
    """The interval of a score over items; None where nothing can be said.

    A mean of zeros and ones has Wilson's, since a bootstrap of all ones says that nothing is in doubt; other scores
    have the percentiles of a bootstrap over items, of which there must be two.
    """
    n = len(rows)
    if not n or metric.score(rows) is None:
        return None
    if metric.proportion and rows.shape[1] == 1 and bool(np.isin(rows[:, 0], (0.0, 1.0)).all()):
        bounds = stats.binomtest(int(rows[:, 0].sum()), n).proportion_ci(LEVEL, "wilson")
        return Interval(float(bounds.low), float(bounds.high), "wilson")
    if n < 2:
        return None
    resamples = RESAMPLES if metric.of_sums else _RESAMPLES_WHOLE
    values = metric.resampled(rows, draws(n, resamples, seed))
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(values, [tail, 100 - tail])
    return Interval(float(low), float(high), f"bootstrap:{resamples}")


def draws(n: int, resamples: int, seed: int) -> npt.NDArray[np.int64]:
    """Places of `n` items, drawn with replacement, [resamples, n]: the same for the same seed."""
    return np.random.default_rng([seed, n]).integers(0, n, (resamples, n))
