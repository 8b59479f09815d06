"""Rejects: every reason has a meaning, and whatever made a row unusable can still be stored and read."""

import pyarrow as pa
import pytest

from collection.reject import REASONS, SCHEMA, Reason, Reject, to_batch

STAGES = ["read", "parse", "template", "filter", "translate", "synthesize", "derive", "deduplicate", "decontaminate"]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_stage_and_a_meaning_of_its_own(reason):
    stage, meaning = REASONS[reason]
    assert stage in STAGES
    assert len(meaning) > 10
    assert [other for other in REASONS if REASONS[other][1] == meaning] == [reason]
    assert Reject(reason).stage == stage
    assert reason == reason.value == str(reason)


def test_no_meaning_is_without_its_reason():
    assert set(REASONS) == set(Reason)


def test_rejects_become_columns_in_their_order():
    first = Reject(Reason.WRONG_SCRIPT, "0.00 هي العربية", "a" * 32, "arb_Arab", "aya", "f.jsonl:3", '{"x": "ไทย"}')
    batch = to_batch([first, Reject(Reason.INVALID_JSON)])
    assert batch.schema == SCHEMA
    assert batch.to_pylist() == [
        {
            "id": "a" * 32,
            "stage": "filter",
            "reason": "wrong_script",
            "detail": "0.00 هي العربية",
            "language": "arb_Arab",
            "source": "aya",
            "location": "f.jsonl:3",
            "raw": '{"x": "ไทย"}',
        },
        dict.fromkeys(SCHEMA.names, "") | {"stage": "read", "reason": "invalid_json"},
    ]


def test_no_rejects_are_an_empty_batch():
    assert to_batch([]).num_rows == 0
    assert pa.Table.from_batches([to_batch([])]).schema == SCHEMA


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("a\ud83d b", "a\\ud83d b"),
        ("\udfff", "\\udfff"),
        ("nul \x00 and 👩‍👧", "nul \x00 and 👩‍👧"),
        ("", ""),
    ],
)
def test_lone_surrogates_are_stored_so_that_one_sees_them(raw, stored):
    row = to_batch([Reject(Reason.INTERNAL_ERROR, detail=raw, location=raw, raw=raw)]).to_pylist()[0]
    assert (row["detail"], row["location"], row["raw"]) == (stored, stored, stored)
