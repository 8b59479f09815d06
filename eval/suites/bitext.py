"""Mine bitext: find the translation of each sentence among all sentences of another language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.data.examples import NothingToAsk, identifiers, texts
from eval.data.sources import content_hash, take
from eval.metrics import ranking
from eval.results import Example
from eval.suites.base import TaskRows
from eval.suites.embed import EmbedExamples, EmbedScores, EmbedSuite


@dataclass(frozen=True, kw_only=True)
class BitextExamples(EmbedExamples):
    """Sentences, and the place of each one's translation in the list `target`."""

    gold: Sequence[int]


class BitextSuite(EmbedSuite[BitextExamples]):
    """Bitext mining, scored by F1 as mteb does."""

    help = "sentences and their translations"
    fields = ("source", "target")
    metrics = ("f1", "accuracy_mined")

    def examples(self, data: TaskRows) -> BitextExamples:
        rows, task = data.rows, self.task
        names = identifiers(rows, task)
        pairs = []
        # Files of different languages share their English side: choosing by it takes the same sentences of all.
        for place in take(rows, self.context.limit, lambda place: (texts(rows[place], "target", task), names[place])):
            source, target = texts(rows[place], "source", task), texts(rows[place], "target", task)
            if source and target:
                pairs.append((names[place], source[0], target[0]))
        if not pairs:
            raise NothingToAsk("no row has text on both sides")
        ids, sources, wanted = (list(column) for column in zip(*pairs, strict=True))
        # A sentence that occurs twice is right wherever it is found.
        targets = list(dict.fromkeys(wanted))
        places = {text: place for place, text in enumerate(targets)}
        return BitextExamples(
            ids=ids,
            lists={"source": (sources, "query"), "target": (targets, "query")},
            data=content_hash([sources, wanted]),
            texts={name: (source, target) for name, source, target in pairs},
            gold=[places[text] for text in wanted],
        )

    def score(self, examples: BitextExamples, vectors: Mapping[str, Any]) -> EmbedScores:
        sources, targets = (examples.lists[name][0] for name in ("source", "target"))
        cosines = ranking.cosines(vectors["source"], vectors["target"])
        scored = []
        for name, source, gold, row in zip(examples.ids, sources, examples.gold, cosines, strict=True):
            best = ranking.best(row)
            shown = {"source": source, "expected": targets[gold], "found": targets[best] if best >= 0 else ""}
            scored.append(Example(name, {"f1": (gold, best), "accuracy_mined": (float(best == gold),)}, shown))
        return EmbedScores(scored)
