"""Reports of tokenizers as one HTML page that needs nothing else: what differs, by language, in plots and tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from core.html.page import COLOURS, bar, document, table
from tokenizer.report import LanguageFigures, Report, resource_of


def render(reports: Sequence[Report], title: str) -> str:
    """The page for one or more tokenizers on the same texts."""
    parts = [f"<h1>{escape(title)}</h1>", "<h2>Tokenizers</h2>", _tokenizers(reports)]
    if len(reports) > 1:
        key = "".join(
            f'<i style="background:{_colour(place)}"></i>{escape(one.tokenizer)}' for place, one in enumerate(reports)
        )
        parts.append(f'<p class="key">{key}</p>')
    parts += ["<h2>By language</h2>", _plot(reports), "<h2>By script</h2>"]
    for one in reports:
        if len(reports) > 1:
            parts.append(f"<h3>{escape(one.tokenizer)}</h3>")
        parts += [_groups(one, "script"), _groups(one, "resources")]
    parts.append("<h2>Figures of every language</h2>")
    for one in reports:
        parts += [f"<h3>{escape(one.tokenizer)}</h3>" if len(reports) > 1 else "", _languages(one)]
    return document(title, "".join(parts))


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _figure(one: LanguageFigures) -> float:
    """What is drawn: parity, or where there is none tokens a byte."""
    return one.parity if one.parity is not None else one.tokens_per_byte


def _tokenizers(reports: Sequence[Report]) -> str:
    rows = []
    most = max((one.to_json()["worst_parity"] or 0 for one in reports), default=0)
    for place, one in enumerate(reports):
        told = one.to_json()
        rows.append(
            (
                escape(one.tokenizer),
                f"{one.size:,}",
                *(
                    _number(told[name])
                    for name in ("mean_parity", "worst_parity", "tokens_per_text", "tokens_per_byte")
                ),
                f"{told['byte_share']:.3%}",
                f"{told['unknown_share']:.3%}",
                bar([(told["worst_parity"] or 0, _colour(place))], most),
            )
        )
    head = (
        "tokenizer",
        "pieces",
        "mean parity",
        "worst parity",
        "tokens a text",
        "tokens a byte",
        "bytes",
        "unknown",
        "worst",
    )
    return table(head, rows)


def _plot(reports: Sequence[Report]) -> str:
    """A column a language, the dearest under the first tokenizer to the left; a dot for every tokenizer."""
    order = [one.code for one in reports[0].worst]
    if not order:
        return "<p>no texts</p>"
    wide, high, left = 5, 220, 40
    most = max(_figure(one) for report in reports for one in report.figures) or 1.0
    drawn = []
    for share in range(5):
        value, y = most * share / 4, 10 + high * (1 - share / 4)
        drawn.append(
            f'<line x1="{left}" x2="{left + wide * len(order)}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"/>'
            f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>'
        )
    for place, report in enumerate(reports):
        found = {one.code: one for one in report.figures}
        for column, code in enumerate(order):
            if code in found:
                y = 10 + high * (1 - _figure(found[code]) / most)
                drawn.append(
                    f'<circle cx="{left + wide * column + wide / 2:.1f}" cy="{y:.1f}" r="2.2" fill="{_colour(place)}">'
                    f"<title>{escape(_name(found[code]))}: {_figure(found[code]):.3f}</title></circle>"
                )
    return (
        f'<svg width="{left + wide * len(order) + 10}" height="{high + 20}" role="img" '
        f'aria-label="cost of each language">{"".join(drawn)}</svg>'
    )


def _groups(report: Report, kind: str) -> str:
    groups = report.by((lambda one: one.code[4:]) if kind == "script" else resource_of)
    most = max((told["mean_parity"] or told["tokens_per_byte"] for told in groups.values()), default=0)
    rows = [
        (
            escape(name),
            f"{told['languages']}",
            *(_number(told[column]) for column in ("mean_parity", "worst_parity", "tokens_per_byte")),
            f"{told['byte_share']:.3%}",
            bar([(told["mean_parity"] or told["tokens_per_byte"], COLOURS[0])], most),
        )
        for name, told in groups.items()
    ]
    return table((kind, "languages", "mean parity", "worst", "tokens a byte", "bytes", ""), rows)


def _languages(report: Report) -> str:
    most = max(map(_figure, report.figures), default=0)
    rows = [
        (
            escape(one.code),
            f'<span dir="auto">{escape(_name(one))}</span>',
            f"{one.texts:,}",
            _number(one.tokens_per_word),
            _number(one.tokens_per_byte),
            f"{one.byte_share:.3%}",
            f"{one.unknown_share:.3%}",
            _number(one.parity),
            bar([(_figure(one), COLOURS[0])], most),
        )
        for one in report.worst
    ]
    head = ("language", "name", "texts", "tokens a word", "tokens a byte", "bytes", "unknown", "parity", "")
    return table(head, rows)


def _name(one: LanguageFigures) -> str:
    return one.language.name if one.language else one.code


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3f}"
