"""What all sources share: fields out of raw rows, languages out of names and folders, splits out of paths, patterns."""

from __future__ import annotations

import pytest

from collection.languages import table
from core.errors import ConfigError, UnknownNameError
from pipelines.ingest.sources import SOURCES, make_source, source_class
from pipelines.ingest.sources.base import (
    ParseFault,
    Pattern,
    SourceOptions,
    folders_of,
    label,
    language_of,
    split_in_path,
    text_field,
)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_names_its_rows_after_itself_or_by_its_option(kind):
    assert make_source(kind).name in (kind, f"{kind}_dataset")
    assert make_source(kind, source_class(kind).Options(name="mine")).name == "mine"


def test_an_unknown_kind_is_an_error_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="xp3x") as caught:
        make_source("xp3")
    assert all(kind in str(caught.value) for kind in SOURCES)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", ""),
        (" ทดสอบ\n", " ทดสอบ\n"),
        ("\ud800", "\ud800"),
        (0, "0"),
        (-7, "-7"),
        (0.5, "0.5"),
        (10**30, str(10**30)),
    ],
)
def test_a_text_field_is_text_or_the_digits_of_a_number(value, text):
    assert text_field({"inputs": value}, "inputs") == text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "no 'inputs' in the row"),
        ({"inputs": None, "язык": 1}, "which has: inputs, язык"),
        ({"inputs": ["x"]}, "'inputs' is of type list"),
        ({"inputs": {"text": "x"}}, "'inputs' is of type dict"),
        ({"inputs": True}, "'inputs' is of type bool"),
        ({"inputs": b"x"}, "'inputs' is of type bytes"),
        ({str(n): n for n in range(1000)}, "which has: 0, 1, 2"),
    ],
)
def test_a_text_field_that_is_absent_or_not_text_is_a_missing_field_that_lists_the_fields(row, said):
    with pytest.raises(ParseFault) as caught:
        text_field(row, "inputs")
    assert caught.value.reason == "missing_field" and said in caught.value.detail
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"language": "swa"}, "swa"),
        ({"language": "", "language_code": "swh"}, "swh"),
        ({"language": None, "language_code": "swh"}, "swh"),
        ({"language_code": "swh", "language": "Swahili"}, "Swahili"),
        ({"language": 0}, "0"),
        ({}, ""),
    ],
)
def test_a_label_is_the_first_field_that_holds_something(row, text):
    assert label(row, "language", "language_code") == text


@pytest.mark.parametrize(
    ("spellings", "code"),
    [
        (("swa",), "swh_Latn"),
        (("Swahili",), "swh_Latn"),
        (("swh_Latn", "zul"), "swh_Latn"),
        (("", "zul"), "zul_Latn"),
        (("no such language", "", "folder", "isizulu", "zul"), "zul_Latn"),
        (("srp_Cyrl",), "srp_Cyrl"),
        (("uzn_Cyrl", "uzn_Latn"), "uzb_Cyrl"),
        (("ਪੰਜਾਬੀ", "pan"), "pan_Guru"),
        (("",), None),
        (("", "", "folder"), None),
    ],
)
def test_a_language_is_what_the_row_names_or_else_the_first_hint_that_means_one(spellings, code):
    found = language_of(*spellings)
    assert (found.code if found else None) == code


@pytest.mark.parametrize(
    ("named", "said"),
    [("Swahilli", "Swahili"), ("Dothraki!", "'Dothraki!'"), ("ツツツ", "'ツツツ'"), ("x" * 5000, "xxx")],
)
def test_a_language_that_nobody_knows_is_a_fault_with_the_nearest_names(named, said):
    with pytest.raises(ParseFault) as caught:
        language_of(named, "folder", "")
    assert caught.value.reason == "unknown_language" and said in caught.value.detail


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("train.jsonl", "train"),
        ("data/train-00000-of-00004.parquet", "train"),
        ("swahili/validation.jsonl", "validation"),
        ("dev/eng.jsonl", "validation"),
        ("xp3_xcopa_sw_validation_best_option_swmt.jsonl", "validation"),
        ("XQuAD.VAL.json", "validation"),
        ("test/train.jsonl", "train"),  # the nearest to the row
        ("aya_dataset/test", "test"),
        ("eval\\rows.csv", "test"),
        ("latest.jsonl", ""),
        ("retrained/contest.jsonl", ""),
        ("rows.jsonl", ""),
        ("", ""),
    ],
)
def test_a_split_is_read_from_the_name_of_a_file_or_its_folders(file, split):
    assert split_in_path(file) == split


