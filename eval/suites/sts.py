"""Score semantic textual similarity: do cosines rank pairs of sentences as people do?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.data.examples import NothingToAsk, field, identifiers, texts
from eval.data.sources import Row, content_hash, take
from eval.metrics import ranking
from eval.results import Example
from eval.suites.base import TaskRows
from eval.suites.embed import EmbedExamples, EmbedScores, EmbedSuite
from eval.task import Task


@dataclass(frozen=True, kw_only=True)
class StsExamples(EmbedExamples):
    """Pairs of sentences, and the similarity that people gave each."""

    expected: Sequence[float]


class StsSuite(EmbedSuite[StsExamples]):
    """Semantic textual similarity, scored by correlation."""

    help = "pairs of sentences and their similarity"
    fields = ("first", "second", "score")
    metrics = ("spearman", "pearson")

    def examples(self, data: TaskRows) -> StsExamples:
        rows, task = data.rows, self.task
        names = identifiers(rows, task)
        chosen = take(rows, self.context.limit, lambda place: names[place])
        kept = [place for place in chosen if _is_scored(rows[place], task)]
        if not kept:
            raise NothingToAsk("no row has two texts and a number")
        lost = len(chosen) - len(kept)
        ids = [names[place] for place in kept]
        first, second = ([texts(rows[place], side, task)[0] for place in kept] for side in ("first", "second"))
        expected = [float(field(rows[place], "score", task)) for place in kept]
        return StsExamples(
            ids=ids,
            lists={"first": (first, "query"), "second": (second, "query")},
            data=content_hash([first, second, expected]),
            texts=dict(zip(ids, zip(first, second, strict=True), strict=True)),
            notes=(f"{task.name}: {lost} of {len(chosen)} rows lack a text, or a number",) if lost else (),
            expected=expected,
        )

    def score(self, examples: StsExamples, vectors: Mapping[str, Any]) -> EmbedScores:
        first, second = (ranking.unit(vectors[side]) for side in ("first", "second"))
        # Rounded, so that pairs of identical sentences all have exactly the same cosine.
        cosines = np.round((first * second).sum(1), 9)
        cosines = np.where(np.isfinite(cosines), cosines, -1.0)
        scored = []
        for place, name in enumerate(examples.ids):
            row = (examples.expected[place], float(cosines[place]))
            shown = {side: examples.lists[side][0][place] for side in ("first", "second")}
            scored.append(Example(name, {"spearman": row, "pearson": row}, shown))
        return EmbedScores(scored)


def _is_scored(row: Row, task: Task) -> bool:
    try:
        number = float(field(row, "score", task))
    except (TypeError, ValueError):
        return False
    return bool(np.isfinite(number) and texts(row, "first", task) and texts(row, "second", task))
