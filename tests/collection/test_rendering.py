"""One template over one row, as PromptSource does it."""

import pytest

from collection.rendering import Renderer, RenderingError, most_frequent
from collection.templates import Template

ROW = {"premise": "Mwanaume alifungua bomba.", "choices": ["a ||| b", "ค"], "label": 1, "empty": [], "none": None}


def render(jinja, answer_choices="", row=ROW, seed="row"):
    return Renderer([Template("id", "name", "data", "", jinja, answer_choices)]).render(0, row, seed)


@pytest.mark.parametrize(
    ("jinja", "answer_choices", "parts"),
    [
        ("{{ premise }} ||| {{ label }}", "", ["Mwanaume alifungua bomba.", "1"]),
        ("  Q \n|||\n {{ answer_choices[label] }}  ", "no ||| yes ", ["Q", "yes"]),
        (
            "{{ answer_choices | join('/') }} ||| x",
            "{{ choices[1] }} ||| {{ premise }}",
            ["ค/Mwanaume alifungua bomba.", "x"],
        ),
        ("{% if label == 0 %}Q ||| A{% endif %}", "", [""]),
        ("{{ choices[0] }} ||| {{ choices[0] }}", "", ["a ||| b", "a ||| b"]),  # the data's own bars part nothing
        ("{{ choices | most_frequent | join }} ||| {{ zip(choices, [1, 2]) | list | length }}", "", ["a ||| bค", "2"]),
        ("{% for one in range(3) %}{{ one }}{% endfor %} ||| {{ missing | default('-') }}", "", ["012", "-"]),
        ("{% if missing is defined %}x{% else %}y{% endif %} ||| z", "", ["y", "z"]),
        ("a ||| b ||| c", "", ["a", "b", "c"]),
        ("{{ choices.append('c') or '' }}{{ choices | length }} ||| z", "", ["3", "z"]),
    ],
)
def test_a_template_gives_prompt_and_answer(jinja, answer_choices, parts):
    assert render(jinja, answer_choices) == parts


def test_a_template_that_changes_its_row_changes_no_other_rendering():
    renderer = Renderer([Template("a", "a", "d", "", "{{ choices.append('c') or '' }}{{ choices | length }} ||| z")])
    assert [renderer.render(0, ROW, "s")[0] for _ in range(3)] == ["3", "3", "3"]
    assert len(ROW["choices"]) == 2


@pytest.mark.parametrize(
    ("jinja", "told"),
    [
        ("{{ premiss }} ||| a", "no column 'premiss'"),
        ("{% if premiss %}x{% endif %} ||| a", "no column 'premiss'"),
        ("x ||| {{ choices[lable] }}", "no column 'lable'"),
        ("{{ none }} ||| a", "prints a null"),
        ("{{ empty | choice }} ||| a", "an empty list"),
        ("{{ choices[label].x.y }} ||| a", "UndefinedError"),
        ("{{ 1 / 0 }} ||| a", "ZeroDivisionError"),
        ("{{ premise", "TemplateSyntaxError"),
        ("{{ premise | nonsense }} ||| a", "TemplateRuntimeError|TemplateAssertionError"),
    ],
)
def test_what_would_make_a_bad_row_in_silence_is_an_error(jinja, told):
    with pytest.raises(RenderingError, match=told):
        render(jinja)


def test_a_column_named_like_the_choices_is_an_error():
    with pytest.raises(RenderingError, match="answer_choices"):
        render("a ||| b", row={"answer_choices": "x"})


def test_choices_are_drawn_by_the_row():
    items = {"items": list("abcdefghij")}
    drawn = [
        render("{{ items | choice }}{{ items | random }} ||| x", row=items, seed=str(number))[0] for number in range(20)
    ]
    assert drawn == [
        render("{{ items | choice }}{{ items | random }} ||| x", row=items, seed=str(number))[0] for number in range(20)
    ]
    assert len(set(drawn)) > 10


def test_most_frequent_items_are_all_told():
    assert most_frequent(["no", "yes", "no", "yes", "?"]) == ["no", "yes"]
