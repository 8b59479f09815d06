import tracemalloc

import numpy as np
import pytest
from scipy import stats

from core.errors import UnknownNameError
from eval.metrics import text_metrics
from eval.metrics.base import draws, interval, mean, median_of_means
from eval.metrics.table import METRICS, metric, versions


def rows(*values):
    return np.array(values, float).reshape(len(values), -1)


def test_a_proportion_of_all_ones_is_not_certain():
    bounds = interval(mean("accuracy", proportion=True), rows(*[1] * 20))
    assert bounds.method == "wilson" and bounds.high == 1 and 0.8 < bounds.low < 0.87


def test_a_bootstrap_covers_the_mean_as_often_as_it_says():
    chance = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        bounds = interval(mean("x"), chance.exponential(size=(80, 1)), seed=trial)
        hits += bounds.low <= 1.0 <= bounds.high
    assert hits >= 180


def test_intervals_are_the_same_for_the_same_seed():
    values = np.random.default_rng(1).normal(size=(50, 1))
    assert interval(mean("x"), values, 3) == interval(mean("x"), values, 3)


def test_nothing_is_told_of_no_items_and_no_interval_of_one():
    one = mean("x")
    assert one.score(np.empty((0, 1))) is None
    assert one.score(rows(0.5)) == 0.5 and interval(one, rows(0.5)) is None
    assert interval(mean("x", proportion=True), rows(1)).low < 0.3


def test_a_score_that_is_no_number_is_none():
    assert mean("x").score(rows(1.0, float("nan"))) is None


def test_the_score_of_several_prompts_is_the_median_of_their_means():
    values = np.array([[1, 0, 1], [1, 0, 0], [1, 1, 0]], float)
    assert median_of_means("accuracy").score(values) == pytest.approx(1 / 3)


def test_a_bootstrap_from_sums_is_that_of_the_rows_themselves():
    chrf = metric("chrf2++")
    values = np.abs(np.random.default_rng(2).normal(size=(12, 24))) + 1
    picks = np.random.default_rng(3).integers(0, 12, (5, 12))
    assert chrf.resampled(values, picks) == pytest.approx([chrf.score(values[pick]) for pick in picks])


def test_correlation_of_what_is_all_the_same_is_nothing():
    values = np.array([[1, 0.5], [2, 0.5], [3, 0.5]])
    assert metric("spearman").score(values) == 0 and metric("pearson").score(values) == 0


def test_wins_that_come_of_length_alone_are_none_at_equal_length():
    longer = np.linspace(-100, 100, 80)
    wins = (longer > 0).astype(float)
    wins[::10] = 1 - wins[::10]  # the odd exception
    value = metric("win_rate_length").score(np.stack([wins + 0.0, longer], 1))
    assert value == pytest.approx(0.5, abs=0.05)
    skewed = np.stack([(longer > -50).astype(float), longer], 1)
    assert metric("win_rate").score(skewed[:, :1]) > 0.7
    assert metric("win_rate_length").score(np.array([[1.0, 5], [0.5, 5]])) == 0.75


def test_all_metrics_score_and_name_their_library():
    assert all(name == one.name for name, one in METRICS.items())
    assert versions("chrf2++").startswith("sacrebleu:") and versions("ndcg@10_first").startswith("pytrec-eval")
    with pytest.raises(UnknownNameError, match="exact_match"):
        metric("exact_mach")


def test_wilsons_interval_is_scipys():
    bounds = interval(mean("a", proportion=True), rows(1, 0, 0, 1, 1))
    expected = stats.binomtest(3, 5).proportion_ci(0.95, "wilson")
    assert (bounds.low, bounds.high) == (expected.low, expected.high)


def test_where_all_samples_score_the_same_a_bootstrap_says_nothing():
    chrf = metric("chrf2++")
    perfect = np.array([text_metrics.chrf_statistics(text, [text]) for text in ("habari yako", "jambo", "asante sana")])
    assert chrf.score(perfect) == pytest.approx(100) and interval(chrf, perfect) is None
    assert interval(mean("x"), rows(*[0.1] * 9)) is None
    assert interval(mean("x", proportion=True), rows(*[0.3] * 9)) is None


def test_several_prompts_that_all_do_the_same_have_the_interval_of_one():
    prompts = median_of_means("accuracy")
    assert interval(prompts, np.ones((4, 5))) == interval(mean("a", proportion=True), np.ones((4, 1)))
    assert interval(prompts, np.ones((1, 5))).method == "wilson"
    mostly = np.ones((20, 5))
    mostly[::2, :2] = 0  # the median of the means is 1 whatever is drawn
    assert interval(prompts, mostly) == interval(mean("a", proportion=True), np.ones((20, 1)))
    mostly[::3, :] = 0
    assert interval(prompts, mostly).method == "bootstrap:1000"


def test_draws_are_the_same_whatever_is_drawn_at_once():
    whole = np.array(list(draws(7, 50, 3)))
    assert whole.shape == (50, 7) and set(whole.flat) == set(range(7))
    for at_once in (1, 7, 20, 10_000):
        assert np.array_equal(np.array(list(draws(7, 50, 3, at_once))), whole)


def test_a_bootstrap_of_many_items_takes_little_memory():
    tracemalloc.start()
    assert interval(mean("x"), np.random.default_rng(0).normal(size=(20_000, 1))).high < 0.03
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 40e6  # all places at once would take 160 MB


def _mined(chance, n=60, right=0.7):
    """Bitext mining by which some sentences are taken for others."""
    gold = np.arange(n)
    return np.stack([gold, np.where(chance.random(n) < right, gold, chance.integers(0, n, n))], 1).astype(float)


def test_the_contributions_of_items_are_the_f1_of_the_whole():
    f1 = metric("f1")
    found = _mined(np.random.default_rng(1))
    assert f1.contributions(found).mean() == pytest.approx(f1.score(found), abs=1e-12)
    repeated = np.floor(found / 7)  # labels that are gold for several items
    assert f1.contributions(repeated).mean() == pytest.approx(f1.score(repeated), abs=1e-12)


def test_intervals_of_f1_hold_the_score_of_other_samples_as_often_as_they_say():
    f1, chance = metric("f1"), np.random.default_rng(2)
    expected = np.mean([f1.score(_mined(chance)) for _ in range(2_000)])
    bounds = [interval(f1, _mined(chance)) for _ in range(200)]
    below, above = (
        sum(test) for test in zip(*((one.high < expected, one.low > expected) for one in bounds), strict=True)
    )
    assert below + above <= 20 and max(below, above) <= 14


def test_a_perfect_f1_is_not_certain():
    perfect = np.repeat(np.arange(30.0)[:, None], 2, 1)
    assert interval(metric("f1"), perfect).method == "wilson" and interval(metric("f1"), perfect).low > 0.8
