"""Compare the scores of cut and quantized embeddings with those of full ones, in a table tinted by the loss."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from core.html.table import TINTS, PageCell, PageTable
from eval.report import rollup
from eval.report.rollup import Unit
from eval.results import Score

# A share below the first step is tinted; a share below the last has the strongest tint.
_STEPS: Final = (0.99, 0.97, 0.94, 0.90, 0.80, 0.65)
_RANKS: Final = {"float": "0", "float32": "0", "f32": "0", "int8": "1", "uint8": "2", "binary": "3", "ubinary": "4"}


def retention_table(units: Sequence[Unit]) -> PageTable | None:
    """Return, by language, each size's share of the score with all dimensions in floats.

    Args:
        units: All units of one metric of a task.

    Returns:
        The table, whose second column is the full score; None unless there are full embeddings and another size.
    """
    groups = [unit.group for unit in units]
    full = next((unit for unit in units if rollup.is_full(unit.group, groups)), None)
    sizes = sorted((unit for unit in units if unit is full or rollup.size(unit.group)), key=_order)
    if full is None or len(sizes) < 2:
        return None
    scores = {unit.group: {score.language: score for score in unit.scores} for unit in sizes}
    full_scores = scores[full.group]
    others = [group for group in scores if group != full.group]
    mean = statistics.fmean(score.score for score in full.scores)
    rows = [("all, mean", f"{mean:.3f}", *(_mean_share(full_scores, scores[group]) for group in others))]
    for code in sorted({score.language for unit in sizes for score in unit.scores}):
        score = full_scores.get(code)
        shares = (_share_cell(score, scores[group].get(code)) for group in others)
        rows.append((code, f"{score.score:.3f}" if score else "–", *shares))
    head = ("language", full.group or "all dimensions, float", *others)
    return PageTable(f"{full.metric} kept, by dimension and precision", head, rows, languages=True)


def share(full: float, other: float) -> float | None:
    """Return the share of the full score that is kept; None where the full score is 0."""
    return other / full if full > 0 else None


def tint(kept: float) -> int:
    """Return the tint of a share: 0, no tint, for 99 % and more."""
    return min(TINTS - 1, sum(kept < step for step in _STEPS))


def _order(unit: Unit) -> tuple[int, str]:
    dimension, precision = rollup.size(unit.group) or (0, "")
    return (-dimension, _RANKS.get(precision, precision))


def _mean_share(full: Mapping[str, Score], other: Mapping[str, Score]) -> str | PageCell:
    """Return the share of the means, over the languages that have both scores."""
    common = [code for code in full if code in other]
    if not common:
        return "–"
    means = (statistics.fmean(scores[code].score for code in common) for scores in (full, other))
    return _cell(share(*means))


def _share_cell(full: Score | None, other: Score | None) -> str | PageCell:
    return "–" if full is None or other is None else _cell(share(full.score, other.score))


def _cell(kept: float | None) -> str | PageCell:
    return "–" if kept is None else PageCell(f"{100 * kept:.1f}", style=f"h{tint(kept)}")
