"""Tables: a column mapping makes records of any rows, and says what is wrong with the mapping or the row."""

from __future__ import annotations

import pytest

from collection.record import Message
from core.errors import ConfigError, UnknownNameError
from pipelines.ingest.sources import make_source
from pipelines.ingest.sources.base import ParseFault
from pipelines.ingest.sources.table import TableOptions

ALPACA = {"instruction": "Tradui a l'occitan.", "input": "the cat", "output": "lo gat"}
NESTED = {
    "meta": {"lang": "oc", "kind": {"task": "mt"}, "uid": 17},
    "turns": {"question": "Cossí va?", "answer": "Va plan.", "preamble": "Respond en occitan."},
}


def parse(row, file="rows.jsonl", **options):
    return make_source("table", TableOptions(**options)).parse(row, file)


def test_columns_are_put_together_as_the_mapping_says():
    parsed = parse(
        ALPACA,
        "occitan/train.json",
        name="alpaca_oc",
        inputs="{instruction}\n{input}",
        targets="{output}",
        language="oci_Latn",
        license="CC-BY-NC-4.0",
        origin="synthetic",
    )
    assert parsed.messages == [Message("user", "Tradui a l'occitan.\nthe cat"), Message("assistant", "lo gat")]
    assert parsed.declared.code == "oci_Latn"
    assert (parsed.dataset, parsed.split, parsed.origin, parsed.license) == (
        "alpaca_oc",
        "train",
        "synthetic",
        "CC-BY-NC-4.0",
    )


def test_every_field_of_a_record_can_be_mapped_from_nested_columns_and_constants():
    parsed = parse(
        NESTED,
        inputs="Q: {turns.question}",
        targets="{turns.answer}",
        system="{turns.preamble}",
        id="row-{meta.uid}",
        language="{meta.lang}",
        dataset="set/{meta.kind.task}",
        template="none",
        task="{meta.kind.task}",
        split="dev",
    )
    assert parsed.messages == [
        Message("system", "Respond en occitan."),
        Message("user", "Q: Cossí va?"),
        Message("assistant", "Va plan."),
    ]
    assert (parsed.source_id, parsed.declared.code, parsed.dataset) == ("row-17", "oci_Latn", "set/mt")
    assert (parsed.template, parsed.task, parsed.split) == ("none", "mt", "dev")


def test_without_a_mapping_rows_have_inputs_and_targets():
    assert [text for _, text in parse({"inputs": " a ", "targets": "b\n"}).messages] == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        ({**ALPACA, "input": ""}, ["Tradui a l'occitan.", "lo gat"]),
        ({**ALPACA, "input": None}, ["Tradui a l'occitan.", "lo gat"]),
        ({**ALPACA, "output": 5}, ["Tradui a l'occitan.\nthe cat", "5"]),
        ({**ALPACA, "output": False}, ["Tradui a l'occitan.\nthe cat", "False"]),
        ({**ALPACA, "output": None}, ["Tradui a l'occitan.\nthe cat", ""]),
    ],
)
def test_an_empty_column_is_empty_text_and_a_number_is_its_digits(row, texts):
    parsed = parse(row, inputs="{instruction}\n{input}", targets="{output}")
    assert [text for _, text in parsed.messages] == texts


@pytest.mark.parametrize("system", ["{note}", ""])
def test_a_system_turn_of_no_text_is_left_out(system):
    assert [
        role
        for role, _ in parse({**ALPACA, "note": None}, targets="{output}", inputs="{input}", system=system).messages
    ] == [
        "user",
        "assistant",
    ]


@pytest.mark.parametrize(
    ("language", "row", "code"),
    [
        ("oc", {}, "oci_Latn"),
        ("{lang}", {"lang": "Occitan"}, "oci_Latn"),
        ("{lang}", {"lang": ""}, None),
        ("{lang}", {"lang": None}, None),
        ("{lang}_{script}", {"lang": "srp", "script": "Cyrl"}, "srp_Cyrl"),
        ("", {}, None),
    ],
)
def test_the_language_is_a_constant_or_a_column(language, row, code):
    declared = parse({"inputs": "q", "targets": "a", **row}, language=language).declared
    assert (declared.code if declared else None) == code


@pytest.mark.parametrize(
    ("options", "row", "reason", "said"),
    [
        ({}, {"inputs": "q"}, "missing_field", "no column 'targets' in the row, which has: inputs"),
        ({"inputs": "{q}"}, {"targets": "a"}, "missing_field", "no column 'q'"),
        ({"inputs": "{meta.q}"}, {"meta": {"x": 1}, "targets": "a"}, "missing_field", "no column 'meta.q'"),
        ({"inputs": "{meta}"}, {"meta": {"x": 1}, "targets": "a"}, "missing_field", "'meta' is of type dict"),
        ({"id": "{uid}"}, {"inputs": "q", "targets": "a"}, "missing_field", "no column 'uid'"),
        ({"task": "{t}"}, {"inputs": "q", "targets": "a"}, "missing_field", "no column 't'"),
        ({"language": "{l}"}, {"inputs": "q", "targets": "a", "l": "Occitann"}, "unknown_language", "Occitan"),
    ],
)
def test_a_row_that_does_not_fit_the_mapping_says_what_is_wrong(options, row, reason, said):
    with pytest.raises(ParseFault) as caught:
        parse(row, **options)
    assert caught.value.reason == reason and said in caught.value.detail


@pytest.mark.parametrize(
    "option", ["inputs", "targets", "system", "id", "language", "dataset", "template", "task", "split"]
)
def test_braces_that_do_not_pair_are_an_error_before_anything_is_read(option):
    with pytest.raises(ConfigError, match="braces must stand in pairs"):
        make_source("table", TableOptions(**{option: "{a"}))


@pytest.mark.parametrize("targets", ["", "always the same"])
def test_answers_that_name_no_column_are_an_error_before_anything_is_read(targets):
    with pytest.raises(ConfigError, match="names no column"):
        make_source("table", TableOptions(targets=targets))


def test_a_constant_that_means_no_language_is_an_error_before_anything_is_read():
    with pytest.raises((ConfigError, UnknownNameError), match="Occitann"):
        make_source("table", TableOptions(language="Occitann"))
