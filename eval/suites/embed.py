"""Embeddings: do sentences find their translations, questions their answers, topics their like, in every language?

Classification and clustering follow MTEB's protocol to the draw, so that scores equal mteb's on the same vectors.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from collection.languages import Language
from eval.config import EvalConfig
from eval.data.examples import NothingToAsk, field, identifiers, retrieval, texts
from eval.data.sources import Row, content_hash, take
from eval.metrics import ranking
from eval.models.base import EmbedModel, Vectors
from eval.outcome import Outcome
from eval.results import Example
from eval.suites.vector_variants import Space, spaces
from eval.task import Task

_PER_LABEL: Final = 8
_EXPERIMENTS: Final = 10
_DRAWS: Final = 10
_PER_DRAW: Final = 16_384
_SEED: Final = 42  # MTEB's


def run(
    task: Task,
    language: Language,
    rows: Sequence[Row],
    model: EmbedModel,
    config: EvalConfig,
    *,
    train: Sequence[Row] = (),
    corpus: Sequence[Row] | None = None,
) -> Iterator[Outcome]:
    """The outcomes of a task in a language, one for each dimension and precision.

    `train`: rows that a probe learns from; `corpus`: rows whose documents answer the queries, where they are others.
    """
    if not rows:
        raise NothingToAsk("its files have no rows of the task")
    if task.kind == "retrieval":
        made = _Retrieval(task, rows, corpus if corpus is not None else rows, config)
    else:
        made = _KINDS[task.kind](task, rows, train, config)
    made.embed(model)
    for space in spaces(model, made.sample(), config.embed):
        examples, metrics, draws = made.judge(space)
        yield Outcome(
            task,
            language,
            metrics,
            tuple(examples),
            made.data,
            space.name,
            {**space.options, **made.options},
            made.texts,
            made.notes if space.name == "" else (),
            draws,
        )


Judged = tuple[list[Example], tuple[str, ...], Mapping[str, tuple[tuple[float, ...], ...]]]


class _Kind(ABC):
    """Items of a kind: their vectors, and what comes of them in one space."""

    def __init__(self) -> None:
        self.data = ""
        self.texts: Mapping[str, tuple[str, ...]] = {}
        self.options: Mapping[str, Any] = {}
        self.notes: tuple[str, ...] = ()
        self.vectors: dict[str, Vectors] = {}

    @abstractmethod
    def embed(self, model: EmbedModel) -> None:
        """Fills `vectors`."""

    def sample(self) -> Vectors:
        """Vectors from which ranges are taken where a model has none of its own."""
        return next(reversed(self.vectors.values()))

    @abstractmethod
    def judge(self, space: Space) -> Judged:
        """The examples, the metrics, and draws by metric."""


class _Bitext(_Kind):
    def __init__(self, task: Task, rows: Sequence[Row], train: Sequence[Row], config: EvalConfig) -> None:
        super().__init__()
        names = identifiers(rows, task)
        found = []
        # Files of one English side, in other languages each: the same English sentences are taken of all.
        for place in take(rows, config.limit, lambda place: (texts(rows[place], "target", task), names[place])):
            source, target = texts(rows[place], "source", task), texts(rows[place], "target", task)
            if source and target:
                found.append((names[place], source[0], target[0]))
        if not found:
            raise NothingToAsk("no row has text on both sides")
        self._ids, self._sources, wanted = (list(column) for column in zip(*found, strict=True))
        # A sentence that stands there twice is right wherever it is found.
        self._targets = list(dict.fromkeys(wanted))
        places = {text: place for place, text in enumerate(self._targets)}
        self._gold = [places[text] for text in wanted]
        self.data = content_hash([self._sources, wanted])
        self.texts = {name: (a, b) for name, a, b in found}

    def embed(self, model: EmbedModel) -> None:
        self.vectors = {
            "source": model.embed(self._sources, "query"),
            "target": model.embed(self._targets, "query"),
        }

    def judge(self, space: Space) -> Judged:
        scores = ranking.cosines(space.held(self.vectors["source"]), space.held(self.vectors["target"]))
        examples = []
        for name, source, gold, row in zip(self._ids, self._sources, self._gold, scores, strict=True):
            found = ranking.best(row)
            told = {"source": source, "expected": self._targets[gold]}
            told["found"] = self._targets[found] if found >= 0 else ""
            examples.append(Example(name, {"f1": (gold, found), "accuracy_mined": (float(found == gold),)}, told))
        return examples, ("f1", "accuracy_mined"), {}


class _Retrieval(_Kind):
    def __init__(self, task: Task, rows: Sequence[Row], corpus: Sequence[Row], config: EvalConfig) -> None:
        super().__init__()
        self.items = retrieval(rows, corpus, task, config.limit)
        self.data, self.texts, self.notes = self.items.data, self.items.texts, self.items.notes
        self.options = {"documents": len(self.items.documents)}

    def embed(self, model: EmbedModel) -> None:
        self.vectors = {
            "query": model.embed(self.items.queries, "query"),
            "document": model.embed(self.items.documents, "document"),
        }

    def judge(self, space: Space) -> Judged:
        scores = ranking.cosines(space.held(self.vectors["query"]), space.held(self.vectors["document"]))
        relevant = self.items.relevant
        rankings = [ranking.ranked(row, list(gains)) for row, gains in zip(scores, relevant, strict=True)]
        examples = []
        for number, measured in enumerate(ranking.measures(rankings, relevant)):
            statistics = {name: (value,) for name, value in measured.items()}
            examples.append(Example(self.items.ids[number], statistics, self.items.told(number, rankings[number])))
        return examples, ("ndcg@10", "mrr@10", "recall@10", "recall@100"), {}


def _is_labelled(row: Row, task: Task) -> bool:
    return bool(texts(row, "text", task) and texts(row, "label", task))


class _Labelled(_Kind):
    """Texts with labels."""

    def __init__(self, task: Task, rows: Sequence[Row], config: EvalConfig) -> None:
        super().__init__()
        self._task = task
        names = identifiers(rows, task)
        chosen = take(rows, config.limit, lambda place: names[place])
        kept = [place for place in chosen if _is_labelled(rows[place], task)]
        self.rows, self.ids = [rows[place] for place in kept], [names[place] for place in kept]
        if lost := len(chosen) - len(kept):
            self.notes = (f"{task.name}: {lost} of {len(chosen)} rows have no text or no label",)
        self.labels = [texts(row, "label", task)[0] for row in self.rows]
        if len(set(self.labels)) < 2:
            raise NothingToAsk("its rows have fewer than two labels")
        self.contents = [texts(row, "text", task)[0] for row in self.rows]
        self.data = content_hash([self.contents, self.labels])
        self.texts = {name: (text,) for name, text in zip(self.ids, self.contents, strict=True)}


class _Classification(_Labelled):
    def __init__(self, task: Task, rows: Sequence[Row], train: Sequence[Row], config: EvalConfig) -> None:
        held_out, learnt = (rows, train) if train else _halves(rows, task)
        super().__init__(task, held_out, config)
        if not train:
            self.options = {"split": "halves"}
            self.notes += (
                f"{task.name}: one split alone is there, so a probe learns from half of it and is judged by the other",
            )
        known = [row for row in learnt if _is_labelled(row, task)]
        labels = [texts(row, "label", task)[0] for row in known]
        self._picks = _undersampled(labels)
        needed = sorted({place for pick in self._picks for place in pick})
        self._at = {place: number for number, place in enumerate(needed)}
        self._learnt = [texts(known[place], "text", task)[0] for place in needed]
        self._learnt_labels = labels
        if len({labels[place] for place in needed}) < 2:
            raise NothingToAsk("the rows to learn from have fewer than two labels")
        self.data = content_hash([self.data, self._learnt, [labels[place] for place in needed]])

    def embed(self, model: EmbedModel) -> None:
        self.vectors = {"test": model.embed(self.contents, "query"), "train": model.embed(self._learnt, "query")}

    def judge(self, space: Space) -> Judged:
        from sklearn.linear_model import LogisticRegression

        names = sorted({*self.labels, *self._learnt_labels})
        number = {name: place for place, name in enumerate(names)}
        test, train = space.held(self.vectors["test"]), space.held(self.vectors["train"])
        sound = np.isfinite(test).all(1)
        found = np.full((len(test), len(self._picks)), -1)
        for experiment, pick in enumerate(self._picks):
            vectors = train[[self._at[place] for place in pick]]
            labels = [self._learnt_labels[place] for place in pick]
            good = np.isfinite(vectors).all(1)
            if len({label for label, one in zip(labels, good, strict=True) if one}) < 2 or not sound.any():
                continue
            probe = LogisticRegression(max_iter=100, random_state=_SEED)
            probe.fit(vectors[good], [label for label, one in zip(labels, good, strict=True) if one])
            found[sound, experiment] = [number[label] for label in probe.predict(test[sound])]
        # Vectors that are all the same say nothing, whatever label a probe then holds for likely.
        if not np.ptp(test[sound], axis=0).any() if sound.any() else True:
            found[:] = -1
        examples = []
        for place, name in enumerate(self.ids):
            gold = number[self.labels[place]]
            right = float(np.mean(found[place] == gold))
            told = {"text": self.contents[place], "expected": self.labels[place]}
            statistics = {"accuracy_probe": (right,), "macro_f1_probe": (gold, *map(float, found[place]))}
            examples.append(Example(name, statistics, told))
        return examples, ("accuracy_probe", "macro_f1_probe"), {}


def _halves(rows: Sequence[Row], task: Task) -> tuple[list[Row], list[Row]]:
    """Rows to judge by, and rows to learn from: by their ids, so that parallel sets are parted alike."""
    names = identifiers(rows, task)
    judged = set(take(rows, (len(rows) + 1) // 2, lambda place: names[place]))
    return (
        [row for place, row in enumerate(rows) if place in judged],
        [row for place, row in enumerate(rows) if place not in judged],
    )


def _undersampled(labels: Sequence[str]) -> list[list[int]]:
    """Places of eight rows of each label, for each of ten experiments, as MTEB draws them."""
    order = list(range(len(labels)))
    picks = []
    for _ in range(_EXPERIMENTS):
        np.random.RandomState(_SEED).shuffle(order)
        counts: dict[str, int] = defaultdict(int)
        pick = []
        for place in order:
            if counts[labels[place]] < _PER_LABEL:
                pick.append(place)
                counts[labels[place]] += 1
        picks.append(pick)
    return picks


class _Clustering(_Labelled):
    def __init__(self, task: Task, rows: Sequence[Row], train: Sequence[Row], config: EvalConfig) -> None:
        super().__init__(task, rows, config)

    def embed(self, model: EmbedModel) -> None:
        self.vectors = {"text": model.embed(self.contents, "query")}

    def judge(self, space: Space) -> Judged:
        from sklearn.metrics import v_measure_score

        vectors = space.held(self.vectors["text"])
        labels = np.array(self.labels)
        measured = []
        for picks, clusters in _clusterings(vectors, len(set(self.labels))):
            one_cluster = len(set(clusters.tolist())) < 2
            measured.append((0.0 if one_cluster else float(v_measure_score(labels[picks], clusters)),))
        examples = [
            Example(name, {}, {"text": text, "expected": label})
            for name, text, label in zip(self.ids, self.contents, self.labels, strict=True)
        ]
        return examples, ("v_measure",), {"v_measure": tuple(measured)}


def _clusterings(vectors: npt.NDArray[Any], count: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[Any]]]:
    """Ten draws with replacement, and the cluster of each row: MTEB's protocol and seeds."""
    import warnings

    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    vectors = np.where(np.isfinite(vectors), vectors, 0.0)
    chance = random.Random(_SEED)
    for _ in range(_DRAWS):
        picks = np.array(chance.choices(range(len(vectors)), k=_PER_DRAW))
        model = MiniBatchKMeans(n_clusters=count, batch_size=512, init="k-means++", n_init=1, random_state=_SEED)
        with warnings.catch_warnings():
            # Fewer different vectors than labels: that is the result.
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield picks, model.fit_predict(vectors[picks])


