"""Rows of a slice: what cannot be read is a reject of the same name, place and text."""

from __future__ import annotations

from collection.reject import Reason, Reject
from core.tables import Row, RowFault, Slice
from pipelines.rows import read_rows


def test_a_bad_row_becomes_a_reject_of_the_same_name_place_and_text(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "ሰላም"}\n["ኣማርኛ"]\n')
    [(row, reject)] = filter(None, read_rows(Slice(str(path), "rows.jsonl", "jsonl")))
    assert isinstance(row, Row) and row.data == {"a": "ሰላም"}
    assert reject == Reject(
        Reason.NOT_A_ROW, "JSON of type array, expected an object", location="rows.jsonl:2", raw='["ኣማርኛ"]'
    )


def test_every_fault_of_a_row_is_a_reason_of_that_name():
    assert {fault.name for fault in RowFault} == {Reason(fault.value).name for fault in RowFault}
