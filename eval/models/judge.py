"""Which of two answers is better: a judge is asked in both orders. Where the orders disagree, it is a tie, and counted.

A judge that prefers what stands first, or says the same to all, so gets ties and a high rate of flips, and nobody wins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from collection.languages import Language
from eval.models.base import ChatModel, Generation, GenerationLimits

_LIMITS: Final = GenerationLimits(max_tokens=16)
_ASK: Final = """You compare two answers to a request that was made in {language}.
Weigh, in this order: is the answer in {language} (unless another language was asked for)? Does it do what was asked?
Is it correct, and easy to follow? Is it well written? Length alone is no merit, nor is the order.

[Request]
{prompt}

[Answer A]
{first}

[Answer B]
{second}

Say which is better with one word: A, B or tie."""
# A word ends where Latin letters do: 答案A更好 names A.
_WORD: Final = re.compile(r"(?<![A-Za-z])([AB]|[Tt]ie|TIE)(?![A-Za-z])")


class Verdict(NamedTuple):
    """Of one request. `win`: 1, 0, or 0.5 for a tie; `flipped`: the two orders disagree, a winner beside a tie, too."""

    win: float
    flipped: bool
    unread: int  # words of the judge that were no verdict
    said: tuple[str, str]


def compare(
    judge: ChatModel,
    prompts: Sequence[str],
    ours: Sequence[Generation],
    others: Sequence[Generation],
    language: Language,
) -> list[Verdict]:
    """The verdict on our answer to each request, beside the other's."""
    asked = []
    for prompt, one, other in zip(prompts, ours, others, strict=True):
        asked += [_question(prompt, one.text, other.text, language), _question(prompt, other.text, one.text, language)]
    said = [answer.text for answer in judge.generate(asked, _LIMITS)]
    return [_verdict(said[place], said[place + 1]) for place in range(0, len(said), 2)]


def _question(prompt: str, first: str, second: str, language: Language) -> str:
    return _ASK.format(language=language.name, prompt=prompt, first=first or "(empty)", second=second or "(empty)")


def _verdict(first: str, second: str) -> Verdict:
    """`first` was said of ours before the other's, `second` of the other's before ours."""
    one, two = _read(first), _read(second)
    as_ours = {"a": 1.0, "b": 0.0}
    swapped = {"a": 0.0, "b": 1.0}
    first_win, second_win = as_ours.get(one, 0.5), swapped.get(two, 0.5)
    win = first_win if first_win == second_win else 0.5
    return Verdict(win, first_win != second_win, (one == "") + (two == ""), (first, second))


def _read(text: str) -> str:
    """a, b, tie, or "" where it said neither, or both."""
    found = {word.lower() for word in _WORD.findall(text)}
    return found.pop() if len(found) == 1 else ""
