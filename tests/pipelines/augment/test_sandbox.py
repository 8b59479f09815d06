"""Templates come from strangers: what one does costs its own row, whatever it is."""

import json
import time

import pytest

from collection.templates import Template
from pipelines.augment.sandbox import Job, Limits, Sandbox, as_json


def template(jinja, number=0, **more):
    return Template(f"t{number}", f"name{number}", "data", "", jinja, **more)


@pytest.fixture
def render():
    def run(*sources, rows=({"text": "Habari"},), seconds=0.5, memory=400 << 20):
        templates = [template(source, number) for number, source in enumerate(sources)]
        with Sandbox(templates, Limits(seconds, memory)) as sandbox:
            return sandbox.render([Job(row, "seed", tuple(range(len(templates)))) for row in rows])

    return run


BAD = {
    "counts to infinity": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x ||| y",
    "writes without end": "{% for a in range(99999) %}{{ text * 99999 }}{% endfor %} ||| y",
    "doubles a text": "{% set n = namespace(t='x') %}{% for a in range(64) %}{% set n.t = n.t ~ n.t %}{% endfor %}{{ n.t }} ||| y",
    "counts far in one step": "{{ 9 ** (9 ** 9) }} ||| y",
    "takes a lot at once": "{{ 'x'.ljust(10 ** 12) }} ||| y",
    "calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }} ||| y",
    "fills a list": "{% set l = [1] %}{% for a in range(64) %}{% if l.extend(l) %}{% endif %}{% endfor %}{{ l }} ||| y",
}


@pytest.mark.parametrize("bad", BAD)
def test_a_template_that_runs_away_costs_its_own_rows(render, bad):
    begun = time.monotonic()
    rows = [{"text": "Habari"}, {"text": "สวัสดี"}]
    (wild, tame), (again, last) = render(BAD[bad], "{{ text }}? ||| {{ text }}!", rows=rows)
    assert isinstance(wild, str) and isinstance(again, str), wild
    assert tame == ["Habari?", "Habari!"] and last == ["สวัสดี?", "สวัสดี!"]
    assert time.monotonic() - begun < 40


@pytest.mark.parametrize(
    "bad",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ text.__init__.__globals__ }}",
        "{{ ().__class__.__base__.__subclasses__() }}",
        "{{ self._TemplateReference__context }}",
        "{{ ''|attr('__class__') }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{% for key, value in namespace.__init__.__globals__.items() %}{{ key }}{% endfor %}",
        "{{ '{0.__class__}'.format(text) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}{{ os }}",
    ],
)
def test_a_template_cannot_reach_python(render, bad):
    ((outcome,),) = render(f"{bad} ||| y")
    assert isinstance(outcome, str) or outcome == ["", "y"]


def test_rows_come_back_as_they_went_whatever_their_script(render):
    rows = [{"text": text} for text in ("مرحبا\u200fبالعالم", "e\u0301", "日本語\n\n漢字", "a ||| b", "\x00 \u2028")]
    found = render("{{ text }} ||| {{ text }}", rows=rows)
    assert [parts[0][0] for parts in found] == [row["text"].strip() for row in rows]


def test_nothing_is_rendered_of_no_rows(render):
    assert render("{{ text }}", rows=()) == []


def test_columns_of_any_kind_can_be_shown(render):
    import datetime

    rows = [{"text": datetime.date(2024, 2, 29), "n": {1: "one"}, "l": [1.5, None, True]}]
    assert render("{{ text }} {{ l[0] }} ||| {{ l[2] }}", rows=rows) == [[["2024-02-29 1.5", "True"]]]


def test_numbers_of_more_than_64_bits_and_half_characters_are_text():
    found = json.loads(as_json({"n": [12345678901234567890123, 2**63], 1: "a\ud800", "b": True}))
    assert found == {"n": ["12345678901234567890123", 2**63], "1": "a?", "b": True}
    assert as_json({"b": 1, "a": 2}) == b'{"b":1,"a":2}'
