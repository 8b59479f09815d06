"""A page of HTML that needs nothing else: its style, tables, bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

COLOURS: Final = ("#2f6db5", "#d9822b", "#4a9b4f", "#8a5aa8", "#b8443f", "#5f7d95", "#a8893a", "#3e8f93")
_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100% }
th, td { padding: .15rem .6rem .15rem 0; text-align: start; vertical-align: middle }
th { font-weight: 600; border-bottom: 1px solid #8886 }
td.number, th.number { text-align: end; font-variant-numeric: tabular-nums }
td.bar { width: 34% } .bar div { display: flex; height: .8rem } .bar i { display: block; height: 100% }
.key i { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 1rem; vertical-align: -1px }
svg text { font-size: 11px; fill: currentColor }
"""


def document(title: str, body: str, style: str = "") -> str:
    """The whole page; `style` comes after the house's own."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}{style}</style></head>'
        f"<body>{body}</body></html>\n"
    )


def bar(pieces: Iterable[tuple[float, str]], whole: float) -> str:
    """Pieces of a bar, each a number and its colour, as shares of the whole."""
    widths = ((100 * count / (whole or 1), colour) for count, colour in pieces if count)
    drawn = "".join(f'<i style="width:{width:.2f}%;background:{colour}"></i>' for width, colour in widths)
    return f"<div>{drawn}</div>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose last column holds bars; numbers to the right. Cells are HTML."""
    kinds = ["number" if rows and rows[0][index][:1].isdigit() else "" for index in range(len(head))]
    kinds[-1] = "bar"
    first = _cells("th", head, kinds)
    body = "".join(f"<tr>{_cells('td', row, kinds)}</tr>" for row in rows)
    return f"<table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>"


def _cells(tag: str, cells: Sequence[str], kinds: Sequence[str]) -> str:
    return "".join(f'<{tag} class="{kind}">{cell}</{tag}>' for cell, kind in zip(cells, kinds, strict=True))