def test_the_folders_of_a_file_come_nearest_first():
    assert folders_of("aya/swahili/train.jsonl") == ["swahili", "aya"]
    assert folders_of("train.jsonl") == []


ROW = {
    "q": " Ni saa ngapi? ",
    "a": "Saa sita",
    "n": 7,
    "none": None,
    "yes": True,
    "meta": {"lang": "swh", "deep": {"er": "ndani"}},
    "a.b": "a column with a dot",
    "a b (c)": "odd name",
    "list": ["x"],
}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("{q}", "Ni saa ngapi?"),
        ("{q}\n{a}", "Ni saa ngapi? \nSaa sita"),
        ("Jibu: {a}", "Jibu: Saa sita"),
        ("{none}\n{a}", "Saa sita"),
        ("{a}\n{none}", "Saa sita"),
        ("{none}", ""),
        ("{n}", "7"),
        ("{yes}", "True"),
        ("{meta.lang}", "swh"),
        ("{meta.deep.er}!", "ndani!"),
        ("{a.b}", "a column with a dot"),
        ("{a b (c)}", "odd name"),
        ("{a}{a}", "Saa sitaSaa sita"),
        ("swh_Latn", "swh_Latn"),
        ("", ""),
    ],
)
def test_a_pattern_is_filled_with_columns_nested_fields_and_constants(pattern, text):
    assert Pattern(pattern).fill(ROW) == text


@pytest.mark.parametrize(
    "pattern", ["{x}", "{meta.x}", "{meta.lang.x}", "{q.x}", "{meta}", "{list}", "a {list} b", "{none.x}"]
)
def test_a_column_that_is_absent_or_no_text_is_a_missing_field(pattern):
    with pytest.raises(ParseFault) as caught:
        Pattern(pattern).fill(ROW)
    assert caught.value.reason == "missing_field" and pattern.strip("ab {}") in caught.value.detail


@pytest.mark.parametrize("pattern", ["{q", "q}", "{}", "{q}}", "{{q}", "{q}{", "}{"])
def test_braces_that_do_not_pair_are_a_configuration_error(pattern):
    with pytest.raises(ConfigError, match="braces must stand in pairs"):
        Pattern(pattern)


@pytest.mark.parametrize("kind", sorted(set(SOURCES) - {"table"}))
def test_a_language_option_that_means_no_language_is_an_error_before_anything_is_read(kind):
    with pytest.raises((ConfigError, UnknownNameError), match="Swahilli"):
        make_source(kind, SourceOptions(language="Swahilli"))


@pytest.mark.parametrize("kind", sorted(set(SOURCES) - {"table"}))
def test_the_language_option_is_for_rows_that_name_none(kind):
    row = {
        "inputs": "q",
        "targets": "a",
        "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}],
    }
    source = make_source(kind, source_class(kind).Options(language="Zulu"))
    assert source.parse(row, "rows.jsonl").declared == table()["zul_Latn"]
    assert source.parse({**row, "language": "xho"}, "rows.jsonl").declared == table()["xho_Latn"]
    assert source.parse({**row, "language": "no such"}, "rows.jsonl").declared == table()["zul_Latn"]


@pytest.mark.parametrize("kind", SOURCES)
def test_licence_and_origin_can_be_set_for_any_source(kind):
    row = {
        "inputs": "q",
        "targets": "a",
        "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}],
    }
    parsed = make_source(kind, source_class(kind).Options(license="CC-BY-4.0", origin="translated")).parse(
        row, "rows.jsonl"
    )
    assert (parsed.license, parsed.origin) == ("CC-BY-4.0", "translated")
