"""Files appear whole or not at all, and are known by their content."""

from pathlib import Path

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from core import files

ROOT = Path(__file__).resolve().parents[2]


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "a" / "b" / "ปลายทาง.txt"
    with files.appearing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename from elsewhere would not be atomic
    assert path.read_text() == "whole"
    assert names(tmp_path) == ["a", "a/b", "a/b/ปลายทาง.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_nothing_behind_and_the_old_file_as_it_was(tmp_path, error):
    path = tmp_path / "part.parquet"
    path.write_text("old")
    with pytest.raises(error), files.appearing(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["part.parquet"]


def test_a_new_file_takes_the_place_of_the_old_one(tmp_path):
    files.write_text(tmp_path / "x", "old")
    files.write_text(tmp_path / "x", "नया ✓")
    assert (tmp_path / "x").read_bytes() == "नया ✓".encode()
    assert names(tmp_path) == ["x"]


def test_two_writers_of_one_file_do_not_share_a_temporary_one(tmp_path):
    with files.appearing(tmp_path / "x") as first, files.appearing(tmp_path / "x") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "x").read_text() == "first"  # the one that ended last
    assert names(tmp_path) == ["x"]


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path):
    left = [tmp_path / ".a.0123456789ab.tmp", tmp_path / "data" / ".b.parquet.0123456789ab.tmp"]
    kept = [tmp_path / "c.tmp", tmp_path / ".lock", tmp_path / "data" / "d.parquet"]
    for path in left + kept:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == [".lock", "c.tmp", "data", "data/d.parquet"]


def test_a_temporary_file_is_known_as_a_leftover(tmp_path):
    with files.appearing(tmp_path / "x.parquet") as temporary:
        temporary.touch()
        files.remove_leftovers(tmp_path)
        assert not temporary.exists()
        temporary.touch()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "99aa06d3014798d86001c324468d497f"),
        ("Habari ya dunia, 你好, नमस्ते\n".encode(), "c9d5c296e3fda55735354be3ca1c699c"),
    ],
)
def test_a_content_hash_never_changes(tmp_path, content, expected):
    (tmp_path / "x").write_bytes(content)
    assert files.content_hash(tmp_path / "x") == expected


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=60), start=st.integers(0, 70), end=st.none() | st.integers(0, 70))
def test_a_range_has_the_hash_of_its_bytes(tmp_path_factory, content, start, end):
    path = tmp_path_factory.getbasetemp() / "ranged"
    path.write_bytes(content)
    assert files.content_hash(path, start, end) == xxhash.xxh3_128_hexdigest(content[start:end])


def test_a_range_of_a_big_file_is_read_in_pieces_to_the_byte(tmp_path):
    content = bytes(range(256)) * (3 << 12) + b"end"  # three megabytes and a bit
    (tmp_path / "x").write_bytes(content)
    for start, end in ((0, None), (1, 1 << 20), (5, (1 << 20) + 6), (1 << 20, 3 << 20), (3 << 20, None)):
        assert files.content_hash(tmp_path / "x", start, end) == xxhash.xxh3_128_hexdigest(content[start:end])
