"""Statistics: parts add up to the whole, and come back from JSON as they were."""

import json
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection import stats, store
from collection.record import Message, Record, to_batch
from collection.stats import LanguageStats, by_language, measure, total


def row(*contents, language="swh_Latn", **columns):
    roles = ("user", "assistant")
    messages = tuple(Message(roles[index % 2], content) for index, content in enumerate(contents))
    return Record("0" * 32, language, messages, **({"source": "aya", "license": "Apache-2.0"} | columns))


ROWS = [
    row("Habari?", "Nzuri.", split="train", dataset="d1"),
    row("你好", "世界", "再见", "👩‍👧", split="test", source="sharegpt", license="unknown", origin="synthetic"),
    row("نعم؟", "x" * 1000, split="train", dataset="d1", origin="translated"),
]


def test_rows_turns_and_lengths_are_counted_in_characters_and_bytes():
    found = measure(to_batch(ROWS))
    assert (found.rows, found.turns) == (3, 8)
    assert found.target_characters == 6 + 3 + 1000
    assert found.target_bytes == 6 + len("👩‍👧".encode()) + 1000
    assert found.prompt_characters == 7 + (2 + 2 + 2) + 4
    assert found.lengths == {2: 1, 1: 1, 9: 1}  # 4 to 7, 2 to 3, 512 to 1023
    assert found.by == {
        "split": {"train": 2, "test": 1},
        "source": {"aya": 2, "sharegpt": 1},
        "dataset": {"d1": 2, "": 1},
        "origin": {"human": 1, "synthetic": 1, "translated": 1},
        "license": {"Apache-2.0": 2, "unknown": 1},
        "provenance": {
            "aya\thuman\tApache-2.0": 1,
            "sharegpt\tsynthetic\tunknown": 1,
            "aya\ttranslated\tApache-2.0": 1,
        },
    }


@pytest.mark.parametrize(
    ("length", "power"),
    [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (1023, 9), (1024, 10), (1025, 10), (65535, 15), (65536, 16)],
)
def test_a_length_is_counted_under_the_power_of_two_below_it(length, power):
    assert measure(to_batch([row("q", "ก" * length)])).lengths == {power: 1}


def test_the_split_of_a_collection_stands_in_for_that_of_the_source():
    assert measure(to_batch(ROWS), "validation").by["split"] == {"validation": 3}


def test_nothing_has_statistics_of_zero():
    assert measure(to_batch([])) == LanguageStats() == total([])


def test_a_table_of_many_pieces_is_measured_as_one():
    table = pa.Table.from_batches([to_batch(ROWS[:1]), to_batch(ROWS[1:])])
    assert measure(table) == measure(to_batch(ROWS))
    assert measure(table.slice(1)) == measure(to_batch(ROWS[1:]))
    assert measure(to_batch(ROWS).slice(1, 1)) == measure(to_batch(ROWS[1:2]))


text = st.text("aé字👩\u0301", max_size=20)
rows = st.lists(
    st.builds(
        lambda contents, split, source, origin: row(*contents, split=split, source=source, origin=origin),
        st.lists(text, min_size=2, max_size=5),
        st.sampled_from(["train", "test", ""]),
        st.sampled_from(["aya", "xp3x"]),
        st.sampled_from(["human", "template"]),
    ),
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(rows, st.integers(0, 6))
def test_parts_add_up_to_the_whole(some, cut):
    whole = measure(to_batch(some))
    assert total([measure(to_batch(some[:cut])), measure(to_batch(some[cut:]))]) == whole
    assert sum(whole.lengths.values()) == whole.rows == len(some)
    assert all(sum(counts.values()) == whole.rows for counts in whole.by.values())
    assert whole.prompt_characters + whole.target_characters == sum(
        len(m.content) for one in some for m in one.messages
    )


@settings(max_examples=100, deadline=None)
@given(rows)
def test_statistics_come_back_from_json(some):
    found = measure(to_batch(some))
    assert LanguageStats.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_lengths_in_json_are_lengths_and_in_order():
    found = measure(to_batch(ROWS)).to_json()
    assert list(found["target_lengths"].items()) == [("2", 1), ("4", 1), ("512", 1)]


def test_the_statistics_of_a_folder_are_counted_by_language(tmp_path):
    some = [*ROWS, row("ไหม", "ใช่", language="tha_Thai"), row("ใคร", "เขา", language="tha_Thai")]
    for index, part in enumerate((some[::2], some[1::2])):
        with store.PartWriter(tmp_path, index, 2) as writer:
            writer.write(part)
    found = by_language(tmp_path)
    assert list(found) == ["swh_Latn", "tha_Thai"]
    assert found["swh_Latn"] == measure(to_batch(ROWS))
    assert found["tha_Thai"] == measure(to_batch(some[3:]))


def test_the_statistics_of_a_collection_are_those_it_wrote_down(tmp_path):
    languages = {"tha_Thai": measure(to_batch(ROWS)), "arb_Arab": measure(to_batch(ROWS[:1]))}
    (tmp_path / "stats.json").write_text(json.dumps(stats.to_json(languages)), "utf-8")
    assert by_language(tmp_path) == languages


def test_the_file_of_statistics_describes_every_language_and_adds_them_up():
    values = stats.to_json({"swh_Latn": measure(to_batch(ROWS)), "arz_Arab": measure(to_batch(ROWS[:1]))})
    assert list(values["languages"]) == ["arz_Arab", "swh_Latn"]
    arabic = values["languages"]["arz_Arab"]
    assert (arabic["name"], arabic["script"], arabic["family"]) == ("Egyptian Arabic", "Arabic", "Afro-Asiatic")
    assert (arabic["resource"], arabic["aya"], arabic["rows"]) == ("high", "ara", 1)
    assert values["total"]["rows"] == 4
    assert values["total"]["origin"] == {"human": 2, "synthetic": 1, "translated": 1}
    assert LanguageStats.from_json(values["total"]).by["source"] == Counter(aya=3, sharegpt=1)
