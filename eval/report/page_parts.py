"""What pages of evaluations are made of: their colours, tables that sort and are searched, words in any script.

Cells and facts are HTML: whatever comes from outside goes through `text` first. Closing tags that HTML lets one leave
out are left out in tables, since a report has ten thousand rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from eval.report.page_style import CLASSES, TEXTS
from eval.report.rollup import RESOURCES, place


def text(value: object) -> str:
    """Anything as HTML; words that may run from right to left are kept from turning what stands beside them."""
    words = escape(str(value))
    return words if words.isascii() else f'<bdi dir="auto">{words}</bdi>'


def table(
    label: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: int,
    kind: str = "",
    ordered: bool = False,
) -> str:
    """A table in a box of its own that scrolls; its headers sort it.

    The first `texts` columns hold words, the others numbers. `ordered`: the rows come by their first column. Cells are
    HTML; one that begins with <td is taken as it is.
    """
    headers = "".join(
        f'<th scope="col" aria-sort="{"ascending" if ordered and not place else "none"}">'
        f'<button type="button">{text(name)}</button></th>'
        for place, name in enumerate(head)
    )
    body = "".join(
        "<tr>" + "".join(cell if cell.startswith("<td") else f"<td>{cell}" for cell in row) + "\n" for row in rows
    )
    classes = f"t{min(texts, TEXTS)}{' ' + kind if kind else ''}"
    return box(
        label,
        f'<table class="{classes}" data-texts="{texts}"><thead><tr>{headers}</tr></thead><tbody>{body}</tbody></table>',
    )


def box(label: str, content: str) -> str:
    """What may be wider than a phone scrolls by itself, by keys too."""
    return f'<div class="box" tabindex="0" role="region" aria-label="{escape(label)}">{content}</div>'


def wrapped(html: str) -> str:
    """A cell whose words may take several lines."""
    return f'<td class="wrap">{html}'


def contamination(share: float | None) -> str:
    """The share of items that are in the training data, flagged where there are any; empty where nobody looked."""
    if share is None:
        return ""
    return f'<td class="flag">⚠ {share:.1%}' if share > 0 else "0.0%"


def fact_list(facts: Iterable[tuple[str, str]]) -> str:
    """Names and what they are."""
    items = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in facts)
    return f'<dl class="facts">{items}</dl>' if items else ""


def bullets(lines: Iterable[str]) -> str:
    """A list of plain sentences."""
    items = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def class_key(resources: Iterable[str]) -> str:
    """Which colour is which resource class."""
    seen = set(resources)
    items = "".join(f'<span><i class="{CLASSES[one]}"></i>{one}</span>' for one in RESOURCES if one in seen)
    return f'<div class="key">{items}</div>'


def language_cells(code: str) -> tuple[str, str, str]:
    """What stands of a language in every table: the rest is in `languages_of`, where the search looks too."""
    where = place(code)
    return text(code), text(where.name), where.resource


def languages_of(codes: Iterable[str]) -> str:
    """A folded table of all languages of the page with their scripts and families, once: it would fill every table."""
    known = [(code, place(code)) for code in sorted(set(codes))]
    rows = [[text(one) for one in (code, at.name, at.script, at.family, at.resource)] for code, at in known]
    head = ("language", "name", "script", "family", "class")
    shown = table("languages of this page", head, rows, texts=5, kind="languages reference", ordered=True)
    return f"<details><summary>Languages, scripts and families ({len(rows)})</summary>{shown}</details>" if rows else ""
