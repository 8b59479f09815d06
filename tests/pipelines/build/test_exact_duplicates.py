"""Exact duplicates: which rows go, which stay, whatever the parts and buckets."""

from pathlib import Path

import pytest

from collection.record import Message, Record
from collection.store import PartWriter
from pipelines.build import exact_duplicates


def row(number, text="hello", language="eng_Latn", origin="human"):
    messages = (Message("user", "Say it."), Message("assistant", text))
    return Record(f"{number:032x}", language, messages, "s", origin=origin)


def drops(folder: Path, parts, buckets=1):
    """The (part, row) pairs to drop, each with its survivor's id."""
    for index, rows in enumerate(parts):
        with PartWriter(folder, index, len(parts)) as writer:
            writer.write(rows)
    files = sorted((folder / "data").glob("*.parquet"))
    prints = [folder / f"prints-{index}" for index in range(len(parts))]
    for file, target in zip(files, prints, strict=True):
        exact_duplicates.write_fingerprints(file, target, buckets)
    lists = [folder / f"drops-{bucket}" for bucket in range(buckets)]
    found = [exact_duplicates.find_duplicates(prints, target, bucket, buckets) for bucket, target in enumerate(lists)]
    dropped = {
        (part, place): int(survivor, 16)
        for part in range(len(parts))
        for place, survivor in exact_duplicates.duplicates_of(lists, part, len(parts)).items()
    }
    return dropped, found


def test_the_first_of_equal_rows_stays(tmp_path):
    dropped, _ = drops(tmp_path, [[row(1), row(2, "other"), row(3)], [row(4)]])
    assert dropped == {(0, 2): 1, (1, 0): 1}


@pytest.mark.parametrize(
    ("origins", "stays"),
    [
        (["synthetic", "translated", "template", "human"], 4),
        (["synthetic", "template", "translated"], 2),
        (["synthetic", "synthetic", "translated"], 3),
    ],
)
def test_people_stay_before_templates_before_translations_before_models(tmp_path, origins, stays):
    rows = [row(number, origin=origin) for number, origin in enumerate(origins, 1)]
    dropped, _ = drops(tmp_path, [rows[:2], rows[2:]])
    assert set(dropped.values()) == {stays}
    assert len(dropped) == len(rows) - 1


def test_blanks_make_no_difference_and_case_does(tmp_path):
    dropped, _ = drops(tmp_path, [[row(1, "a b"), row(2, " a \n b"), row(3, "A b")]])
    assert dropped == {(0, 1): 1}


def test_the_same_text_in_two_languages_stays_twice_and_is_counted(tmp_path):
    rows = [row(1, "Sofia", "bul_Cyrl"), row(2, "Sofia", "mkd_Cyrl"), row(3, "Sofia", "bul_Cyrl")]
    dropped, found = drops(tmp_path, [rows])
    assert dropped == {(0, 2): 1}
    assert found[0].shared_by_languages == 1


def test_a_system_turn_makes_another_conversation(tmp_path):
    plain = row(1)
    preamble = Record("0" * 31 + "2", "eng_Latn", (Message("system", "Be brief."), *plain.messages), "s")
    assert drops(tmp_path, [[plain, preamble]])[0] == {}


def test_buckets_make_no_difference(tmp_path):
    texts = [f"text {number % 37}" for number in range(500)]
    rows = [row(number, text) for number, text in enumerate(texts, 1)]
    parts = [rows[:200], rows[200:210], [], rows[210:]]
    one, _ = drops(tmp_path / "one", parts)
    many, found = drops(tmp_path / "many", parts, buckets=16)
    assert one == many
    assert len(one) == 500 - 37 == sum(bucket.duplicates for bucket in found)


def test_no_rows_are_no_trouble(tmp_path):
    assert drops(tmp_path, [[], []]) == ({}, [exact_duplicates.DuplicateCount(0, 0)])


@pytest.mark.parametrize(("rows", "buckets"), [(0, 1), (500_000, 1), (500_001, 2), (3_000_000, 8)])
def test_a_bucket_is_bounded(rows, buckets):
    assert exact_duplicates.bucket_count(rows) == buckets
