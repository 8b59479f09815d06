"""Compute the plots of a page; macros in `plots.html.j2` draw them as SVG, in a few bytes for each dot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# Pixels: room for the numbers of the axis on the left, room above the plot, height of the plot.
_LEFT: Final = 52
_TOP: Final = 10
_HEIGHT: Final = 240


@dataclass(frozen=True)
class Dot:
    """A value in the column of its label, in the colour of its series, with the interval around it."""

    label: str
    series: str
    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class DotPlot:
    """Where the template draws each part, in pixels; paths are in SVG's language."""

    label: str
    description: str  # for readers who do not see the plot
    legend: Sequence[tuple[str, int]]
    width: int
    height: int
    left: int
    ticks: Sequence[tuple[int, str]]
    zero: int | None
    mean: tuple[int, str] | None
    paths: Sequence[tuple[str, int, str]]  # `whisker` or `dot`, the index of its colour, the path
    columns: Sequence[str]
    column_width: int


def dot_plot(
    label: str,
    dots: Sequence[Dot],
    colours: Mapping[str, int],
    number: Callable[[float], str],
    mean: float | None = None,
    with_zero: bool = False,
) -> DotPlot | None:
    """Return a plot with a column for each label, in the order of the dots; None without dots.

    Args:
        label: What the plot shows.
        dots: Values, those of the first label first.
        colours: The index of each series' colour, in the order of the legend.
        number: How a value is written.
        mean: Where a dashed line goes.
        with_zero: Whether the axis holds zero, with a line there.
    """
    if not dots:
        return None
    columns = list(dict.fromkeys(dot.label for dot in dots))
    bounds = [bound for dot in dots for bound in (dot.value, *(dot.interval or ()))]
    ticks = axis(bounds + ([0.0] if with_zero else []))
    column_width = max(13, min(28, 1080 // len(columns)))
    x = {name: _LEFT + column_width * index + column_width // 2 for index, name in enumerate(columns)}

    def y(value: float) -> int:
        return round(_TOP + _HEIGHT * (ticks[-1] - value) / (ticks[-1] - ticks[0]))

    first, last = (f"{number(dot.value)} in {dot.label}" for dot in (dots[0], dots[-1]))
    shown = {dot.series for dot in dots}
    return DotPlot(
        label=label,
        description=f"{label}: from {first} to {last}",
        legend=[(name, colour) for name, colour in colours.items() if name in shown] if len(colours) > 1 else [],
        width=_LEFT + column_width * len(columns) + 12,
        height=_TOP + _HEIGHT + 8,
        left=_LEFT,
        ticks=[(y(tick), f"{tick:g}") for tick in ticks],
        zero=y(0) if with_zero else None,
        mean=None if mean is None else (y(mean), number(mean)),
        paths=_paths(dots, colours, x, y),
        columns=[" ".join(name.split()) for name in columns],
        column_width=column_width,
    )


def _paths(
    dots: Iterable[Dot], colours: Mapping[str, int], x: Mapping[str, int], y: Callable[[float], int]
) -> list[tuple[str, int, str]]:
    """Return one path of whiskers and one of dots for each series: a closed line without length is a round dot."""
    whiskers: dict[int, str] = {}
    points: dict[int, str] = {}
    for dot in dots:
        colour, column = colours[dot.series], x[dot.label]
        points[colour] = f"{points.get(colour, '')}M{column} {y(dot.value)}z"
        if dot.interval is not None:
            low, high = map(y, dot.interval)
            whiskers[colour] = f"{whiskers.get(colour, '')}M{column} {high}v{low - high}"
    return [("whisker", *path) for path in whiskers.items()] + [("dot", *path) for path in points.items()]


def axis(values: Iterable[float]) -> list[float]:
    """Return two to nine round numbers; the first and the last enclose all values."""
    values = list(values)
    low, high = min(values), max(values)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.05 * max(1.0, abs(low)), high + 0.05 * max(1.0, abs(high))
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(multiple * step, 12) for multiple in range(first, last + 1)]


@dataclass(frozen=True)
class Histogram:
    """Columns with their counts above and the start of their range below, in pixels."""

    label: str
    unit: str
    column_width: int
    height: int
    columns: Sequence[tuple[str, int, int]]  # start of the range, count, height


def histogram(label: str, counts: Mapping[str, int], unit: str) -> Histogram | None:
    """Return a plot of counts by the start of their range; None without counts."""
    if not counts:
        return None
    height, most = 150, max(counts.values()) or 1
    columns = [(start, count, round(height * count / most)) for start, count in counts.items()]
    return Histogram(label, unit, 46, height, columns)
