"""Exercises: right answers, in many languages and scripts, the same every time."""

import re
import unicodedata

import pytest

from collection.languages import resolve
from glotmill.sample.exercises import TASKS, exercises, rows
from glotmill.sample.facts import calendar, languages


@pytest.fixture(scope="module")
def made():
    return {language.code: exercises(language) for language in languages()}


def of_task(made, task):
    return [(code, exercise) for code, members in made.items() for exercise in members if exercise.task == task]


def test_there_are_exercises_of_every_task_in_many_languages_and_scripts(made):
    codes = {task: {code for code, _ in of_task(made, task)} for task in TASKS}
    assert len(codes["pick_a_name"]) >= 95 and len({code[4:] for code in codes["pick_a_name"]}) >= 25
    assert len(codes["larger_number"]) >= 25 and codes["larger_number"] == codes["next_number"]
    assert {"arb_Arab", "hin_Deva", "tha_Thai", "khm_Khmr", "urd_Arab"} <= codes["digits"]
    assert sum(map(len, made.values())) > 5_000


def test_answers_follow_the_rule(made):
    for _, exercise in of_task(made, "pick_a_name"):
        ordinal, names = re.fullmatch(r"Which name is (\w+): (.+)\?", exercise.prompt).groups()
        assert exercise.answer == names.split(", ")[{"first": 0, "second": 1, "last": -1}[ordinal]]
    for task, rule in (("larger_number", max), ("next_number", lambda numbers: min(numbers) + 1)):
        for _, exercise in of_task(made, task):
            assert int(exercise.answer) == rule([int(number) for number in re.findall(r"\d+", exercise.prompt)])
    for code, exercise in of_task(made, "digits"):
        asked = re.findall(r"\d", exercise.prompt)
        assert [str(unicodedata.digit(digit)) for digit in exercise.answer.split(" ")] == asked
        assert not re.search(r"[0-9]", exercise.answer), code


def test_names_to_pick_are_in_the_script_of_the_language(made):
    for code, exercise in of_task(made, "pick_a_name"):
        assert resolve(code).script.count(exercise.answer) and exercise.answer in calendar(resolve(code))


def test_no_prompt_is_asked_twice_and_the_order_never_changes(made):
    for code, members in made.items():
        prompts = [exercise.prompt for exercise in members]
        assert len(set(prompts)) == len(prompts)
        assert exercises(resolve(code)) == members


def test_rows_have_the_form_of_the_aya_collection():
    first, second, *_ = rows(resolve("Swahili"), 100)
    assert (first["id"], second["id"]) == (100, 101)
    assert first["language"] == "swh" and first["script"] == "Latn" and first["dataset_name"] == "Exercises"
    assert rows(resolve("Samoan"), 1) == []
