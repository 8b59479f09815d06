"""The statistics of a collection as one HTML page that needs nothing else: tables, bars, histograms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape

from collection.languages import Language, find
from collection.stats import LanguageStats, total
from core.html.page import COLOURS, bar, document, table


def render(languages: Mapping[str, LanguageStats], title: str) -> str:
    """The page. `languages` as `stats.by_language` gives them."""
    everything = total(languages.values())
    known = {code: language for code in languages if (language := find(code))}
    aya = {language.aya for language in known.values() if language.aya}
    summary = (
        f"{everything.rows:,} rows, {everything.turns:,} turns, {len(languages)} languages, {len(aya)} of Aya's 101"
    )
    parts = [
        f"<h1>{escape(title)}</h1><p>{summary}</p>",
        "<h2>Resource classes</h2>",
        _shares(_by_class(languages, known), everything.rows),
        "<h2>Length of the answers</h2>",
        _histogram(everything.lengths),
    ]
    for name, what in (("origin", "Origins"), ("source", "Sources"), ("license", "Licences"), ("split", "Splits")):
        parts += [f"<h2>{what}</h2>", _shares(everything.by[name], everything.rows)]
    parts += ["<h2>Languages</h2>", _languages(languages, known, everything)]
    return document(title, "".join(parts))


def _by_class(languages: Mapping[str, LanguageStats], known: Mapping[str, Language]) -> Counter[str]:
    rows: Counter[str] = Counter()
    for code, one in languages.items():
        language = known.get(code)
        rows[(language and language.resource) or "outside Aya"] += one.rows
    return rows


def _shares(counts: Mapping[str, int], whole: int) -> str:
    """A table of names with their counts, the largest first, and a bar for each."""
    rows = [
        (escape(name) or "none", f"{count:,}", f"{count / max(whole, 1):.1%}", bar([(count, COLOURS[0])], whole))
        for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return table(("", "rows", "share", ""), rows)


def _languages(languages: Mapping[str, LanguageStats], known: Mapping[str, Language], everything: LanguageStats) -> str:
    """A row a language, with its rows as a bar, by origin."""
    origins = [name for name, _ in everything.by["origin"].most_common()]
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(origins)}
    key = "".join(f'<i style="background:{colour}"></i>{escape(name)}' for name, colour in colours.items())
    most = max((one.rows for one in languages.values()), default=0)
    rows = []
    for code, one in languages.items():
        language = known.get(code)
        pieces = [(one.by["origin"][name], colours[name]) for name in origins]
        rows.append(
            (
                escape(code),
                f'<span dir="auto">{escape(language.name if language else "")}</span>',
                escape((language and language.resource) or ""),
                f"{one.rows:,}",
                f"{one.prompt_characters / max(one.rows, 1):,.0f}",
                f"{one.target_characters / max(one.rows, 1):,.0f}",
                bar(pieces, most),
            )
        )
    head = ("language", "name", "resources", "rows", "prompt, characters", "answer, characters", "rows by origin")
    return f'<p class="key">{key}</p>{table(head, rows)}'


def _histogram(lengths: Mapping[int, int]) -> str:
    """Rows by the length of their answers, in powers of two."""
    if not lengths:
        return "<p>no rows</p>"
    powers = range(min(lengths), max(lengths) + 1)
    most, wide, high = max(lengths.values()), 46, 150
    bars = []
    for place, power in enumerate(powers):
        count = lengths.get(power, 0)
        height = high * count / most
        bars.append(
            f'<rect x="{place * wide + 4}" y="{high - height + 14:.1f}" width="{wide - 8}" height="{height:.1f}" '
            f'fill="{COLOURS[0]}"><title>{count:,} rows</title></rect>'
            f'<text x="{place * wide + wide / 2}" y="{high + 28}" text-anchor="middle">{1 << power:,}</text>'
            f'<text x="{place * wide + wide / 2}" y="{high - height + 10:.1f}" text-anchor="middle">{count:,}</text>'
        )
    return (
        f'<svg width="{wide * len(powers)}" height="{high + 48}" role="img" aria-label="rows by length of the answer">'
        f'{"".join(bars)}<text x="0" y="{high + 44}">characters, from</text></svg>'
    )
