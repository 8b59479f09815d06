import numpy as np
import pytest
from parity import SWAHILI, run, scores_of, task
from parity_data import Meaning

from eval.config import EvalConfig, RerankSettings
from eval.data.examples import NothingToAsk
from eval.models.reference import BM25, Index

ROWS = [
    {"id": str(n), "question": f"nani alijenga mji wa {name}", "context": f"mji wa {name} ulijengwa na mfalme wa {n}"}
    for n, name in enumerate("Kilwa Mombasa Lamu Zanzibar Timbuktu Axum Gondar Harar Kano Oyo Benin Kumasi".split())
]


class Right:
    """Knows the answer."""

    def scores(self, query, documents):
        return np.array([float(query.split()[-1] in document) for document in documents])


class Wrong(Right):
    def scores(self, query, documents):
        return -super().scores(query, documents)


class Constant(Right):
    def scores(self, query, documents):
        return np.full(len(documents), 0.5)


class NoNumber(Right):
    def scores(self, query, documents):
        return np.full(len(documents), np.nan)


def _scores(model, rows=ROWS, first="bm25", depth=50, makes="scores"):
    config = EvalConfig(rerank=RerankSettings(first, depth))
    asked = task("retrieval", "rerank")
    return scores_of(run(asked, SWAHILI, rows, model, config, makes=makes, others={"meaning": Meaning()}))


def test_gain_is_what_an_order_is_better_by():
    right, wrong = _scores(Right(), first="meaning"), _scores(Wrong(), first="meaning")
    assert right["ndcg@10"] == 1 and right["ndcg@10_gain"] == pytest.approx(1 - right["ndcg@10_first"])
    assert wrong["ndcg@10_gain"] < 0 and wrong["ndcg@10_first"] == right["ndcg@10_first"]


@pytest.mark.parametrize("model", [Constant, NoNumber])
def test_a_reranker_that_tells_nothing_apart_wins_nothing(model):
    assert _scores(model())["mrr@10"] == 0


def test_what_the_first_stage_did_not_find_is_lost():
    found = _scores(Right(), depth=1, first="meaning")
    assert found["ndcg@10"] == found["ndcg@10_first"] < 1


def test_bm25_finds_words_in_every_script_and_nothing_in_nothing():
    documents = ["東京は日本の首都です", "パリはフランスの首都です", "القاهرة عاصمة مصر", "กรุงเทพเป็นเมืองหลวง", ""]
    index = Index(documents)
    for query, place in (("東京", 0), ("フランス", 1), ("عاصمة", 2), ("กรุงเทพ", 3)):
        assert int(np.argmax(index.scores(query))) == place
    assert not index.scores("unknown").any() and not index.scores("").any()
    assert BM25().scores("x", ["", ""]).tolist() == [0, 0]


def test_cosines_are_scores_too():
    found = _scores(Meaning(), first="meaning", makes="vectors")
    assert found["ndcg@10_gain"] == 0


def test_nothing_to_order():
    with pytest.raises(NothingToAsk):
        _scores(Right(), rows=[])
    assert _scores(Right(), rows=ROWS[:1])["ndcg@10"] == 1
