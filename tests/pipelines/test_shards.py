"""The plan of a run: every byte, row group and file in exactly one slice, whatever the machine and its order."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import random
import shutil
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import tables
from core.errors import SourceError
from pipelines import shards
from pipelines.shards import plan

LINE = '{"inputs": "Wie geht es dir?", "targets": "ดีมาก"}\n'


def planned(*paths, encoding="utf-8"):
    return plan([(str(path), encoding) for path in paths])


def slices(found):
    """(source, file, start, end) of every slice, in the order of the plan."""
    return [
        (piece.source, piece.slice.name, piece.slice.start, piece.slice.end)
        for task in found.tasks
        for piece in task.slices
    ]


def names(found):
    return [name for _, name, _, _ in slices(found)]


def keys(found):
    return [task.key for task in found.tasks]


def make(folder, *files, text=LINE):
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return folder


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of a thousand bytes, so that a few kilobytes are a big input."""
    monkeypatch.setattr(shards, "_LEAST", 1000)


# Which files are read.


def test_a_folder_means_all_data_files_below_it_sorted_by_name(tmp_path):
    make(tmp_path, "swh_Latn/b.jsonl", "swh_Latn/a.jsonl.gz", "zul_Latn/x/y.json", "c.csv", "Z.TSV", "0.ndjson.gz")
    assert names(planned(tmp_path)) == [
        "0.ndjson.gz",
        "Z.TSV",
        "c.csv",
        "swh_Latn/a.jsonl.gz",
        "swh_Latn/b.jsonl",
        "zul_Latn/x/y.json",
    ]


def test_hidden_files_are_passed_over_and_documentation_too_but_other_files_are_named(tmp_path):
    make(tmp_path, "a.jsonl", ".b.jsonl", ".git/c.jsonl", "README.md", "LICENSE", "ORIGIN.txt", "make.py", "sub/NOTICE")
    make(tmp_path, "data.txt", "sub/model.bin", "sub/rows.jsonl.bak")
    found = planned(tmp_path)
    assert names(found) == ["a.jsonl"]
    assert found.ignored == ("data.txt", "sub/model.bin", "sub/rows.jsonl.bak")


def test_a_single_file_goes_by_its_own_name(tmp_path):
    make(tmp_path, "swh_Latn/b.jsonl", "swh_Latn/c.jsonl")
    assert names(planned(tmp_path / "swh_Latn" / "b.jsonl")) == ["b.jsonl"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*/*.jsonl", ["swh/a.jsonl", "swh/b.jsonl", "zul/a.jsonl"]),
        ("swh/*.jsonl", ["a.jsonl", "b.jsonl"]),
        ("**/*.json*", ["swh/a.jsonl", "swh/b.jsonl", "top.json", "zul/a.jsonl", "zul/deep/c.jsonl"]),
        ("s?h/[ab].jsonl", ["swh/a.jsonl", "swh/b.jsonl"]),
        ("*.json", ["top.json"]),
    ],
)
def test_a_pattern_means_the_files_that_match_named_below_its_fixed_folders(tmp_path, pattern, expected):
    make(tmp_path, "swh/a.jsonl", "swh/b.jsonl", "zul/a.jsonl", "zul/deep/c.jsonl", "top.json", "swh/notes.txt")
    assert names(planned(f"{tmp_path}/{pattern}")) == expected


