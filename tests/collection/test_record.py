"""The record: an id that never changes, and the way to Arrow columns and back."""

import re
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection.record import ORIGINS, ROLES, SCHEMA, Message, Record, from_batch, record_id, to_batch

HABARI = (Message("user", "Habari?"), Message("assistant", "Nzuri."))
CHAT = (
    Message("system", "أجب بإيجاز."),
    Message("user", "ราคาเท่าไหร่"),
    Message("assistant", "👩‍👩‍👧 नमस्ते"),
    Message("tool", ""),
    Message("assistant", "Tie\u0302\u0301ng"),
)
FULL = Record(
    id="0" * 32,
    language="srp_Cyrl",
    messages=CHAT,
    source="sharegpt",
    dataset="d",
    template="t",
    task="qa",
    split="train",
    origin="translated",
    license="CC-BY-SA-4.0",
    parent_id="f" * 32,
    generator="apertium 3.9",
    lid_language="srp_Latn",
    lid_score=0.75,
)


@pytest.mark.parametrize(
    ("source", "source_id", "language", "messages", "expected"),
    [
        ("aya_dataset", "", "swh_Latn", HABARI, "7e419f12ced4eb7991d7c44620407db3"),
        ("aya_dataset", "17", "swh_Latn", HABARI, "47e45e4c22134e0a15e43f528b496954"),
        ("sharegpt", "QWJhYvA_0", "", CHAT, "c4404e0bcb525990e2a3be6c1d6753fd"),
        ("x", "", "und", (), "7a2e7180bbc690436f0dace8e117e4be"),
    ],
)
def test_an_id_is_the_same_in_every_run_on_every_machine(source, source_id, language, messages, expected):
    assert record_id(source, source_id, language, messages) == expected


@pytest.mark.parametrize(
    "other",
    [
        ("xp3x", "1", "swh_Latn", HABARI),
        ("aya_dataset", "2", "swh_Latn", HABARI),
        ("aya_dataset", "", "swh_Latn", HABARI),
        ("aya_dataset", "1", "kin_Latn", HABARI),
        ("aya_dataset", "1", "swh_Latn", HABARI[:1]),
        ("aya_dataset", "1", "swh_Latn", HABARI[::-1]),
        ("aya_dataset", "1", "swh_Latn", (*HABARI, Message("user", ""))),
        ("aya_dataset", "1", "swh_Latn", (Message("system", "Habari?"), HABARI[1])),
        ("aya_dataset", "1", "swh_Latn", (Message("user", "Habari? "), HABARI[1])),
        ("aya_dataset", "1", "swh_Latn", (Message("user", "habari?"), HABARI[1])),
    ],
)
def test_an_id_differs_when_any_part_differs(other):
    assert record_id(*other) != record_id("aya_dataset", "1", "swh_Latn", HABARI)


messages = st.lists(st.builds(Message, st.sampled_from(ROLES), st.text("a\x1e\x1fuser0123é", max_size=8)), max_size=3)


@settings(max_examples=200, deadline=None)
@given(one=messages, two=messages)
def test_texts_with_separators_in_them_are_still_told_apart(one, two):
    assert (record_id("s", "", "swh_Latn", one) == record_id("s", "", "swh_Latn", two)) == (one == two)


def test_a_source_id_with_separators_in_it_is_still_told_apart():
    long = [Message("user", "q\x1fswh_Latn\x1euser\x1f1\x1fz")]
    forged = f"\x1fswh_Latn\x1euser\x1f{len(long[0].content)}\x1fq"
    assert record_id("s", "", "swh_Latn", long) != record_id("s", forged, "swh_Latn", [Message("user", "z")])


def test_lone_surrogates_do_not_keep_a_row_from_its_id():
    broken = record_id("s", "", "swh_Latn", (Message("user", "a\ud83d"), HABARI[1]))
    assert re.fullmatch("[0-9a-f]{32}", broken)
    assert broken != record_id("s", "", "swh_Latn", (Message("user", "a\ude00"), HABARI[1]))
    assert record_id("s\ud800", "\udfff", "", HABARI) != record_id("s", "", "", HABARI)


def test_a_record_gives_its_prompt_and_its_target():
    record = Record.of(messages=list(CHAT), language="tha_Thai", source="sharegpt", source_id="7", origin="synthetic")
    assert record.id == record_id("sharegpt", "7", "tha_Thai", CHAT)
    assert record.messages == CHAT
    assert record.prompt == "أجب بإيجاز.\n\nราคาเท่าไหร่\n\n👩‍👩‍👧 नमस्ते\n\n"
    assert record.target == "Tie\u0302\u0301ng"
    assert record.origin == "synthetic" and record.origin in ORIGINS


def test_the_columns_are_those_that_the_design_names():
    assert SCHEMA.names == [
        *("id", "language", "messages", "source", "dataset", "template", "task", "split", "origin", "license"),
        *("parent_id", "generator", "lid_language", "lid_score"),
    ]
    optional = [field.name for field in SCHEMA if field.nullable]
    assert optional == ["parent_id", "generator", "lid_language", "lid_score"]


@pytest.mark.parametrize(
    "records",
    [
        [],
        [FULL],
        [Record.of(messages=HABARI, language="swh_Latn", source="aya")],
        [
            FULL,
            Record.of(messages=HABARI, language="swh_Latn", source="aya"),
            replace(FULL, messages=(), lid_score=0.0),
        ],
    ],
)
def test_records_come_back_from_arrow_as_they_were_and_in_their_order(records):
    batch = to_batch(records)
    assert batch.schema == SCHEMA
    batch.validate(full=True)
    assert from_batch(batch) == records
    assert from_batch(pa.Table.from_batches([batch, batch])) == records * 2
    assert from_batch(batch.slice(1)) == records[1:]


text = st.text(max_size=12)
records = st.builds(
    Record,
    id=text,
    language=text,
    messages=st.lists(st.builds(Message, st.sampled_from(ROLES), text), max_size=4).map(tuple),
    source=text,
    parent_id=st.none() | text,
    lid_language=st.none() | text,
    lid_score=st.none() | st.floats(0, 1, width=32),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(records, max_size=4))
def test_any_records_come_back_from_arrow(rows):
    assert from_batch(to_batch(rows)) == rows
