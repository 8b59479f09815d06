"""Of several answers to one question, which is the best: by what the others say, or by what a judge says."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from collection.languages import Language
from collection.record import Message, Record
from pipelines.augment.generators import Question
from pipelines.augment.methods import Method

_ORDERS: Final = range(1, 5)
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST: Final = len(_LETTERS)

JUDGE_PROMPT: Final = """
Below are a question and several answers to it. Choose the best answer: the one that is right, complete, clear, and \
written in good {language}. Where they stand and how long they are says nothing. Write the letter of the best one \
between <result> and </result>.

<question>
{prompt}
</question>

{answers}
""".strip()


def by_consensus(answers: Sequence[str]) -> int:
    """The answer that is most like all others, the first of several.

    Likeness is the F-score of the characters' n-grams, of one to four: right for every script, with or without blanks.
    Of two answers each is as like the other, so there should be three.
    """
    grams = [_grams(text) for text in answers]
    scores = [0.0] * len(answers)
    for one, other in itertools.combinations(range(len(answers)), 2):
        alike = _likeness(grams[one], grams[other])
        scores[one] += alike
        scores[other] += alike
    return max(range(len(answers)), key=lambda index: (round(scores[index], 9), -index))


def _grams(text: str) -> list[Counter[str]]:
    bare = "".join(text.split())
    return [Counter(bare[start : start + order] for start in range(len(bare) - order + 1)) for order in _ORDERS]


def _likeness(one: list[Counter[str]], other: list[Counter[str]]) -> float:
    total = 0.0
    for mine, its in zip(one, other, strict=True):
        size = mine.total() + its.total()
        total += 2 * (mine & its).total() / size if size else 1.0
    return total / len(one)


def order_for(row_id: str, count: int) -> list[int]:
    """In which order a judge sees answers: another one for every row, the same one every time.

    Judges favour the first.
    """
    order = list(range(count))
    random.Random(row_id).shuffle(order)
    return order


def judge_question(record: Record, answers: Sequence[str], language: Language, method: Method, prompt: str) -> Question:
    """What a judge is asked. The answers stand in the order of `order_for`."""
    listed = "\n\n".join(
        f'<answer letter="{_LETTERS[place]}">\n{answers[index]}\n</answer>'
        for place, index in enumerate(order_for(record.id, len(answers)))
    )
    values = {"prompt": method.kept(record)[-1].content, "answers": listed, "language": language.name}
    text = re.sub(r"\{(prompt|answers|language)\}", lambda place: values[place[1]], prompt)
    return Question(record.id, (Message("user", text),), {"temperature": 0})


_LETTER: Final = re.compile(r"<result>\W*([A-Z])\W*</result>", re.IGNORECASE)


def verdict(text: str, row_id: str, count: int) -> int | None:
    """The answer that a judge's words choose; None where they choose none."""
    found = _LETTER.findall(text) or re.findall(r"\A\W*([A-Za-z])\W*\Z", text)
    place = _LETTERS.index(found[-1].upper()) if found else count
    return order_for(row_id, count)[place] if place < count else None
