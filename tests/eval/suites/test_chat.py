import numpy as np
import pytest
from parity import SWAHILI, run, scores_of, task

from collection.languages import resolve
from eval.config import ChatSettings, EvalConfig
from eval.data.examples import NothingToAsk
from eval.models.base import Generation, LogLikelihood
from eval.suites.choice import gold
from eval.task import Prompt

CHOICE = [{"q": f"swali {n}", "options": ["ndiyo", "hapana kabisa"], "answer": n % 2} for n in range(20)]
TEXT = [
    {"prompt": f"sema {n}", "reference": word}
    for n, word in enumerate(["मौसम अच्छा है", "الطقس جميل", "天気がいい", "habari njema"])
]


class Model:
    """Answers as it is told to."""

    scores_choices = True

    def __init__(self, text=lambda prompt: "", value=lambda prompt, choice: 0.0):
        self._text, self._value, self.asked = text, value, []

    def generate(self, prompts, limits):
        self.asked += prompts
        return [Generation(self._text(prompt)) for prompt in prompts]

    def log_likelihoods(self, pairs):
        self.asked += [prompt for prompt, _ in pairs]
        return [LogLikelihood(self._value(*pair)) for pair in pairs]


def _choice(model, rows=CHOICE, config=EvalConfig(), prompts=("{q}",), **more):
    asked = tuple(Prompt(str(number), text) for number, text in enumerate(prompts))
    one = task("choice", "chat", choices=("[options]",), prompts=asked, **more)
    return run(one, SWAHILI, rows, model, config)


def _text(
    model, rows=TEXT, config=EvalConfig(), metrics=("exact_match", "chrf2++", "bleu", "rougeLsum", "f1_words"), **more
):
    one = task("text", "chat", prompts=(Prompt("p", "{prompt}"),), metrics=metrics, **more)
    return run(one, SWAHILI, rows, model, config)


def _open(model, rows=None, language=SWAHILI, against=None, referee=None, **more):
    rows = [{"prompt": f"eleza {n}"} for n in range(6)] if rows is None else rows
    names = {"against": "other", "judge": "judge"} if referee else {}
    config = EvalConfig(chat=ChatSettings(**names))
    others = {"other": against, "judge": referee}
    return run(task("open", "chat", **more), language, rows, model, config, others=others)


def test_the_likeliest_answer_is_chosen_and_long_ones_are_not_punished_twice():
    short = Model(value=lambda prompt, choice: -1.0 * len(choice) - (choice == "ndiyo"))
    scores = scores_of(_choice(short))
    assert scores["accuracy"] == 0.5  # always the short one
    right = Model(value=lambda prompt, choice: float((int(prompt.split()[1]) % 2) == (choice != "ndiyo")))
    assert scores_of(_choice(right))["accuracy"] == 1


@pytest.mark.parametrize("value", [0.0, -1e30, float("nan"), float("-inf")])
def test_likelihoods_that_tell_nothing_apart_win_nothing(value):
    scores = scores_of(_choice(Model(value=lambda prompt, choice: value)))
    assert scores["accuracy"] == 0
    assert scores["accuracy_norm"] in (0, 0.5)  # of equal sums the longer answer is the likelier a character


def test_several_prompts_give_their_median():
    model = Model(value=lambda prompt, choice: float(("good" in prompt) == (choice != "ndiyo")))
    rows = [{**row, "answer": 1} for row in CHOICE]
    assert scores_of(_choice(model, rows, prompts=("good {q}", "bad {q}", "good, too {q}")))["accuracy"] == 1
    assert scores_of(_choice(model, rows, prompts=("good {q}", "bad {q}", "bad, too {q}")))["accuracy"] == 0


@pytest.mark.parametrize(
    ("answer", "more", "place"),
    [(1, {}, 1), ("1", {"answer_from": 1}, 0), ("B", {}, 1), ("b", {}, 1), ("hapana kabisa", {}, 1)],
)
def test_the_right_answer_is_a_number_a_letter_or_its_text(answer, more, place):
    one = task("choice", "chat", choices=("[options]",), prompts=(Prompt("p", "{q}"),), **more)
    assert gold({**CHOICE[0], "answer": answer}, one) == place


