"""The check of a source before a run: rows of another kind are one error that shows an example."""

from __future__ import annotations

import itertools
import json

import pytest

from core.errors import SourceError
from pipelines.ingest import preflight
from pipelines.ingest.sources import make_source, source_class
from pipelines.shards import plan

AYA = {"inputs": "Ina kwana?", "targets": "Lafiya lau.", "language": "Hausa", "language_code": "hau"}
CHAT = {"id": "a", "conversations": [{"from": "human", "value": "Sannu"}, {"from": "gpt", "value": "Yauwa, sannu"}]}


def check(path, kind, **options):
    source = make_source(kind, source_class(kind).Options(**options))
    tasks = plan([(str(path), "utf-8")]).tasks
    preflight.check(str(path), kind, source, [piece.slice for task in tasks for piece in task.slices])


def message(path, kind, **options):
    with pytest.raises(SourceError) as caught:
        check(path, kind, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("aya", AYA),
        ("aya_collection", AYA),
        ("xp3x", AYA),
        ("table", AYA),
        ("sharegpt", CHAT),
        # Rows of the right kind that nobody wants to keep: that is for the run to decide, and to count.
        ("sharegpt", {"id": "a", "conversations": []}),
        ("sharegpt", {"conversations": [{"from": "gpt", "value": "…"}]}),
        ("sharegpt", {"conversations": [{"from": "moderator", "value": "…"}]}),
        ("aya", {**AYA, "language_code": "", "language": "Dothraki of the north"}),
        ("aya", {**AYA, "split": "test"}),
        ("aya", {**AYA, "inputs": "", "targets": ""}),
    ],
)
def test_a_source_with_one_row_of_its_kind_passes(tmp_path, write_lines, kind, row):
    check(write_lines(tmp_path / "rows.jsonl", ["broken", {"other": 1}, row]), kind)


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        ("aya", CHAT, "'inputs'"),
        ("xp3x", CHAT, "'inputs'"),
        ("aya_collection", {"inputs": "x", "answers": ["y"]}, "'targets'"),
        ("sharegpt", AYA, "no conversation"),
        ("table", {"question": "x"}, "'inputs'"),
    ],
)
def test_a_source_of_another_kind_is_an_error_that_names_path_kind_place_and_what_the_row_has(
    tmp_path, write_lines, kind, row, said
):
    path = write_lines(tmp_path / "rows.jsonl", [row] * 3)
    told = message(path, kind)
    assert all(part in told for part in (str(path), kind, "3 rows", "rows.jsonl:1", said, *list(row)[:1]))


@pytest.mark.parametrize("lines", [[], [""], ["", " \t", ""]])
def test_a_source_without_rows_is_an_error(tmp_path, write_lines, lines):
    assert "holds no rows at all" in message(write_lines(tmp_path / "rows.jsonl", lines), "aya")


def test_an_empty_array_is_a_source_without_rows(tmp_path):
    (tmp_path / "rows.json").write_text("[]\n")
    assert "holds no rows at all" in message(tmp_path / "rows.json", "sharegpt")


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n" * 9, b"<html><body>404</body></html>", b"\x00" * 100])
def test_a_file_of_something_else_is_an_error(tmp_path, data):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    assert "rows.jsonl:1" in message(path, "aya")


def test_one_good_row_among_many_files_is_found_while_files_are_few(tmp_path, write_lines):
    for number in range(19):
        write_lines(tmp_path / "in" / f"{number:02}.jsonl", [CHAT])
    write_lines(tmp_path / "in" / "zz.jsonl", [AYA])
    check(tmp_path / "in", "aya")


def test_empty_files_among_many_are_no_reason_to_stop(tmp_path, write_lines):
    for number in range(100):
        write_lines(tmp_path / "in" / f"{number:03}.jsonl", [AYA] if number == 99 else [])
    check(tmp_path / "in", "aya")


def test_only_the_first_rows_of_a_file_are_looked_at(tmp_path, write_lines):
    many = [CHAT] * 10_000
    path = write_lines(tmp_path / "rows.jsonl", [*many, AYA])
    assert "rows.jsonl:1" in message(path, "aya")


ODD_ROWS = {
    "a history that is a number": '{"instruction": "x", "output": "y", "history": 5}',
    "tools nested a thousand deep": json.dumps(CHAT)[:-1] + ', "tools": ' + "[" * 1000 + "]" * 1000 + "}",
}


@pytest.mark.parametrize("row", ODD_ROWS)
def test_no_row_however_odd_stops_the_look_at_the_others(tmp_path, write_lines, row):
    check(write_lines(tmp_path / "rows.jsonl", [ODD_ROWS[row], CHAT]), "sharegpt")


@pytest.mark.parametrize("kind", ["aya", "aya_collection", "xp3x", "table", "sharegpt"])
@pytest.mark.parametrize("row", ["{}", '{"inputs": null, "targets": null}', '{"conversations": 1}'])
def test_rows_without_what_the_kind_needs_are_an_error_for_every_kind(tmp_path, write_lines, kind, row):
    path = write_lines(tmp_path / "rows.jsonl", list(itertools.repeat(row, 3)))
    if kind == "table" and "null" in row:
        check(path, kind)  # a column of a table may be empty
    else:
        assert f"as {kind}" in message(path, kind)
