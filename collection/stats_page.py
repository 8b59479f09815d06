"""Render the statistics of a collection as one HTML page with tables, bars and a histogram."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from collection.languages import Language, find
from collection.stats import LanguageStats, total
from core.html.page import render_page
from core.html.plots import Histogram, histogram
from core.html.table import COLOURS, PageTable, bar, stacked_bar

_FIELDS: Final = {"origin": "Origins", "source": "Sources", "license": "Licences", "split": "Splits"}


def render(languages: Mapping[str, LanguageStats], title: str) -> str:
    """Return the page.

    Args:
        languages: Statistics by language code, from `stats.by_language`.
        title: The heading of the page.
    """
    everything = total(languages.values())
    known = {code: language for code in languages if (language := find(code))}
    aya = {language.aya for language in known.values() if language.aya}
    origins = {name: index % COLOURS for index, (name, _) in enumerate(everything.by["origin"].most_common())}
    return render_page(
        "collection",
        "stats_page.html.j2",
        title=title,
        summary=(
            f"{everything.rows:,} rows, {everything.turns:,} turns, {len(languages)} languages, {len(aya)} of Aya's 101"
        ),
        classes=_shares("class", _by_class(languages, known), everything.rows),
        lengths=_lengths(everything.lengths),
        fields=[(name, _shares(field, everything.by[field], everything.rows)) for field, name in _FIELDS.items()],
        origins=list(origins.items()),
        languages=_languages(languages, known, origins),
    )


def _by_class(languages: Mapping[str, LanguageStats], known: Mapping[str, Language]) -> Counter[str]:
    rows: Counter[str] = Counter()
    for code, stats in languages.items():
        language = known.get(code)
        rows[(language and language.resource) or "outside Aya"] += stats.rows
    return rows


def _shares(field: str, counts: Mapping[str, int], whole: int) -> PageTable:
    """Return a table of a field's values with their counts, the largest first, and a bar for each."""
    rows = [
        (value or "none", f"{count:,}", f"{count / max(whole, 1):.1%}", bar(count, whole))
        for value, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return PageTable(f"rows by {field}", (field, "rows", "share", ""), rows)


def _languages(
    languages: Mapping[str, LanguageStats], known: Mapping[str, Language], origins: Mapping[str, int]
) -> PageTable:
    """Return a table with a row for each language and a bar of its rows by origin."""
    most = max((stats.rows for stats in languages.values()), default=0)
    rows = []
    for code, stats in languages.items():
        language = known.get(code)
        rows.append(
            (
                code,
                language.name if language else "",
                (language and language.resource) or "",
                f"{stats.rows:,}",
                f"{stats.prompt_characters / max(stats.rows, 1):,.0f}",
                f"{stats.target_characters / max(stats.rows, 1):,.0f}",
                stacked_bar([(stats.by["origin"][name], colour) for name, colour in origins.items()], most),
            )
        )
    words = ("language", "name", "class")
    numbers = ("rows", "characters in a prompt (mean)", "characters in an answer (mean)", "rows by origin")
    return PageTable("languages", (*words, *numbers), rows, text_columns=len(words), languages=True)


def _lengths(lengths: Mapping[int, int]) -> Histogram | None:
    """Return a plot of rows by the length of their answers, in powers of two."""
    powers = range(min(lengths), max(lengths) + 1) if lengths else ()
    counts = {f"{1 << power:,}": lengths.get(power, 0) for power in powers}
    return histogram("rows by length of the answer", counts, "characters, at least")
