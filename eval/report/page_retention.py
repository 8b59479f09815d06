"""What is left of a score when embeddings are cut and rounded: a heat table of dimension and precision by language."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from eval.report import rollup
from eval.report.page_parts import table, text
from eval.report.page_style import HEATS
from eval.report.rollup import Unit
from eval.results import Score

_STEPS: Final = (0.99, 0.97, 0.94, 0.90, 0.80, 0.65)  # a share below the first is tinted, below the last most


def retention(units: Sequence[Unit]) -> str:
    """Of the units of one metric of a task: shares of the score in all dimensions and floats; nothing without them."""
    groups = [unit.group for unit in units]
    full = next((unit for unit in units if rollup.is_full(unit.group, groups)), None)
    order = sorted((unit for unit in units if unit is full or rollup.size(unit.group)), key=_order)
    if full is None or len(order) < 2:
        return ""
    by_group = {unit.group: {one.language: one for one in unit.scores} for unit in order}
    whole = by_group[full.group]
    others = [group for group in by_group if group != full.group]
    languages = sorted({one.language for unit in order for one in unit.scores})
    name = full.group or "all dimensions, float"
    head = ("language", name, *others)
    rows = [
        (
            "all, mean",
            f"{statistics.fmean(one.score for one in full.scores):.3f}",
            *(_all(whole, by_group[group]) for group in others),
        )
    ]
    for code in languages:
        own = whole.get(code)
        shares = [_cell(own, by_group[group].get(code)) for group in others]
        rows.append((text(code), f"{own.score:.3f}" if own else "–", *shares))
    told = (
        f"Shares, in per cent, of the score at {text(name)}, which stands beside the language. "
        "A dash: one of the two scores is missing, or the full one is 0."
    )
    title = f"What is left of {full.metric}, by dimension and precision"
    shown = table(title, head, rows, texts=1, kind="languages")
    return f'<h4>{text(title)}</h4><p class="muted">{told}</p>{shown}'


def share(full: float, other: float) -> float | None:
    """What is left; None of nothing."""
    return other / full if full > 0 else None


def heat(left: float) -> int:
    """The tint of a share: 0 for all but whole."""
    return min(HEATS - 1, sum(left < step for step in _STEPS))


def _order(unit: Unit) -> tuple[int, str]:
    dimension, precision = rollup.size(unit.group) or (0, "")
    ranks = {"float": "0", "float32": "0", "f32": "0", "int8": "1", "uint8": "2", "binary": "3", "ubinary": "4"}
    return (-dimension, ranks.get(precision, precision))


def _all(whole: Mapping[str, Score], group: Mapping[str, Score]) -> str:
    """The share of the means, over the languages that have both."""
    both = [code for code in whole if code in group]
    if not both:
        return "–"
    means = (statistics.fmean(scores[code].score for code in both) for scores in (whole, group))
    return _shown(share(*means))


def _cell(own: Score | None, other: Score | None) -> str:
    return "–" if own is None or other is None else _shown(share(own.score, other.score))


def _shown(left: float | None) -> str:
    return "–" if left is None else f'<td class="h{heat(left)}">{100 * left:.1f}'
