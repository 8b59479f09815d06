"""Dots with whiskers, one a language, coloured by resource class: an SVG of a few bytes a language."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from eval.metrics.base import Interval
from eval.report.page_parts import box, class_key
from eval.report.page_style import CLASSES
from eval.report.tables import number

_LEFT: Final = 52
_TOP: Final = 10
_HEIGHT: Final = 240


@dataclass(frozen=True)
class Point:
    """A language's value, and its doubt."""

    label: str
    resource: str
    value: float
    interval: Interval | None


def plot(label: str, points: Sequence[Point], mean: float | None = None, zero: bool = False) -> str:
    """Points from the highest to the lowest, with a dashed line at the mean; `zero`: the axis must hold 0."""
    if not points:
        return ""
    points = sorted(points, key=lambda one: (-one.value, one.label))
    ticks = axis([bound for one in points for bound in _reach(one)] + ([0.0] if zero else []))
    slot = max(13, min(28, 1080 // len(points)))
    width = _LEFT + slot * len(points) + 12
    places = [_LEFT + slot * place + slot // 2 for place in range(len(points))]
    said = f"{label}: from {_said(points[0])} to {_said(points[-1])}"
    nought = f'<path class="zero" d="M{_LEFT} {_y(0, ticks)}H{width}"/>' if zero else ""
    drawn = (
        f'<svg width="{width}" height="{_TOP + _HEIGHT + 8}" role="img" aria-label="{escape(said)}">'
        f"{_grid(ticks, width)}{_mean(mean, ticks, width)}{nought}{_marks(points, places, ticks)}</svg>"
    )
    # The names hang below as lines of a text that runs down the page: a tenth of the bytes of SVG's own.
    names = "\n".join(escape(" ".join(one.label.split())) for one in points)
    hung = f'<pre class="names" style="line-height:{slot}px;margin-left:{_LEFT}px">{names}</pre>'
    return class_key(one.resource for one in points) + box(label, drawn + hung)


def _said(one: Point) -> str:
    return f"{number(one.value)} in {one.label}"


def axis(values: Iterable[float]) -> list[float]:
    """Four to nine round numbers that hold all values between the first and the last."""
    values = list(values)
    low, high = min(values), max(values)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.05 * max(1.0, abs(low)), high + 0.05 * max(1.0, abs(high))
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 2.5, 5, 10) if times * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _reach(one: Point) -> tuple[float, ...]:
    return (one.value,) if one.interval is None else (one.value, one.interval.low, one.interval.high)


def _y(value: float, ticks: Sequence[float]) -> int:
    return round(_TOP + _HEIGHT * (ticks[-1] - value) / (ticks[-1] - ticks[0]))


def _grid(ticks: Sequence[float], width: int) -> str:
    return "".join(
        f'<path class="grid" d="M{_LEFT} {_y(tick, ticks)}H{width}"/>'
        f'<text x="{_LEFT - 6}" y="{_y(tick, ticks) + 4}" text-anchor="end">{tick:g}</text>'
        for tick in ticks
    )


def _mean(mean: float | None, ticks: Sequence[float], width: int) -> str:
    if mean is None:
        return ""
    return f'<path class="mean" d="M{_LEFT} {_y(mean, ticks)}H{width}"><title>mean {number(mean)}</title></path>'


def _marks(points: Sequence[Point], places: Sequence[int], ticks: Sequence[float]) -> str:
    """One path of whiskers and one of dots for each class: a closed point of no length is a round dot."""
    whiskers: dict[str, list[str]] = {}
    dots: dict[str, list[str]] = {}
    for one, place in zip(points, places, strict=True):
        name = CLASSES[one.resource]
        dots.setdefault(name, []).append(f"M{place} {_y(one.value, ticks)}z")
        if one.interval is not None:
            high, low = _y(one.interval.high, ticks), _y(one.interval.low, ticks)
            whiskers.setdefault(name, []).append(f"M{place} {high}v{low - high}")
    lines = [f'<path class="whisker {name}" d="{"".join(parts)}"/>' for name, parts in whiskers.items()]
    return "".join(lines + [f'<path class="dot {name}" d="{"".join(parts)}"/>' for name, parts in dots.items()])
