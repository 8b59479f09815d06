"""The signatures of a task in words: what all of its scores share stands once, the rest by metric and by language."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from eval.metrics.signature import signature_parts
from eval.report.page_parts import box, text
from eval.report.tables import named
from eval.results import Score


def signatures(scores: Sequence[Score]) -> str:
    """A folded part of the page that says all that the signatures say."""
    signed = [(one, signature_parts(one.signature)) for one in scores if one.signature]
    if not signed:
        return ""
    keys = list(dict.fromkeys(key for _, parts in signed for key in parts))
    shared = [key for key in keys if _told_by(signed, key, lambda one: "")]
    by_metric = [key for key in keys if key not in shared and _told_by(signed, key, _metric)]
    by_language = [key for key in keys if key not in (*shared, *by_metric) and _told_by(signed, key, _language)]
    rest = [key for key in keys if key not in (*shared, *by_metric, *by_language)]
    body = [f"<p>all: <code>{text(_line(signed[0][1], shared))}</code></p>"]
    # What the line is named after need not be said again.
    by_metric = [key for key in by_metric if key not in ("metric", "group")]
    by_language = [key for key in by_language if key != "language"]
    lines = _lines(signed, by_metric, _metric) + _lines(signed, by_language, _language)
    lines += _lines(signed, rest, lambda one: f"{_language(one)} {_metric(one)}")
    if lines:
        body.append(box("signatures", f"<pre>{text(chr(10).join(lines))}</pre>"))
    return f"<details><summary>Signatures</summary>{''.join(body)}</details>"


_Signed = Sequence[tuple[Score, dict[str, str]]]


def _metric(one: Score) -> str:
    return named(one.metric, one.group)


def _language(one: Score) -> str:
    return one.language


def _told_by(signed: _Signed, key: str, name: Callable[[Score], Hashable]) -> bool:
    """Whether scores of one name all say the same for a key."""
    seen: dict[Hashable, str | None] = {}
    return all(seen.setdefault(name(one), parts.get(key)) == parts.get(key) for one, parts in signed)


def _lines(signed: _Signed, keys: Sequence[str], name: Callable[[Score], str]) -> list[str]:
    """A heading with the keys where there is but one, a line for each name."""
    named_parts = {name(one): parts for one, parts in signed}
    if len(keys) == 1:
        (key,) = keys
        return [f"{key}:", *(f"{who} {parts[key]}" for who, parts in named_parts.items() if key in parts)]
    return [f"{who} {line}" for who, parts in named_parts.items() if (line := _line(parts, keys))]


def _line(parts: dict[str, str], keys: Sequence[str]) -> str:
    return "|".join(f"{key}:{parts[key]}" if parts[key] else key for key in keys if key in parts)
