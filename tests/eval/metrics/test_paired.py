"""Paired tests: against every swap by hand, against sacrebleu, and where there is nothing to tell apart."""

import itertools

import numpy as np
import pytest

from eval.metrics import paired, text_metrics
from eval.metrics.base import Metric, mean
from eval.metrics.table import metric as metric_of

ACCURACY = mean("accuracy", proportion=True)


def by_hand(metric, a, b):
    """p of all swaps, by the definition."""
    observed = abs(metric.score(b) - metric.score(a))
    found = []
    for swaps in itertools.product((False, True), repeat=len(a)):
        mask = np.array(swaps)[:, None]
        found.append(abs(metric.score(np.where(mask, a, b)) - metric.score(np.where(mask, b, a))))
    return float(np.mean(np.array(found) >= observed - 1e-9))


@pytest.fixture(scope="module")
def chance():
    return np.random.default_rng(7)


@pytest.mark.parametrize("name", ["ndcg@10", "spearman", "f1"])
def test_few_items_have_the_p_of_every_swap(name, chance):
    metric = metric_of(name)
    a, b = chance.integers(0, 4, (2, 8, 2)).astype(float)
    b[:, 0] = a[:, 0]
    if name == "ndcg@10":
        a, b = chance.random((2, 8, 1))
    assert paired.randomisation(metric, a, b, rounds=256) == pytest.approx(by_hand(metric, a, b))


def test_drawn_swaps_come_near_the_p_of_every_swap(chance):
    a, b = chance.random((2, 13, 1)) + np.array([0.0, 0.25])[:, None, None]
    exact = paired.randomisation(ACCURACY, a, b, rounds=1 << 13)
    assert exact == pytest.approx(by_hand(ACCURACY, a, b)) and 0.001 < exact < 0.5
    assert paired.randomisation(ACCURACY, a, b, rounds=8_000) == pytest.approx(exact, abs=0.02)


def test_the_least_p_is_that_of_the_rounds_and_never_nothing():
    a, b = np.zeros((200, 1)), np.ones((200, 1))
    assert paired.randomisation(ACCURACY, a, b, rounds=999) == pytest.approx(1 / 1000)
    found = paired.bootstrap(ACCURACY, a, b)
    assert found.p < 0.002 and (found.interval.low, found.interval.high) == (1, 1)


def test_the_same_system_twice_is_no_difference():
    rows = np.random.default_rng(0).random((50, 1))
    assert paired.randomisation(ACCURACY, rows, rows, 1000) > 0.95
    found = paired.bootstrap(ACCURACY, rows, rows)
    assert found.p == 1 and (found.interval.low, found.interval.high) == (0, 0)


def test_one_item_tells_nothing_and_none_is_no_score():
    one, other = np.zeros((1, 1)), np.ones((1, 1))
    assert paired.randomisation(ACCURACY, one, other, 1000) == 1 and paired.bootstrap(ACCURACY, one, other) is None
    empty = np.zeros((0, 1))
    assert (
        paired.randomisation(ACCURACY, empty, empty, 1000) is None and paired.difference(ACCURACY, empty, one) is None
    )
    assert paired.randomisation(ACCURACY, np.full((5, 1), np.nan), np.ones((5, 1)), 1000) is None


def test_a_swap_without_a_score_counts_as_luck():
    fragile = Metric("fragile", of_rows=lambda rows: float("nan") if rows[0, 0] else rows.mean())
    a, b = np.zeros((6, 1)), np.array([[0.0], [1], [1], [1], [1], [1]])
    assert paired.randomisation(fragile, a, b, 64) == pytest.approx(2 * 2 / 64)
    b[0] = 1
    assert paired.randomisation(fragile, a, b, 64) is None


@pytest.mark.parametrize("strength", [0.0, 0.05, 0.6])
@pytest.mark.parametrize("name", ["chrf2++", "bleu"])
def test_p_is_near_that_of_sacrebleu(name, strength, monkeypatch):
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.significance import PairedTest

    monkeypatch.setenv("SACREBLEU_SEED", "1")
    chance = np.random.default_rng(5)
    words = "the a one small old tree house river stands falls near by under green then again".split()
    gold = [" ".join(chance.choice(words, 9)) for _ in range(60)]

    def worn(text, share):
        return " ".join(chance.choice(words) if chance.random() < share else word for word in text.split())

    systems = [[worn(text, share) for text in gold] for share in (0.4, 0.4 * (1 - strength))]
    statistics = {"chrf2++": text_metrics.chrf_statistics, "bleu": text_metrics.bleu_statistics}[name]
    a, b = (np.array([statistics(text, [ref]) for text, ref in zip(system, gold, strict=True)]) for system in systems)
    theirs = {"chrf2++": CHRF(word_order=2, references=[gold]), "bleu": BLEU(references=[gold])}[name]
    metric = metric_of(name)
    found = {}
    for kind, samples in (("ar", 2000), ("bs", 1000)):
        _, scores = PairedTest([("a", systems[0]), ("b", systems[1])], {name: theirs}, None, kind, n_samples=samples)()
        found[kind] = next(scores[key] for key in scores if key != "System")
    assert metric.score(a) == pytest.approx(found["ar"][0].score) and metric.score(b) == pytest.approx(
        found["ar"][1].score
    )
    assert paired.randomisation(metric, a, b, 2000) == pytest.approx(found["ar"][1].p_value, abs=0.04)
    resampled = paired.bootstrap(metric, a, b)
    # sacrebleu folds the differences before it takes their mean off, and counts one side of what comes.
    if strength:
        assert resampled.p / 2 == pytest.approx(found["bs"][1].p_value, abs=0.04)
        assert resampled.interval.low < paired.difference(metric, a, b) < resampled.interval.high
    assert resampled.p < 0.01 if strength == 0.6 else resampled.p > 0.01


def test_corrections_are_those_of_the_books():
    ps = [0.01, 0.04, 0.03, 0.005]
    assert paired.corrected(ps, "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert paired.corrected(ps, "bh") == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert paired.corrected(ps, "none") == ps and paired.corrected([], "holm") == []
    assert paired.corrected([0.9, 0.8], "holm") == [1, 1]
    with pytest.raises(ValueError, match="expected holm, bh, none"):
        paired.corrected(ps, "bonferroni")


def test_more_languages_have_more_rounds():
    few, many = paired.rounds_for(ACCURACY, 3), paired.rounds_for(ACCURACY, 1000)
    assert few == paired.ROUNDS and 1000 / many <= 0.05
    assert paired.rounds_for(metric_of("spearman"), 10_000) == paired.MOST_WHOLE


def test_the_interval_of_a_difference_of_f1_lies_about_the_difference(chance):
    gold = np.arange(200.0)
    a, b = (
        np.stack([gold, np.where(chance.random(200) < right, gold, chance.integers(0, 200, 200))], 1)
        for right in (0.5, 0.7)
    )
    found, observed = paired.bootstrap(metric_of("f1"), a, b), paired.difference(metric_of("f1"), a, b)
    assert (found.interval.low + found.interval.high) / 2 == pytest.approx(observed, abs=0.01)
    assert found.interval.method == "paired_bootstrap:1000" and found.p < 0.01