def test_a_path_that_exists_is_not_a_pattern_whatever_its_name(tmp_path):
    make(tmp_path, "a[1]?.jsonl", "a1x.jsonl")
    assert names(planned(tmp_path / "a[1]?.jsonl")) == ["a[1]?.jsonl"]
    make(tmp_path / "folder [old]", "b.jsonl")
    assert names(planned(tmp_path / "folder [old]")) == ["b.jsonl"]


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(make(tmp_path, "rows/a.jsonl")))
    assert names(planned("~/rows")) == ["a.jsonl"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("absent", "absent: No such file or folder|absent: No such file or directory"),
        ("absent/*.jsonl", "no file matches"),
        ("empty", "is a folder without data files"),
        ("texts", "is a folder without data files"),
        ("texts/a.txt", "has no known format"),
        ("texts/a.txt/b.jsonl", "Not a directory"),
        ("circle", "circle of symbolic links|levels of symbolic links"),
    ],
)
def test_a_path_where_nothing_can_be_read_is_one_error_that_names_it(tmp_path, path, said):
    (tmp_path / "empty").mkdir()
    make(tmp_path, "texts/a.txt", "texts/README.md")
    os.symlink("circle", tmp_path / "circle")
    with pytest.raises(SourceError, match=said) as caught:
        planned(tmp_path / path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_what_cannot_be_looked_at_is_in_the_plan_so_that_its_reject_can_say_so(tmp_path):
    make(tmp_path, "a.jsonl")
    os.symlink(tmp_path / "nowhere", tmp_path / "dangling.jsonl")
    os.symlink("circle", tmp_path / "circle")
    found = planned(tmp_path)
    assert names(found) == ["a.jsonl", "circle", "dangling.jsonl"]
    for piece in [piece for task in found.tasks for piece in task.slices][1:]:
        (row,) = itertools.chain.from_iterable(tables.read(piece.slice))
        assert isinstance(row, tables.BadRow) and row.fault == "unreadable_file"


def test_a_link_to_a_file_or_folder_elsewhere_is_followed(tmp_path):
    make(tmp_path / "elsewhere", "deep/a.jsonl")
    (tmp_path / "data").mkdir()
    os.symlink(tmp_path / "elsewhere" / "deep", tmp_path / "data" / "swh_Latn")
    os.symlink(tmp_path / "elsewhere" / "deep" / "a.jsonl", tmp_path / "data" / "b.jsonl")
    assert names(planned(tmp_path / "data")) == ["b.jsonl", "swh_Latn/a.jsonl"]


def test_a_link_back_to_a_folder_above_reads_no_file_twice(tmp_path):
    make(tmp_path / "data", "a.jsonl", "sub/b.jsonl")
    os.symlink("..", tmp_path / "data" / "sub" / "again")
    assert names(planned(tmp_path / "data")) == ["a.jsonl", "sub/b.jsonl"]


def test_a_device_is_not_a_data_file():
    with pytest.raises(SourceError, match="/dev/null"):
        planned("/dev/null")


def test_a_pipe_among_the_files_is_not_waited_for(tmp_path):
    make(tmp_path, "a.jsonl")
    os.mkfifo(tmp_path / "pipe")
    found = []
    thread = threading.Thread(target=lambda: found.append(planned(tmp_path)), daemon=True)
    thread.start()
    thread.join(10)
    waiting = thread.is_alive()
    os.close(os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK))  # lets go whoever waits for a writer
    thread.join(10)
    assert not waiting and "a.jsonl" in names(found[0])


def test_a_pipe_named_like_a_data_file_is_one_reject_and_not_waited_for(tmp_path):
    make(tmp_path, "a.jsonl")
    os.mkfifo(tmp_path / "b.jsonl")
    found = planned(tmp_path)
    assert names(found) == ["a.jsonl", "b.jsonl"]
    (row,) = itertools.chain.from_iterable(tables.read(found.tasks[-1].slices[-1].slice))
    assert row.fault == "unreadable_file" and "not a regular file" in row.detail
    with pytest.raises(SourceError, match=r"b\.jsonl.*not a regular file"):
        planned(tmp_path / "b.jsonl")


