"""Cluster texts: do k-means clusters of the vectors agree with the labels? MTEB's protocol and seeds."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from eval.results import Example
from eval.suites.base import TaskRows
from eval.suites.embed import MTEB_SEED, EmbedExamples, EmbedScores, EmbedSuite
from eval.suites.labelled import labelled_texts

_DRAWS: Final = 10
_PER_DRAW: Final = 16_384


@dataclass(frozen=True, kw_only=True)
class ClusteringExamples(EmbedExamples):
    """Texts and the label of each."""

    labels: Sequence[str]


class ClusteringSuite(EmbedSuite[ClusteringExamples]):
    """Clustering, scored by the V-measure of ten draws."""

    help = "texts with labels"
    fields = ("text", "label")
    metrics = ("v_measure",)

    def examples(self, data: TaskRows) -> ClusteringExamples:
        read = labelled_texts(data.rows, self.task, self.context.limit)
        return ClusteringExamples(
            ids=read.ids,
            lists={"text": (read.contents, "query")},
            data=read.data,
            texts=read.texts,
            notes=read.notes,
            labels=read.labels,
        )

    def score(self, examples: ClusteringExamples, vectors: Mapping[str, Any]) -> EmbedScores:
        from sklearn.metrics import v_measure_score

        labels = np.array(examples.labels)
        measures = []
        for picks, clusters in _clusterings(vectors["text"], len(set(examples.labels))):
            one_cluster = len(set(clusters.tolist())) < 2
            measures.append((0.0 if one_cluster else float(v_measure_score(labels[picks], clusters)),))
        contents = examples.lists["text"][0]
        scored = [
            Example(name, {}, {"text": text, "expected": label})
            for name, text, label in zip(examples.ids, contents, examples.labels, strict=True)
        ]
        return EmbedScores(scored, {"v_measure": tuple(measures)})


def _clusterings(vectors_NxD: npt.NDArray[Any], count: int) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[Any]]]:
    """Yield ten draws of rows with replacement, and the cluster of each row."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    vectors_NxD = np.where(np.isfinite(vectors_NxD), vectors_NxD, 0.0)
    generator = random.Random(MTEB_SEED)
    for _ in range(_DRAWS):
        picks = np.array(generator.choices(range(len(vectors_NxD)), k=_PER_DRAW))
        model = MiniBatchKMeans(n_clusters=count, batch_size=512, init="k-means++", n_init=1, random_state=MTEB_SEED)
        with warnings.catch_warnings():
            # Fewer different vectors than labels is a valid result, not an error.
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield picks, model.fit_predict(vectors_NxD[picks])