@pytest.mark.parametrize("answer", [2, -1, "-1", "C", "labda", None])
def test_rows_whose_answer_is_no_choice_are_left_out_and_told(answer):
    (outcome,) = _choice(Model(), [*CHOICE, {**CHOICE[0], "answer": answer}])
    assert len(outcome.examples) == 20 and "1 of 21 rows of swh_Latn lack an answer" in outcome.notes[0]


def test_an_answer_that_could_mean_two_choices_means_none():
    one = task("choice", "chat", choices=("[options]",), prompts=(Prompt("p", "{q}"),))
    assert gold({"options": ["3", "1", "2", "0"], "answer": "3"}, one) == -1
    assert gold({"options": ["3", "1", "2", "0"], "answer": 3}, one) == 3
    assert gold({"options": ["B", "A"], "answer": "A"}, one) == -1


def test_the_question_itself_under_another_id_is_no_example():
    rows = [{**row, "id": number} for number, row in enumerate([*CHOICE[:4], *CHOICE[:4]])]
    model = Model()
    list(_choice(model, rows, EvalConfig(chat=ChatSettings(shots=2))))
    for prompt in model.asked:
        *shots, question = prompt.split("\n\n")
        assert question not in [shot.split("\n")[0] for shot in shots]


def test_null_in_a_prompt_is_not_asked_about():
    (outcome,) = _choice(Model(), [*CHOICE, {**CHOICE[0], "q": None}])
    assert not any("None" in one.told["prompt"] for one in outcome.examples) and len(outcome.examples) == 20


def test_examples_before_a_question_are_the_same_ones_and_never_the_question():
    model = Model()
    list(_choice(model, config=EvalConfig(chat=ChatSettings(shots=2))))
    assert all(prompt.count("swali") == 3 for prompt in model.asked)
    for prompt in model.asked:
        *shots, question = prompt.split("\n\n")
        assert question not in [shot.split("\n")[0] for shot in shots]
        assert all(shot.split("\n")[1] in ("ndiyo", "hapana kabisa") for shot in shots)
    assert len({prompt.rpartition("\n\n")[0] for prompt in model.asked}) <= 3
    with pytest.raises(NothingToAsk, match="2 rows are there to take 2 examples from"):
        list(_choice(Model(), CHOICE[:2], EvalConfig(chat=ChatSettings(shots=2))))


def test_empty_answers_score_nothing_and_are_counted():
    scores = scores_of(_text(Model()))
    assert scores.pop("empty_rate") == 1 and set(scores.values()) == {0}


def test_the_references_themselves_score_full():
    expected = {row["prompt"]: row["reference"] for row in TEXT}
    scores = scores_of(_text(Model(text=expected.__getitem__)))
    assert scores["exact_match"] == scores["f1_words"] == 1 and scores["empty_rate"] == 0
    assert scores["chrf2++"] == pytest.approx(100) and scores["rougeLsum"] == pytest.approx(100)


def test_spbleu_is_left_out_with_a_word_where_its_model_is_not_at_hand(monkeypatch, tmp_path):
    monkeypatch.setenv("SACREBLEU", str(tmp_path))
    (outcome,) = _text(Model(), metrics=("chrf2++", "spbleu"))
    assert "spbleu" not in outcome.metrics and "no spBLEU" in outcome.notes[0]


def test_rows_without_an_answer_are_told():
    (outcome,) = _text(Model(), [*TEXT, {"prompt": "x", "reference": ""}])
    assert len(outcome.examples) == 4 and "1 of 5 rows of swh_Latn lack an answer" in outcome.notes[0]
    with pytest.raises(NothingToAsk):
        list(_text(Model(), []))


