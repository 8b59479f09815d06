"""Roll-ups: what a mean hides is said beside it, and no language is left out."""

import math

import pytest

from eval.metrics.base import Interval
from eval.report import rollup
from eval.results import Report, Score


def score(language, value, half=None, n=100, **more):
    bounds = None if half is None else Interval(value - half, value + half, "wilson")
    return Score("embed", "sib", language, more.pop("metric", "accuracy"), value, n, "", bounds, **more)


def roll(*scores):
    (unit,) = rollup.units(Report({}, scores))
    return {(one.by, one.value): one for one in rollup.rollups(unit)}


SCORES = (score("eng_Latn", 0.9, 0.03), score("swh_Latn", 0.6, 0.04), score("kat_Geor", 0.3, 0.12))


def test_every_mean_has_its_languages_interval_deviation_and_worst():
    everything = roll(*SCORES)["all", "all"]
    assert (everything.languages, everything.items, everything.worst_language) == (3, 300, "kat_Geor")
    assert everything.mean == pytest.approx(0.6) and everything.worst == 0.3
    assert everything.deviation == pytest.approx(0.3)
    assert everything.interval.high - 0.6 == pytest.approx(0.13 / 3)  # 3, 4 and 12 make 13 in squares
    assert everything.interval.low == pytest.approx(0.6 - 0.13 / 3)


def test_scripts_families_and_classes_each_hold_all_languages():
    rolled = roll(*SCORES, score("xho_Latn", 0.5, 0.1), score("deu_Latn-kat_Geor", 0.7), score("qqq_Latn", 0.1))
    for by in ("script", "family", "resource"):
        assert sum(one.languages for (kind, _), one in rolled.items() if kind == by) == 6
        assert rolled[by, "unknown"].languages == 2
    assert rolled["script", "Latin"].languages == 3 and rolled["script", "Georgian"].mean == 0.3
    assert [value for by, value in rolled if by == "resource"][-1] == "unknown"


def test_a_language_outside_aya_has_a_class_of_its_own():
    assert roll(score("abk_Cyrl", 0.5))["resource", "outside Aya"].languages == 1


def test_a_single_language_has_no_deviation_and_a_lacking_interval_makes_none():
    one = roll(score("eng_Latn", 0.0))["all", "all"]
    assert one.mean == 0.0 and one.deviation is None and one.interval is None
    assert roll(*SCORES, score("fra_Latn", 0.5))["all", "all"].interval is None


def test_equal_scores_are_no_distance_apart():
    rolled = roll(*(score(code, 0.5, 0.0) for code in ("eng_Latn", "fra_Latn", "deu_Latn")))
    assert rolled["all", "all"].deviation == 0 and rolled["all", "all"].interval.low == 0.5
    assert rolled["all", "all"].worst_language == "deu_Latn"  # of equals the first by name, whatever the order


def test_the_worst_are_those_that_are_high_where_low_is_better():
    errors = [score(f"l{place:02d}", place / 20, higher_is_better=False, metric="empty_rate") for place in range(20)]
    assert [one.score for one in rollup.worst(errors)] == [place / 20 for place in range(19, 9, -1)]
    assert roll(*errors)["all", "all"].worst_language == "l19"


def test_pairs_of_languages_are_rolled_up_together_and_sizes_apart():
    pairs = [
        score("deu_Latn", value, group=f"deu_Latn-{other}") for value, other in ((0.2, "eng_Latn"), (0.4, "fra_Latn"))
    ]
    everything = roll(*pairs)["all", "all"]
    assert (everything.languages, everything.scores) == (1, 2)
    assert everything.worst_language == "deu_Latn deu_Latn-eng_Latn"
    sizes = Report({}, tuple(score("deu_Latn", 0.5, group=group) for group in ("256.int8", "1536.float")))
    assert [unit.group for unit in rollup.units(sizes)] == ["256.int8", "1536.float"]
    assert rollup.is_full("1536.float", ["256.int8", "1536.float", "256.float"])
    assert not rollup.is_full("256.float", ["256.int8", "1536.float", "256.float"])


def test_contamination_is_the_share_of_all_items_that_were_looked_up():
    rolled = roll(
        score("eng_Latn", 0.9, n=300, contaminated=0.1),
        score("fra_Latn", 0.9, n=100, contaminated=0.5),
        score("deu_Latn", 0.9),
    )
    assert math.isclose(rolled["all", "all"].contaminated, 0.2)
    assert roll(score("eng_Latn", 0.9))["all", "all"].contaminated is None


def test_nothing_rolls_up_to_nothing():
    assert rollup.units(Report({}, ())) == [] and rollup.mean_interval([], []) is None


def test_beside_sizes_the_unnamed_group_is_the_whole():
    assert rollup.is_full("", ["", "256.int8", "1024.float"]) and not rollup.is_full("1024.float", ["", "1024.float"])
    assert not rollup.is_full("", [""])
