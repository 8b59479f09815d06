"""Summarize the signatures of a task: what all scores share once, the rest by metric and by language."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from eval.metrics.signature import signature_parts
from eval.report.tables import named
from eval.results import Score


@dataclass(frozen=True)
class SignatureSummary:
    """All that the signatures of a task say."""

    shared: str
    lines: Sequence[str]


def summarize(scores: Sequence[Score]) -> SignatureSummary | None:
    """Return the summary of the scores' signatures; None where there are no signatures."""
    signed = [(score, signature_parts(score.signature)) for score in scores if score.signature]
    if not signed:
        return None
    keys = list(dict.fromkeys(key for _, parts in signed for key in parts))
    shared = [key for key in keys if _depends_on(signed, key, lambda score: "")]
    by_metric = [key for key in keys if key not in shared and _depends_on(signed, key, _metric)]
    by_language = [key for key in keys if key not in (*shared, *by_metric) and _depends_on(signed, key, _language)]
    rest = [key for key in keys if key not in (*shared, *by_metric, *by_language)]
    # A line begins with its metric or language, so these keys would repeat it.
    by_metric = [key for key in by_metric if key not in ("metric", "group")]
    by_language = [key for key in by_language if key != "language"]
    lines = _lines(signed, by_metric, _metric) + _lines(signed, by_language, _language)
    lines += _lines(signed, rest, lambda score: f"{_language(score)} {_metric(score)}")
    return SignatureSummary(_line(signed[0][1], shared), lines)


_Signed = Sequence[tuple[Score, dict[str, str]]]


def _metric(score: Score) -> str:
    return named(score.metric, score.group)


def _language(score: Score) -> str:
    return score.language


def _depends_on(signed: _Signed, key: str, name: Callable[[Score], Hashable]) -> bool:
    """Return whether scores of the same name have the same value of a key."""
    values: dict[Hashable, str | None] = {}
    return all(values.setdefault(name(score), parts.get(key)) == parts.get(key) for score, parts in signed)


def _lines(signed: _Signed, keys: Sequence[str], name: Callable[[Score], str]) -> list[str]:
    """Return a line for each name; a single key is a heading above its values."""
    named_parts = {name(score): parts for score, parts in signed}
    if len(keys) == 1:
        (key,) = keys
        return [f"{key}:", *(f"{prefix} {parts[key]}" for prefix, parts in named_parts.items() if key in parts)]
    return [f"{prefix} {line}" for prefix, parts in named_parts.items() if (line := _line(parts, keys))]


def _line(parts: dict[str, str], keys: Sequence[str]) -> str:
    return "|".join(f"{key}:{parts[key]}" if parts[key] else key for key in keys if key in parts)