def test_a_name_that_is_not_utf_8_can_be_planned(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.jsonl"
    with open(path, "wb") as file:
        file.write(LINE.encode())
    found = planned(tmp_path)
    (piece,) = found.tasks[0].slices
    assert len(list(itertools.chain.from_iterable(tables.read(piece.slice)))) == 1
    # All names go into manifests and markers, which are UTF-8.
    json.dumps([found.inputs[0].path, piece.slice.name], ensure_ascii=False).encode()
    with pytest.raises(SourceError, match=r"caf\\xe9\.jsonl.*not UTF-8"):
        planned(os.fsdecode(path))


# How files are cut and put together.


@given(sizes=st.lists(st.integers(1, 9_000), min_size=1, max_size=8), shuffled=st.randoms())
@settings(max_examples=50, deadline=None)
def test_every_byte_is_in_exactly_one_slice(tmp_path_factory, sizes, shuffled):
    folder = tmp_path_factory.getbasetemp() / "sizes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, size in enumerate(sizes):
        (folder / f"{number}.jsonl").write_bytes(b"x" * size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_LEAST", 1000)
        found = planned(folder)
    for number, size in enumerate(sizes):
        parts = [(start, end or size) for _, name, start, end in slices(found) if name == f"{number}.jsonl"]
        assert parts[0][0] == 0 and parts[-1][1] == size
        assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
        assert all(start < end for start, end in parts)
    assert found.weight == sum(sizes)
    assert [task.index for task in found.tasks] == list(range(len(found.tasks)))
    assert {task.count for task in found.tasks} == {len(found.tasks)}


def test_a_big_file_of_lines_is_cut_and_its_rows_are_read_once(tmp_path, small_shards):
    values = [{"inputs": f"{n}", "targets": "ꦲ" * random.Random(n).randrange(80)} for n in range(200)]
    text = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    make(tmp_path, "rows.jsonl", text=text)
    found = planned(tmp_path)
    assert len(found.tasks) > 10
    rows = [
        row.data
        for task in found.tasks
        for piece in task.slices
        for row in itertools.chain.from_iterable(tables.read(piece.slice))
    ]
    assert rows == values


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.json", "rows.csv"])
def test_a_file_that_can_only_be_read_from_its_start_is_one_slice(tmp_path, small_shards, name):
    make(tmp_path, name, text="".join(f"{random.Random(n).random()}\n" for n in range(2000)))
    assert slices(planned(tmp_path)) == [(0, name, 0, 0)]


@pytest.mark.parametrize("encoding", ["utf-16", "windows-1251"])
def test_lines_in_another_encoding_than_utf_8_are_one_slice(tmp_path, small_shards, encoding):
    (tmp_path / "rows.jsonl").write_bytes((LINE.replace("ดีมาก", "Отлично") * 200).encode(encoding))
    assert slices(planned(tmp_path, encoding=encoding)) == [(0, "rows.jsonl", 0, 0)]


@pytest.mark.parametrize("named", ["utf-8", "windows-1251"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.jsonl.gz"])
def test_a_byte_order_mark_is_believed_before_the_encoding_that_was_named(tmp_path, encoding, name, named):
    data = ("\ufeff" * (encoding == "utf-16-be") + LINE * 2).encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (task,) = planned(tmp_path, encoding=named).tasks
    assert [row.data["targets"] for row in itertools.chain.from_iterable(tables.read(task.slices[0].slice))] == [
        "ดีมาก",
        "ดีมาก",
    ]


def test_every_row_group_is_in_exactly_one_slice(tmp_path, small_shards):
    values = [{"inputs": f"{n}", "targets": "ક" * random.Random(n).randrange(300)} for n in range(500)]
    pq.write_table(pa.Table.from_pylist(values), tmp_path / "rows.parquet", row_group_size=30)
    found = planned(tmp_path)
    bounds = [(start, end) for _, _, start, end in slices(found)]
    assert len(bounds) > 3 and bounds[0][0] == 0 and bounds[-1][1] == 17
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))


def test_small_files_share_a_shard_and_a_big_one_is_cut(tmp_path, small_shards):
    for number in range(30):
        make(tmp_path, f"small/{number:02}.jsonl", text="x" * 100)
    make(tmp_path, "tall.jsonl", text="x" * 5000)
    found = planned(tmp_path)
    sizes = [sum(piece.weight for piece in task.slices) for task in found.tasks]
    assert sum(sizes) == 8000 and all(500 <= size <= 1500 for size in sizes)
    assert names(found)[:30] == [f"small/{number:02}.jsonl" for number in range(30)]


def test_several_sources_keep_their_order_and_their_number(tmp_path):
    make(tmp_path, "one/z.jsonl", "two/a.jsonl", "two/b.jsonl")
    assert [(source, name) for source, name, _, _ in slices(planned(tmp_path / "two", tmp_path / "one"))] == [
        (0, "a.jsonl"),
        (0, "b.jsonl"),
        (1, "z.jsonl"),
    ]


# The plan and its keys depend on the input alone.


def test_the_plan_depends_neither_on_the_place_of_the_folder_nor_on_the_order_of_the_file_system(
    tmp_path, monkeypatch, small_shards
):
    files = [f"{number % 3}/{number}.jsonl" for number in range(20)]
    for number, name in enumerate(files):
        make(tmp_path / "first", name, text=f"{number}" * 100)
    for number, name in reversed(list(enumerate(files))):
        make(tmp_path / "second", name, text=f"{number}" * 100)
    first = planned(tmp_path / "first")
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: reversed(list(scandir(path))))
    second = planned(tmp_path / "second")
    assert slices(first) == slices(second) and keys(first) == keys(second)
    monkeypatch.setattr(os, "cpu_count", lambda: 96)
    assert keys(planned(tmp_path / "first")) == keys(first)


CHANGES = {
    "a byte": lambda folder: (folder / "a.jsonl").write_text(LINE.replace("dir", "Dir"), "utf-8"),
    "a name": lambda folder: (folder / "a.jsonl").rename(folder / "b.jsonl"),
    "one file more": lambda folder: make(folder, "c.jsonl"),
    "a line more": lambda folder: make(folder, "a.jsonl", text=LINE * 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_key_of_a_shard_changes_with_its_input(tmp_path, change):
    make(tmp_path, "a.jsonl")
    before = keys(planned(tmp_path))
    assert keys(planned(tmp_path)) == before
    CHANGES[change](tmp_path)
    assert not set(keys(planned(tmp_path))) & set(before)


def test_the_key_of_a_shard_changes_with_the_encoding_and_not_with_the_time_of_its_files(tmp_path):
    make(tmp_path, "a.jsonl")
    before = keys(planned(tmp_path))
    os.utime(tmp_path / "a.jsonl", (1, 1))
    assert keys(planned(tmp_path)) == before
    assert keys(planned(tmp_path, encoding="cp1252")) != before


def test_every_input_is_listed_with_its_size_and_the_hash_of_its_content(tmp_path):
    make(tmp_path, "a.jsonl", "b.jsonl", "c/a.jsonl")
    make(tmp_path, "b.jsonl", text="other\n")
    inputs = planned(tmp_path).inputs
    assert [(Path(file.path).relative_to(tmp_path).as_posix(), file.bytes) for file in inputs] == [
        ("a.jsonl", len(LINE.encode())),
        ("b.jsonl", 6),
        ("c/a.jsonl", len(LINE.encode())),
    ]
    assert inputs[0].hash == inputs[2].hash != inputs[1].hash


def test_a_damaged_parquet_file_is_planned_and_left_to_its_reader(tmp_path, small_shards):
    sink = io.BytesIO()
    pq.write_table(pa.table({"inputs": ["ა" * 9] * 5000}), sink, row_group_size=500, compression="none")
    (tmp_path / "cut.parquet").write_bytes(sink.getvalue()[:-50])
    assert slices(planned(tmp_path)) == [(0, "cut.parquet", 0, 0)]