ANSWERS = {
    "swh_Latn": "Hali ya hewa ni nzuri leo na watoto wanacheza nje ya nyumba yao.",
    "arb_Arab": "الطقس جميل اليوم والأطفال يلعبون خارج منزلهم في الحديقة الكبيرة.",
    "jpn_Jpan": "今日は天気がとても良いので、子供たちは外で遊んでいます。",
    "tha_Thai": "วันนี้อากาศดีมาก เด็กๆ กำลังเล่นอยู่ข้างนอกบ้านของพวกเขา",
}


@pytest.mark.parametrize("code", ANSWERS)
def test_answers_in_the_language_of_the_question_pass_and_english_ones_do_not(code):
    language = resolve(code)
    right = scores_of(_open(Model(text=lambda prompt: ANSWERS[code]), language=language))
    english = "The weather is nice today and the children are playing outside their house."
    wrong = scores_of(_open(Model(text=lambda prompt: english), language=language))
    assert right["right_language"] == right["right_language_lines"] == 1 and wrong["right_language"] == 0
    if code != "swh_Latn":
        assert right["right_language_words"] == 1 and wrong["right_language_words"] == 0


def test_a_line_of_english_shows_by_line_and_a_word_by_word():
    arabic = ANSWERS["arb_Arab"]
    mixed = f"{arabic}\nThe children are playing outside in the garden today.\n{arabic}"
    language = resolve("arb_Arab")
    scores = scores_of(_open(Model(text=lambda prompt: mixed), language=language))
    assert scores["right_language_lines"] == pytest.approx(2 / 3)
    word = scores_of(_open(Model(text=lambda prompt: arabic.replace("جميل", "beautiful")), language=language))
    assert 0.8 < word["right_language_words"] < 1 and word["right_language_lines"] == 1


def test_an_empty_answer_is_in_no_language():
    assert scores_of(_open(Model()))["right_language"] == 0


def test_refusals_are_told_by_their_phrases():
    refusing = scores_of(_open(Model(text=lambda prompt: "I'm sorry, but I can't help with that."), refusals=True))
    helping = scores_of(_open(Model(text=lambda prompt: "Chukua maji lita mbili."), refusals=True))
    assert refusing["refusal_rate"] == 1 and helping["refusal_rate"] == 0


def _judged(says):
    ours, theirs = Model(text=lambda prompt: "ours"), Model(text=lambda prompt: "theirs, longer")
    return scores_of(_open(ours, against=theirs, referee=Model(text=says)))


def test_a_judge_that_likes_what_stands_first_gives_ties_and_flips():
    scores = _judged(lambda prompt: "A")
    assert scores["win_rate"] == 0.5 and scores["flip_rate"] == 1


def test_a_judge_that_is_sure_in_both_orders_counts():
    def sure(prompt):
        return "A" if prompt.index("ours") < prompt.index("theirs") else "B"

    scores = _judged(sure)
    assert scores["win_rate"] == 1 and scores["flip_rate"] == 0
    assert _judged(lambda prompt: "B" if sure(prompt) == "A" else "A")["win_rate"] == 0


@pytest.mark.parametrize("word", ["", "tie", "A or B", "maybe", "None of them"])
def test_what_is_no_verdict_is_a_tie(word):
    scores = _judged(lambda prompt: word)
    assert scores["win_rate"] == 0.5 and scores["flip_rate"] == 0


def test_a_prompt_with_braces_reaches_the_judge_as_it_is():
    seen = []
    referee = Model(text=lambda prompt: seen.append(prompt) or "tie")
    list(_open(Model(text=lambda p: "{b}"), [{"prompt": "{a}"}], against=Model(), referee=referee))
    assert "{a}" in seen[0] and "{b}" in seen[0] and "(empty)" in seen[0] and "Swahili" in seen[0]


def test_statistics_are_numbers():
    (outcome,) = _text(Model(text=lambda prompt: "habari"))
    assert all(np.isfinite(list(row)).all() for one in outcome.examples for row in one.statistics.values())
