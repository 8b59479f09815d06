"""Which of several answers is kept."""

import pytest

from collection.languages import resolve
from collection.record import Message, Record
from pipelines.augment.arbitration import JUDGE_PROMPT, by_consensus, judge_question, order_for, verdict
from pipelines.augment.methods import load


@pytest.mark.parametrize(
    "answers",
    [
        ["Bananas are yellow fruit.", "A week has seven days.", "There are seven days in a week."],
        ["香蕉是黄色的水果。", "一周有七天。", "一个星期有七天。"],
        ["กล้วยเป็นผลไม้สีเหลือง", "หนึ่งสัปดาห์มีเจ็ดวัน", "สัปดาห์หนึ่งมีเจ็ดวัน"],
        ["الموز فاكهة صفراء.", "في الأسبوع سبعة أيام.", "الأسبوع فيه سبعة أيام."],
    ],
)
def test_the_odd_one_out_is_never_chosen(answers):
    for first in range(3):
        turned = answers[first:] + answers[:first]
        assert turned[by_consensus(turned)] != answers[0]


def test_of_equals_the_first_is_chosen():
    assert by_consensus(["same", "same", "same"]) == 0
    assert by_consensus(["one", "two"]) == 0
    assert by_consensus(["", "", "a"]) == 0


def test_a_judge_sees_every_answer_in_every_place():
    orders = {tuple(order_for(f"{number:032x}", 3)) for number in range(200)}
    assert len(orders) == 6
    assert order_for("abc", 5) == order_for("abc", 5)


def test_the_letter_leads_back_to_the_answer():
    row = Record.of(
        messages=(Message("user", "Why {answers}?"), Message("assistant", "x")), language="eng_Latn", source="s"
    )
    answers = ["first {prompt}", "second", "third"]
    text = judge_question(row, answers, resolve("eng"), load("arbitrate"), JUDGE_PROMPT).messages[-1].content
    # Braces of the row's own stand for nothing.
    assert "Why {answers}?" in text and "first {prompt}" in text and "good English" in text
    for letter in "ABC":
        shown = text.split(f'letter="{letter}">\n')[1].split("\n</answer>")[0]
        for said in (
            f"I think <result>{letter}</result>",
            letter.lower(),
            f"({letter})",
            f"A? No: <result> {letter}. </result>",
        ):
            assert answers[verdict(said, row.id, 3)] == shown
    for said in ("", "none", "<result>D</result>", "A or B", "<result></result>"):
        assert verdict(said, row.id, 3) is None
