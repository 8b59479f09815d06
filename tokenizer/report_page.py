"""Render reports of tokenizers as one HTML page: what each language costs, in plots and tables."""

from __future__ import annotations

from collections.abc import Sequence

from core.html.page import render_page
from core.html.plots import Dot, DotPlot, dot_plot
from core.html.table import COLOURS, PageCell, PageTable, bar
from tokenizer.report import LanguageFigures, TokenizerReport, resource_of


def render(reports: Sequence[TokenizerReport], title: str) -> str:
    """Return the page for one or more tokenizers, measured on the same texts."""
    return render_page(
        "tokenizer",
        "report_page.html.j2",
        title=title,
        reports=reports,
        tokenizers=_tokenizers(reports),
        plot=_plot(reports),
        groups=_groups,
        languages=_languages,
    )


def _cost(figures: LanguageFigures) -> float:
    """Return what is drawn: parity, or tokens per byte where there is no parity."""
    return figures.parity if figures.parity is not None else figures.tokens_per_byte


def _tokenizers(reports: Sequence[TokenizerReport]) -> PageTable:
    summaries = [report.to_json() for report in reports]
    most = max((summary["worst_parity"] or 0 for summary in summaries), default=0)
    means = ("mean_parity", "worst_parity", "tokens_per_text", "tokens_per_byte")
    rows: list[tuple[str | PageCell, ...]] = [
        (
            report.tokenizer,
            f"{report.size:,}",
            *(_number(summary[name]) for name in means),
            f"{summary['byte_share']:.3%}",
            f"{summary['unknown_share']:.3%}",
            bar(summary["worst_parity"] or 0, most, index % COLOURS),
        )
        for index, (report, summary) in enumerate(zip(reports, summaries, strict=True))
    ]
    costs = ("mean parity", "worst parity", "tokens per text", "tokens per byte", "byte tokens", "unknown tokens")
    head = ("tokenizer", "pieces", *costs, "worst parity, drawn")
    return PageTable("tokenizers", head, rows)


def _plot(reports: Sequence[TokenizerReport]) -> DotPlot | None:
    """Return a column for each language, the most costly under the first tokenizer to the left."""
    order = {figures.code: column for column, figures in enumerate(reports[0].worst)}
    dots = [
        Dot(figures.code, report.tokenizer, _cost(figures))
        for report in reports
        for figures in report.figures
        if figures.code in order
    ]
    dots.sort(key=lambda dot: order[dot.label])
    colours = {report.tokenizer: index % COLOURS for index, report in enumerate(reports)}
    return dot_plot("cost of each language", dots, colours, "{:.3f}".format, with_zero=True)


def _groups(report: TokenizerReport, kind: str) -> PageTable:
    """Return the means by script or by resource class."""
    groups = report.by((lambda figures: figures.code[4:]) if kind == "script" else resource_of)
    costs = {name: summary["mean_parity"] or summary["tokens_per_byte"] for name, summary in groups.items()}
    most = max(costs.values(), default=0)
    rows: list[tuple[str | PageCell, ...]] = [
        (
            name,
            f"{summary['languages']}",
            *(_number(summary[column]) for column in ("mean_parity", "worst_parity", "tokens_per_byte")),
            f"{summary['byte_share']:.3%}",
            bar(costs[name], most),
        )
        for name, summary in groups.items()
    ]
    head = (kind, "languages", "mean parity", "worst parity", "tokens per byte", "byte tokens", "")
    return PageTable(f"{report.tokenizer} by {kind}", head, rows)


def _languages(report: TokenizerReport) -> PageTable:
    most = max(map(_cost, report.figures), default=0)
    rows = [
        (
            figures.code,
            figures.language.name if figures.language else figures.code,
            f"{figures.texts:,}",
            _number(figures.tokens_per_word),
            _number(figures.tokens_per_byte),
            f"{figures.byte_share:.3%}",
            f"{figures.unknown_share:.3%}",
            _number(figures.parity),
            bar(_cost(figures), most),
        )
        for figures in report.worst
    ]
    costs = ("tokens per word", "tokens per byte", "byte tokens", "unknown tokens", "parity", "")
    head = ("language", "name", "texts", *costs)
    return PageTable(f"languages of {report.tokenizer}", head, rows, text_columns=2, languages=True)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
