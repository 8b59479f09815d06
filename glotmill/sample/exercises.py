"""Make exercises: tasks with a rule that a model can learn from examples and apply to examples that it never saw.

A model can only repeat facts, but a learned rule solves any number of exercises. The exercises form one data set of
the Aya Collection, named `Exercises`, with a template for each way to ask.

    pick_a_name     which of three names of months and days comes first, second, last: in all languages that CLDR names
                    them in, so that answers have to be copied in every script
    digits          a number in the digits of another script
    larger_number   which of two numbers is larger, asked in the language
    next_number     which number comes after another, asked in the language
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from collection.languages import Language, resolve
from glotmill.sample import facts
from glotmill.sample.files import read_table

DATASET: Final = "Exercises"
TASKS: Final = ("pick_a_name", "digits", "larger_number", "next_number")


@dataclass(frozen=True, slots=True)
class Exercise:
    """One prompt with its answer. `template` numbers the ways to ask."""

    task: str
    template: int
    prompt: str
    answer: str


def exercises(language: Language) -> list[Exercise]:
    """Return all exercises in a language, each prompt once, the same on every call. Some languages have none."""
    chance = random.Random(f"exercises {language.code}")
    by_prompt: dict[str, Exercise] = {}
    for exercise in (*_picks(language, chance), *_digits(language, chance), *_numbers(language, chance)):
        by_prompt.setdefault(exercise.prompt, exercise)
    return list(by_prompt.values())


def rows(language: Language, first_id: int) -> list[dict[str, Any]]:
    """Return the exercises in a language as rows of the Aya Collection, with ids from `first_id` on."""
    return [
        {
            "id": number,
            "inputs": exercise.prompt,
            "targets": exercise.answer,
            "dataset_name": DATASET,
            "sub_dataset_name": "-",
            "task_type": exercise.task.replace("_", "-"),
            "template_id": exercise.template,
            "language": language.iso639_3,
            "script": language.code[4:],
            "split": "train",
        }
        for number, exercise in enumerate(exercises(language), first_id)
    ]


_ORDINALS: Final = {"first": 0, "second": 1, "last": 2}
_PICKS: Final = 20  # of each ordinal and language
_NUMBERS: Final = 120  # of each task and language
_MOST: Final = 1_000

# The zero of each script whose own digits are in use. The other nine digits follow it in Unicode.
_ZEROS: Final = {
    "Arab": "\u0660",
    "Beng": "\u09e6",
    "Deva": "\u0966",
    "Gujr": "\u0ae6",
    "Guru": "\u0a66",
    "Khmr": "\u17e0",
    "Knda": "\u0ce6",
    "Laoo": "\u0ed0",
    "Mlym": "\u0d66",
    "Mymr": "\u1040",
    "Orya": "\u0b66",
    "Taml": "\u0be6",
    "Telu": "\u0c66",
    "Thai": "\u0e50",
}
# Persian, Pashto and Urdu write Arabic digits in another form.
_EASTERN: Final = ("pes_Arab", "pbt_Arab", "urd_Arab")


def _picks(language: Language, chance: random.Random) -> Iterator[Exercise]:
    names = sorted(set(facts.calendar(language)))
    if len(names) < 3:
        return
    for template, (ordinal, index) in enumerate(_ORDINALS.items(), 1):
        for _ in range(_PICKS):
            chosen = chance.sample(names, 3)
            prompt = f"Which name is {ordinal}: {', '.join(chosen)}?"
            yield Exercise("pick_a_name", template, prompt, chosen[index])


def _digits(language: Language, chance: random.Random) -> Iterator[Exercise]:
    zero = "\u06f0" if language.code in _EASTERN else _ZEROS.get(language.code[4:])
    if zero is None:
        return
    table = {ord("0") + digit: ord(zero) + digit for digit in range(10)}
    for number in chance.sample(range(10, 10 * _MOST), _NUMBERS):
        # One by one, since tokenizers join such digits into pieces.
        digits = " ".join(str(number))
        yield Exercise("digits", 4, f"Write {digits} in {language.name} digits.", digits.translate(table))


def _numbers(language: Language, chance: random.Random) -> Iterator[Exercise]:
    if (questions := _phrases().get(language)) is None:
        return
    larger, after = questions
    for _ in range(_NUMBERS):
        numbers = chance.sample(range(1, _MOST), 2)
        yield Exercise("larger_number", 5, larger.format(*numbers), str(max(numbers)))
    for number in chance.sample(range(1, _MOST), _NUMBERS):
        yield Exercise("next_number", 6, after.format(number), str(number + 1))


def _phrases() -> dict[Language, tuple[str, str]]:
    """Return by language the questions which of two numbers is larger, and which number comes next."""
    return {resolve(row["language"]): (row["larger"], row["next"]) for row in read_table("exercises.tsv")}
