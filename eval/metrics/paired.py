"""Two systems on the same items: is their difference more than luck?

A paired bootstrap draws items with replacement and gives the interval of the difference (Koehn, 2004); approximate
randomisation swaps the systems' rows item by item and counts how often luck does as well (Noreen, 1989; Riezler and
Maxwell, 2005). With few items every swap is tried, and the p is exact. Both p are two-sided and never 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from eval.metrics.base import LEVEL, Interval, Metric, Rows, draws

ROUNDS: Final = 10_000
ROUNDS_WHOLE: Final = 1_000  # of metrics that need the rows themselves
MOST: Final = 100_000
MOST_WHOLE: Final = 5_000
_BOOTSTRAP: Final = 1_000
_BOOTSTRAP_WHOLE: Final = 300
_ENOUGH: Final = 0.05  # of the rounds: once luck did as well in so many, no further round makes the difference real
_AT_ONCE: Final = 2_000_000  # cells of a table of swaps
CORRECTIONS: Final = ("holm", "bh", "none")


@dataclass(frozen=True)
class Bootstrap:
    """The interval of a difference, and a p of no difference."""

    interval: Interval
    p: float


def difference(metric: Metric, a: Rows, b: Rows) -> float | None:
    """The score of `b` less that of `a`; None where one has no score."""
    one, other = metric.score(a), metric.score(b)
    return None if one is None or other is None else other - one


def bootstrap(metric: Metric, a: Rows, b: Rows, seed: int = 0) -> Bootstrap | None:
    """The paired bootstrap of rows [n, k] of the same items; None below two items, or where no score comes.

    p: how often a resampled difference lies as far from their mean as that mean from nothing, to both sides.
    (sacrebleu counts one side of the folded differences, and so reads about half of this.)
    """
    observed = difference(metric, a, b)
    if observed is None or len(a) < 2:
        return None
    (drawn, a), (_, b) = metric.drawn_from(a), metric.drawn_from(b)
    rounds = _BOOTSTRAP if drawn.of_sums else _BOOTSTRAP_WHOLE
    first, second = (drawn.resampled(rows, draws(len(rows), rounds, seed)) for rows in (a, b))  # the same draws
    found = second - first
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(found, [tail, 100 - tail])
    as_far = int((np.abs(found - found.mean()) >= _about(abs(observed))).sum())
    return Bootstrap(Interval(float(low), float(high), f"paired_bootstrap:{rounds}"), (as_far + 1) / (len(found) + 1))


def randomisation(metric: Metric, a: Rows, b: Rows, rounds: int, seed: int = 0) -> float | None:
    """p of approximate randomisation; None where one has no score.

    All 2^n swaps where they are no more than `rounds`; else that many drawn ones, (c + 1) / (R + 1). Drawing ends
    early once c is large, which leaves p as valid (Besag and Clifford, 1991). A swap that has no score counts as luck.
    """
    observed = difference(metric, a, b)
    if observed is None:
        return None
    least = _about(abs(observed))
    exact = len(a) < 31 and 1 << len(a) <= rounds
    count = done = 0
    for swaps in _every_swap(len(a)) if exact else _drawn_swaps(len(a), rounds, seed):
        found = np.abs(_swapped(metric, a, b, swaps))
        count, done = count + int((~(found < least)).sum()), done + len(swaps)
        if not exact and count >= max(20, _ENOUGH * rounds):
            break
    return count / done if exact else (count + 1) / (done + 1)


def corrected(ps: Sequence[float], method: str) -> list[float]:
    """p-values of many tests, made larger: `holm` (errors in any), `bh` (share of errors among the found), `none`."""
    if method not in CORRECTIONS:
        raise ValueError(f"unknown correction {method!r}: expected {', '.join(CORRECTIONS)}")
    values = np.asarray(ps, np.float64)
    count = len(values)
    if method == "none" or not count:
        return [float(value) for value in values]
    order = np.argsort(values, kind="stable")
    if method == "holm":
        adjusted = np.maximum.accumulate(values[order] * np.arange(count, 0, -1))
    else:
        raised = values[order] * count / np.arange(1, count + 1)
        adjusted = np.minimum.accumulate(raised[::-1])[::-1]
    found = np.empty(count)
    found[order] = np.minimum(adjusted, 1.0)
    return [float(value) for value in found]


def rounds_for(metric: Metric, tests: int, level: float = 1 - LEVEL) -> int:
    """Rounds that can find a real difference among so many tests: the least p, times the tests, is half the level."""
    usual, most = (ROUNDS, MOST) if metric.of_sums else (ROUNDS_WHOLE, MOST_WHOLE)
    return min(most, max(usual, round(2 * tests / level)))


def _about(value: float) -> float:
    """A little less, so that sums in another order are not another value."""
    return value - 1e-9 * max(1.0, value)


def _swapped(metric: Metric, a: Rows, b: Rows, swaps: npt.NDArray[np.bool_]) -> Rows:
    """The differences with the rows of some items swapped: `swaps` [r, n]. [r]"""
    if metric.of_sums is not None:
        moved = swaps @ (b - a)
        return metric.of_sums(b.sum(0) - moved, len(b)) - metric.of_sums(a.sum(0) + moved, len(a))
    pairs = ((np.where(one[:, None], b, a), np.where(one[:, None], a, b)) for one in swaps)
    scored = ((metric.score(first), metric.score(second)) for first, second in pairs)
    return np.array([np.nan if one is None or other is None else other - one for one, other in scored])


def _every_swap(n: int) -> Iterator[npt.NDArray[np.bool_]]:
    step = 1 << 12
    for start in range(0, 1 << n, step):
        numbers = np.arange(start, min(start + step, 1 << n))
        yield (numbers[:, None] >> np.arange(n)) % 2 == 1


def _drawn_swaps(n: int, rounds: int, seed: int) -> Iterator[npt.NDArray[np.bool_]]:
    chance = np.random.default_rng([seed, n, 1])
    step = max(1, min(200, _AT_ONCE // max(1, n)))
    for start in range(0, rounds, step):
        yield chance.random((min(step, rounds - start), n)) < 0.5
