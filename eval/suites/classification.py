"""Classify texts by a probe: a logistic regression that learns from a few vectors of each label, as in MTEB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eval.data.examples import NothingToAsk, identifiers, texts
from eval.data.sources import Row, content_hash, take
from eval.results import Example
from eval.suites.base import TaskRows
from eval.suites.embed import MTEB_SEED, EmbedExamples, EmbedScores, EmbedSuite
from eval.suites.labelled import is_labelled, labelled_texts
from eval.task import Task

_PER_LABEL: Final = 8
_EXPERIMENTS: Final = 10


@dataclass(frozen=True, kw_only=True)
class ClassificationExamples(EmbedExamples):
    """Labelled texts to evaluate on (`test`), and those that probes learn from (`train`)."""

    labels: Sequence[str]
    train_labels: Sequence[str]
    experiments: Sequence[Sequence[int]]  # for each probe, the places in `train` that it learns from


class ClassificationSuite(EmbedSuite[ClassificationExamples]):
    """Classification, scored by the accuracy of ten probes."""

    help = "texts with labels; [id]"
    fields = ("text", "label")
    metrics = ("accuracy_probe", "macro_f1_probe")

    def examples(self, data: TaskRows) -> ClassificationExamples:
        task = self.task
        rows, train_rows = (data.rows, data.train) if data.train else _halves(data.rows, task)
        test = labelled_texts(rows, task, self.context.limit)
        notes = test.notes
        if not data.train:
            notes += (
                f"{task.name}: one split alone is there, so a probe learns from half of it and is judged by the other",
            )
        usable = [row for row in train_rows if is_labelled(row, task)]
        labels = [texts(row, "label", task)[0] for row in usable]
        picks = _undersampled(labels)
        needed = sorted({place for pick in picks for place in pick})
        place_in_train = {place: number for number, place in enumerate(needed)}
        train, train_labels = [texts(usable[place], "text", task)[0] for place in needed], [labels[p] for p in needed]
        if len(set(train_labels)) < 2:
            raise NothingToAsk("the rows to learn from have fewer than two labels")
        return ClassificationExamples(
            ids=test.ids,
            lists={"test": (test.contents, "query"), "train": (train, "query")},
            data=content_hash([test.data, train, train_labels]),
            texts=test.texts,
            options={} if data.train else {"split": "halves"},
            notes=notes,
            labels=test.labels,
            train_labels=train_labels,
            experiments=[[place_in_train[place] for place in pick] for pick in picks],
        )

    def score(self, examples: ClassificationExamples, vectors: Mapping[str, Any]) -> EmbedScores:
        names = sorted({*examples.labels, *examples.train_labels})
        number = {name: place for place, name in enumerate(names)}
        predicted = _predictions(examples, vectors["test"], vectors["train"], number)
        scored = []
        for place, (name, label) in enumerate(zip(examples.ids, examples.labels, strict=True)):
            gold = number[label]
            right = float(np.mean(predicted[place] == gold))
            shown = {"text": examples.lists["test"][0][place], "expected": label}
            statistics = {"accuracy_probe": (right,), "macro_f1_probe": (gold, *map(float, predicted[place]))}
            scored.append(Example(name, statistics, shown))
        return EmbedScores(scored)


def _predictions(
    examples: ClassificationExamples, test_NxD: Any, train_MxD: Any, number: Mapping[str, int]
) -> npt.NDArray[np.int64]:
    """Return the number of the label that each probe predicts for each text, [n, experiments]; -1 where it cannot."""
    from sklearn.linear_model import LogisticRegression

    finite_test = np.isfinite(test_NxD).all(1)
    predicted = np.full((len(test_NxD), len(examples.experiments)), -1)
    for experiment, places in enumerate(examples.experiments):
        vectors = train_MxD[places]
        finite = np.isfinite(vectors).all(1)
        labels = [examples.train_labels[place] for place, is_finite in zip(places, finite, strict=True) if is_finite]
        if len(set(labels)) < 2 or not finite_test.any():
            continue
        probe = LogisticRegression(max_iter=100, random_state=MTEB_SEED)
        probe.fit(vectors[finite], labels)
        predicted[finite_test, experiment] = [number[label] for label in probe.predict(test_NxD[finite_test])]
    # Vectors that are all the same carry no information, whatever label a probe then prefers.
    if not finite_test.any() or not np.ptp(test_NxD[finite_test], axis=0).any():
        predicted[:] = -1
    return predicted


def _halves(rows: Sequence[Row], task: Task) -> tuple[list[Row], list[Row]]:
    """Return rows to evaluate on and rows to learn from, divided by id, so that parallel sets are divided alike."""
    names = identifiers(rows, task)
    test = set(take(rows, (len(rows) + 1) // 2, lambda place: names[place]))
    return (
        [row for place, row in enumerate(rows) if place in test],
        [row for place, row in enumerate(rows) if place not in test],
    )


def _undersampled(labels: Sequence[str]) -> list[list[int]]:
    """Return the places of eight rows of each label, for each of ten experiments, as MTEB draws them."""
    order = list(range(len(labels)))
    picks = []
    for _ in range(_EXPERIMENTS):
        np.random.RandomState(MTEB_SEED).shuffle(order)
        counts: dict[str, int] = defaultdict(int)
        pick = []
        for place in order:
            if counts[labels[place]] < _PER_LABEL:
                pick.append(place)
                counts[labels[place]] += 1
        picks.append(pick)
    return picks