def _is_scored(row: Row, task: Task) -> bool:
    try:
        number = float(field(row, "score", task))
    except (TypeError, ValueError):
        return False
    return bool(np.isfinite(number) and texts(row, "first", task) and texts(row, "second", task))


class _Sts(_Kind):
    def __init__(self, task: Task, rows: Sequence[Row], train: Sequence[Row], config: EvalConfig) -> None:
        super().__init__()
        names = identifiers(rows, task)
        chosen = take(rows, config.limit, lambda place: names[place])
        kept = [place for place in chosen if _is_scored(rows[place], task)]
        if not kept:
            raise NothingToAsk("no row has two texts and a number")
        if lost := len(chosen) - len(kept):
            self.notes = (f"{task.name}: {lost} of {len(chosen)} rows lack a text, or a number",)
        self._ids = [names[place] for place in kept]
        self._first, self._second = (
            [texts(rows[place], side, task)[0] for place in kept] for side in ("first", "second")
        )
        self._expected = [float(field(rows[place], "score", task)) for place in kept]
        self.data = content_hash([self._first, self._second, self._expected])
        self.texts = {name: (a, b) for name, a, b in zip(self._ids, self._first, self._second, strict=True)}

    def embed(self, model: EmbedModel) -> None:
        self.vectors = {"first": model.embed(self._first, "query"), "second": model.embed(self._second, "query")}

    def judge(self, space: Space) -> Judged:
        first, second = (ranking.unit(space.held(self.vectors[side])) for side in ("first", "second"))
        # Rounded: identical sentences shall be exactly as alike as each other.
        found = np.round((first * second).sum(1), 9)
        found = np.where(np.isfinite(found), found, -1.0)
        examples = []
        for place, name in enumerate(self._ids):
            row = (self._expected[place], float(found[place]))
            told = {"first": self._first[place], "second": self._second[place]}
            examples.append(Example(name, {"spearman": row, "pearson": row}, told))
        return examples, ("spearman", "pearson"), {}


_KINDS: Final[Mapping[str, Any]] = {
    "bitext": _Bitext,
    "classification": _Classification,
    "clustering": _Clustering,
    "sts": _Sts,
}
