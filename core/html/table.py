"""Describe the tables of a page; the macro `table` in `parts.html.j2` draws them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

# What the stylesheet has: colours, tints, and columns of words before those of numbers.
COLOURS: Final = 8
TINTS: Final = 7
TEXT_COLUMNS: Final = 8


@dataclass(frozen=True)
class PageCell:
    """A cell with more than plain words or a number."""

    text: str = ""
    style: str = ""  # CSS classes: `wrap`, `flag`, `strong`, `bar`, `h0` (no tint) to `h6`
    href: str = ""
    bar: Sequence[tuple[float, int]] = ()  # widths in per cent, each with the index of its colour


@dataclass(frozen=True)
class PageTable:
    """A table whose headers sort it. Words come first, then numbers.

    Rows of a table of `languages` are searched by the page's search box. A table that is also the `reference` adds the
    words of its rows to those of the same language in the other tables.
    """

    label: str
    head: Sequence[str]
    rows: Sequence[Sequence[str | PageCell]] = field(repr=False)
    text_columns: int = 1
    languages: bool = False
    reference: bool = False
    ordered: bool = False  # the rows are in the order of their first column

    def __post_init__(self) -> None:
        if not 1 <= self.text_columns <= TEXT_COLUMNS:
            raise ValueError(f"text_columns is {self.text_columns}; expected 1 to {TEXT_COLUMNS}")


def bar(value: float, whole: float, colour: int = 0) -> PageCell:
    """Return a cell with a bar as long as the value's share of the whole."""
    return stacked_bar([(value, colour)], whole)


def stacked_bar(values: Iterable[tuple[float, int]], whole: float) -> PageCell:
    """Return a cell with a bar of several values, each with the index of its colour, in shares of the whole."""
    shares = [(100 * value / (whole or 1), colour) for value, colour in values if value]
    return PageCell(style="bar", bar=shares)
