"""All metrics by name. A name says all that can be told from it; what else a score depends on is in its signature."""

from __future__ import annotations

import importlib.metadata
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import UnknownNameError
from eval.metrics import text_metrics
from eval.metrics.base import Metric, Rows, mean, median_of_means

Places = npt.NDArray[np.int64]


def _counts(gold: Rows, found: Rows) -> tuple[Places, Places, Rows, Rows, Rows]:
    """Labels as numbers, gold and found [n]; how often each is gold, is found, and is found rightly [labels]."""
    _, places = np.unique(np.concatenate([gold, found]), return_inverse=True)
    golden, told = places[: len(gold)], places[len(gold) :]
    support, predicted, right = (
        np.bincount(one, minlength=places.max() + 1).astype(np.float64)
        for one in (golden, told, golden[golden == told])
    )
    return golden, told, support, predicted, right


def _f1_by_label(gold: Rows, found: Rows) -> tuple[Rows, Rows]:
    """F1 of every label that is in either, and how often it is gold: scikit-learn's, fifty times as fast.

    A comparison asks for it some ten thousand times.
    """
    _, _, support, predicted, right = _counts(gold, found)
    return 2 * right / (support + predicted), support


def _weighted_f1(rows: Rows) -> float:
    """Of bitext mining: [gold, found] places, F1 of each place, weighed by how often it is gold (mteb's)."""
    f1, support = _f1_by_label(rows[:, 0], rows[:, 1])
    return float(f1 @ support / support.sum())


def _shares_of_f1(rows: Rows) -> Rows:
    """What each item brings to the weighted F1, which is their mean, [n].

    Items that are found rightly share the F1 that their label would have if no other item were taken for it; what it
    loses by those that are is theirs to bear. Samples of whole rows would leave out sentences that others are taken
    for, and score too high; the F1 of each item's own label alone would leave out what its mistake costs another.
    """
    gold, found, support, predicted, right = _counts(rows[:, 0], rows[:, 1])
    alone = 2 * support / np.maximum(support + right, 1)  # of each item that is right
    lost = alone * right - 2 * support * right / (support + predicted)
    borne = lost / np.maximum(predicted - right, 1)
    return np.where(gold == found, alone[gold], -borne[found])


def _macro_f1(rows: Rows) -> float:
    """Of classification: gold, then what each experiment found; the mean over experiments of the mean over labels."""
    return float(np.mean([_f1_by_label(rows[:, 0], found)[0].mean() for found in rows[:, 1:].T]))


def _spearman(rows: Rows) -> float:
    return _correlation(rows, "spearmanr")


def _pearson(rows: Rows) -> float:
    return _correlation(rows, "pearsonr")


def _correlation(rows: Rows, name: str) -> float:
    """Of [expected, found]; 0 where either says the same of all: it tells nothing apart."""
    from scipy import stats

    if len(rows) < 2 or np.ptp(rows[:, 0]) == 0 or np.ptp(rows[:, 1]) == 0:
        return 0.0
    return float(getattr(stats, name)(rows[:, 0], rows[:, 1]).statistic)


def _length_controlled(rows: Rows) -> float:
    """Of [win, characters more than the other answer]: how often it would win if both were of one length.

    A logistic regression of wins on the difference in length, as in AlpacaEval 2, read where the difference is 0; a tie
    is half a win and half a loss.
    """
    from sklearn.linear_model import LogisticRegression

    wins, lengths = rows[:, 0], rows[:, 1]
    spread = lengths.std()
    if spread == 0 or np.ptp(wins) == 0:
        return float(wins.mean())
    x = np.tanh(lengths / spread)[:, None]
    weights = np.concatenate([wins, 1 - wins])
    kept = weights > 0
    targets = np.repeat([1, 0], len(wins))[kept]
    fitted = LogisticRegression().fit(np.concatenate([x, x])[kept], targets, sample_weight=weights[kept])
    return float(fitted.predict_proba(np.zeros((1, 1)))[0, 1])


_ALL: Final = (
    # Embeddings.
    Metric("f1", "average:weighted", of_rows=_weighted_f1, contributions=_shares_of_f1, proportion=True),
    mean("accuracy_mined", proportion=True),
    mean("ndcg@10", "gain:linear", proportion=True),
    mean("mrr@10", proportion=True),
    mean("recall@10", proportion=True),
    mean("recall@100", proportion=True),
    mean("accuracy_probe", "probe:logreg|per_label:8|experiments:10", proportion=True),
    Metric("macro_f1_probe", "probe:logreg|per_label:8|experiments:10", of_rows=_macro_f1),
    mean("v_measure", "kmeans:minibatch512|draws:10"),
    Metric("spearman", "similarity:cosine", of_rows=_spearman),
    Metric("pearson", "similarity:cosine", of_rows=_pearson),
    # Rerankers: gain over what they were given.
    mean("ndcg@10_first", "gain:linear", proportion=True),
    mean("ndcg@10_gain", "gain:linear"),
    mean("mrr@10_first", proportion=True),
    mean("recall@10_first", proportion=True),
    # Answers.
    median_of_means("accuracy", "choice:loglikelihood"),
    median_of_means("accuracy_norm", "choice:loglikelihood/characters"),
    mean("exact_match", "fold:nfkc,signs:out", proportion=True),
    mean("number_match", "number:last", proportion=True),
    mean("f1_words", "fold:nfkc,signs:out|articles:eng", proportion=True),
    mean("rougeLsum", "words:all_scripts"),
    Metric("chrf2++", "nc:6|nw:2", text_metrics.chrf_of_sums),
    Metric("bleu", "smooth:exp", text_metrics.bleu_of_sums),
    Metric("spbleu", "smooth:exp|tok:flores200", text_metrics.bleu_of_sums),
    # Open answers.
    mean("win_rate", "both_orders", proportion=True),
    Metric("win_rate_length", "both_orders|length_controlled", of_rows=_length_controlled),
    mean("flip_rate", "both_orders", proportion=True, higher_is_better=False),
    mean("right_language_lines", "language_confusion:line,script", proportion=True),
    mean("right_language_words", "language_confusion:letters", proportion=True),
    mean("right_language", "language_confusion:answer,script", proportion=True),
    mean("refusal_rate", proportion=True),
    mean("empty_rate", proportion=True, higher_is_better=False),
    mean("truncated_rate", proportion=True, higher_is_better=False),
)
METRICS: Final = {metric.name: metric for metric in _ALL}


def metric(name: str) -> Metric:
    """The metric of a name."""
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    return METRICS[name]


def versions(name: str) -> str:
    """The library that a metric's statistics come from, with its version, as in a signature."""
    library = {
        "chrf2++": "sacrebleu",
        "bleu": "sacrebleu",
        "spbleu": "sacrebleu",
        "rougeLsum": "rouge-score",
        "accuracy_probe": "scikit-learn",
        "macro_f1_probe": "scikit-learn",
        "v_measure": "scikit-learn",
        "spearman": "scipy",
        "pearson": "scipy",
    }.get(name.removesuffix("_first").removesuffix("_gain"))
    if name.startswith(("ndcg", "mrr", "recall")):
        library = "pytrec-eval-terrier"
    return f"{library}:{importlib.metadata.version(library)}" if library else ""
