import numpy as np
import pytest
from parity import SWAHILI, run, scores_of, task
from parity_data import LABELS, Meaning, bitext, labelled, pairs, questions

from core.errors import ConfigError
from eval.config import EmbedSettings, EvalConfig
from eval.data.examples import NothingToAsk
from eval.models.base import EmbedModel
from finetune.model.quantize import Ranges

ROWS = {
    "bitext": bitext(60),
    "retrieval": questions(40, 30),
    "classification": labelled(100, "test"),
    "clustering": labelled(100, "test"),
    "sts": pairs(40),
}


class Constant(Meaning):
    """Says the same of everything."""

    value = 1.0

    def embed(self, texts, kind):
        return np.full((len(texts), 32), self.value, np.float32)


class Nought(Constant):
    value = 0.0


class NoNumber(Constant):
    value = float("nan")


def _scores(kind, model, config=EvalConfig(), rows=None, train=()):
    return scores_of(run(task(kind), SWAHILI, ROWS[kind] if rows is None else rows, model, config, train=train))


@pytest.mark.parametrize("model", [Constant, Nought, NoNumber])
@pytest.mark.parametrize("kind", ROWS)
def test_no_metric_rewards_a_model_that_tells_nothing_apart(kind, model):
    for name, score in _scores(kind, model()).items():
        # Whatever is relevant comes last of equals; a hundred of all documents are more than there are.
        assert score == 0 or name == "recall@100", name


@pytest.mark.parametrize("kind", ROWS)
def test_one_item_or_none_crashes_nothing(kind):
    with pytest.raises(NothingToAsk):
        _scores(kind, Meaning(), rows=[])
    try:
        scores = _scores(kind, Meaning(), rows=ROWS[kind][:1])
    except NothingToAsk as why:
        assert "fewer than two labels" in str(why)
    else:
        assert all(score is not None for score in scores.values())


def test_a_better_model_scores_better():
    class Better(Meaning):
        def embed(self, texts, kind):
            return super().embed([text.split("|")[0] for text in texts], kind)

    for kind in ("bitext", "retrieval", "classification", "clustering"):
        main = {"bitext": "f1", "retrieval": "ndcg@10", "classification": "accuracy_probe", "clustering": "v_measure"}[
            kind
        ]
        assert _scores(kind, Better())[main] > _scores(kind, Meaning())[main] > 0.2


def test_a_probe_learns_from_one_split_and_is_judged_by_another():
    rows = labelled(60, "test")
    train = [{**row, "label": LABELS[(LABELS.index(row["label"]) + 1) % 5]} for row in labelled(60, "train")]
    assert _scores("classification", Meaning(), rows=rows, train=train)["accuracy_probe"] < 0.2
    (outcome,) = run(task("classification"), SWAHILI, rows, Meaning(), EvalConfig())
    assert "a probe learns from half of it" in outcome.notes[0] and len(outcome.examples) == 30


def test_fewer_dimensions_and_bits_are_judged_beside_the_whole():
    config = EvalConfig(embed=EmbedSettings((8, 32), ("float", "int8", "ubinary")))
    found = _scores("bitext", Meaning(), config)
    assert set(found) == {
        f"{group}f1" for group in ("", "8.float:", "8.int8:", "8.ubinary:", "32.int8:", "32.ubinary:")
    } | {f"{group}accuracy_mined" for group in ("", "8.float:", "8.int8:", "8.ubinary:", "32.int8:", "32.ubinary:")}
    assert found["f1"] > found["8.float:f1"] > found["8.ubinary:f1"] and abs(found["32.int8:f1"] - found["f1"]) < 0.1


def test_the_ranges_of_int8_are_the_models_where_it_has_some():
    class Narrow(Meaning):
        def ranges(self, dimension):
            return Ranges.symmetric(0.01, dimension)  # nearly all is beyond: signs are left

    config = EvalConfig(embed=EmbedSettings((32,), ("int8",)))
    *_, narrow = run(task("bitext"), SWAHILI, ROWS["bitext"], Narrow(), config)
    *_, wide = run(task("bitext"), SWAHILI, ROWS["bitext"], Meaning(), config)
    assert narrow.options["ranges"] == "model" and wide.options["ranges"] == "documents"
    assert scores_of([narrow]) != scores_of([wide])


def test_a_dimension_that_the_model_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="64 is more than the 32"):
        _scores("bitext", Meaning(), EvalConfig(embed=EmbedSettings((64,))))


def test_queries_without_an_answer_are_told_and_documents_count_once():
    rows = [*questions(10, 5), {"id": "lost", "question": "?|", "context": ""}]
    (outcome,) = run(task("retrieval"), SWAHILI, rows, Meaning(), EvalConfig())
    assert outcome.options["documents"] == 5 and len(outcome.examples) == 10
    assert "1 queries have no document" in outcome.notes[0]


def test_documents_may_be_another_languages():
    rows = questions(10, 10)
    corpus = [{**row, "question": "", "context": row["context"] + " in English"} for row in rows]
    (outcome,) = run(task("retrieval"), SWAHILI, rows, Meaning(), EvalConfig(), corpus=corpus)
    assert all(one.told["expected"][0].endswith("in English") for one in outcome.examples)


def test_limits_take_the_same_items_whatever_their_order():
    config = EvalConfig(limit=20)
    (one,) = run(task("retrieval"), SWAHILI, ROWS["retrieval"], Meaning(), config)
    (other,) = run(task("retrieval"), SWAHILI, ROWS["retrieval"][::-1], Meaning(), config)
    assert {e.id for e in one.examples} == {e.id for e in other.examples} and len(one.examples) == 20


def test_the_toy_is_a_model():
    model: EmbedModel = Meaning()
    assert model.embed([], "query").shape == (0, 32)


def test_null_and_nan_are_no_texts():
    from eval.data.examples import texts

    assert [texts({"text": value}, "text", task("clustering")) for value in (None, float("nan"), " ", ["a", None], 0)] == [
        [], [], [], ["a"], ["0"],
    ]  # fmt: skip


def test_a_row_without_text_does_not_change_which_others_are_taken():
    config = EvalConfig(limit=20)
    rows = labelled(100, "test")
    holed = [dict(row, text="") if place == 3 else row for place, row in enumerate(rows)]
    (one,) = run(task("clustering"), SWAHILI, rows, Meaning(), config)
    (other,) = run(task("clustering"), SWAHILI, holed, Meaning(), config)
    assert {e.id for e in other.examples} <= {e.id for e in one.examples} and len(other.examples) >= 19


def test_a_sentence_that_stands_there_twice_is_right_wherever_it_is_found():
    rows = [*bitext(10), {"source": "m0|heb", "target": "m0|eng"}]
    (outcome,) = run(task("bitext"), SWAHILI, rows, Meaning(), EvalConfig())
    assert [one.statistics["accuracy_mined"] for one in outcome.examples if one.told["expected"] == "m0|eng"] == [
        (1,)
    ] * 2


def test_scores_that_are_no_numbers_are_left_out_and_told():
    rows = [*pairs(10), {"first": "a|", "second": "b|", "score": "4,5"}]
    (outcome,) = run(task("sts"), SWAHILI, rows, Meaning(), EvalConfig())
    assert len(outcome.examples) == 10 and "1 of 11 rows lack a text, or a number" in outcome.notes[0]
