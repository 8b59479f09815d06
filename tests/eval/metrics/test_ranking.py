import math

import numpy as np
import pytest

from eval.metrics import ranking

NAN = float("nan")


def test_a_tie_is_never_won():
    scores = np.zeros(200)
    assert 7 not in ranking.ranked(scores, [7]) and len(ranking.ranked(scores, [7])) == 100
    assert ranking.best(np.array([0.5, 0.5, 0.1])) == -1
    assert ranking.best(np.array([0.5, 0.4])) == 0


def test_what_is_no_number_comes_last():
    assert ranking.ranked(np.array([NAN, 0.1, -5.0]), [0]) == [1, 2, 0]
    assert ranking.best(np.array([NAN, -3.0])) == 1
    assert ranking.best(np.array([NAN, NAN])) == -1


def test_measures_follow_their_formulas():
    (row,) = ranking.measures([[4, 2, 9]], [{2: 1, 7: 1}])
    assert row["ndcg@10"] == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))
    assert row["mrr@10"] == 0.5 and row["recall@10"] == 0.5 and row["recall@100"] == 0.5


def test_the_eleventh_place_counts_for_nothing_at_ten():
    (row,) = ranking.measures([[*range(100, 110), 5]], [{5: 1}])
    assert (row["ndcg@10"], row["mrr@10"], row["recall@10"], row["recall@100"]) == (0, 0, 0, 1)


def test_nothing_found_is_nought():
    assert ranking.measures([[]], [{1: 1}]) == [dict.fromkeys(ranking.MEASURES.values(), 0.0)]


def test_cosines_of_zeros_are_nought_and_of_the_same_text_one():
    vectors = np.array([[0, 0, 0], [1e-3, 2, 3], [1e-3, 2, 3]], np.float32)
    found = np.array(list(ranking.cosines(vectors, vectors)))
    assert found[0].tolist() == [0, 0, 0] and found[1, 1] == found[1, 2] == 1
