"""Parts appear whole or not at all, and give back what was written, in its order."""

import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collection import record, reject, store
from collection.record import Message, Record
from collection.reject import Reason, Reject
from collection.store import PartWriter, batches, part_name, parts
from core.errors import SourceError

ROOT = Path(__file__).resolve().parents[2]


def row(number, language="tha_Thai", content="คำตอบที่"):
    messages = (Message("user", f"คำถามที่ {number}"), Message("assistant", f"{content} {number} ✓"))
    return Record.of(messages=messages, language=language, source="aya", source_id=str(number))


def refused(number):
    return Reject(Reason.NOT_A_ROW, f"row {number}", source="aya", location=f"f:{number}", raw="\ud800")


def write(folder, index, count, *outcomes):
    with PartWriter(folder, index, count) as part:
        for some in outcomes:
            part.write(some)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_parts_are_named_so_that_they_sort():
    assert part_name(3, 12) == "part-00003-of-00012.parquet"
    assert sorted(part_name(index, 12) for index in range(12)) == [part_name(index, 12) for index in range(12)]


def test_records_and_rejects_come_back_in_their_order(tmp_path):
    write(tmp_path, 1, 2, [row(3), refused(4)], [], [row(5)])
    write(tmp_path, 0, 2, [refused(0), row(1)], [refused(2)])
    assert list(store.records(tmp_path)) == [row(1), row(3), row(5)]
    assert [line["location"] for line in store.rejects(tmp_path)] == ["f:0", "f:2", "f:4"]
    assert names(tmp_path) == [f"{kind}/{part_name(index, 2)}" for kind in ("data", "rejects") for index in (0, 1)]
    assert [path.name for path in parts(tmp_path)] == [part_name(0, 2), part_name(1, 2)]


def test_an_empty_part_is_still_a_part(tmp_path):
    write(tmp_path, 0, 1)
    assert list(store.records(tmp_path)) == list(store.rejects(tmp_path)) == []
    assert pq.read_schema(tmp_path / "data" / part_name(0, 1)).equals(record.SCHEMA)
    assert pq.read_schema(tmp_path / "rejects" / part_name(0, 1)).equals(reject.SCHEMA)


def test_nothing_stands_there_before_a_part_is_whole(tmp_path):
    with PartWriter(tmp_path, 0, 1) as part:
        part.write([row(0)])
        assert parts(tmp_path) == parts(tmp_path, "rejects") == []
    assert len(parts(tmp_path)) == len(parts(tmp_path, "rejects")) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_an_error_leaves_no_part_and_an_older_one_as_it_was(tmp_path, error):
    write(tmp_path, 0, 2, [row(1)])
    with pytest.raises(error), PartWriter(tmp_path, 0, 2) as part:
        part.write([row(2), refused(2)])
        raise error
    assert list(store.records(tmp_path)) == [row(1)]
    assert len(names(tmp_path)) == 2


FULL_DISK = """
import random, resource, sys
from pathlib import Path
from collection.record import Message, Record
from collection.store import PartWriter

texts = ["".join(random.choices("雨是怎么形成的海水被太阳蒸发汽上升后冷却变云", k=300)) for _ in range(300)]
rows = [Record.of(messages=(Message("user", "问"), Message("assistant", t)), language="zho_Hans", source="x") for t in texts]
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    with PartWriter(Path(sys.argv[1]), 0, 1) as part:
        part.write(rows)
except OSError:
    print("refused;", sum(path.is_file() for path in Path(sys.argv[1]).rglob("*")), "files")
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit for the size of files here")
def test_a_part_that_does_not_fit_on_the_disk_leaves_nothing_behind(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("refused; 0 files\n", "")


def test_rows_are_gathered_into_groups_that_keep_memory_flat(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "GROUP_ROWS", 100)
    write(tmp_path, 0, 1, *([row(start + offset) for offset in range(40)] for start in range(0, 400, 40)))
    with pq.ParquetFile(tmp_path / "data" / part_name(0, 1)) as file:
        groups = [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]
    assert sum(groups) == 400 and max(groups) <= 140 and len(groups) >= 3
    assert [one.target for one in store.records(tmp_path)] == [row(number).target for number in range(400)]


def test_long_texts_close_a_group_by_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "GROUP_BYTES", 50_000)
    write(tmp_path, 0, 1, *([row(number, content="ก" * 5_000)] for number in range(10)))
    with pq.ParquetFile(tmp_path / "data" / part_name(0, 1)) as file:
        assert file.metadata.num_row_groups >= 2


def test_batches_can_be_small_and_of_some_columns(tmp_path):
    write(tmp_path, 0, 1, [row(number) for number in range(10)])
    (path,) = parts(tmp_path)
    found = list(batches(path, ["id"], rows=4))
    assert [batch.num_rows for batch in found] == [4, 4, 2]
    assert found[0].schema.names == ["id"]


def test_a_batch_of_long_rows_has_few_of_them(tmp_path):
    write(tmp_path, 0, 1, [row(number, content="ก" * 5_000) for number in range(30)])
    (path,) = parts(tmp_path)
    sizes = [batch.num_rows for batch in batches(path, size=100_000)]
    assert sum(sizes) == 30 and max(sizes) <= 6


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: b"", lambda content: b"PAR1" * 20])
def test_a_damaged_part_is_named(tmp_path, damage):
    write(tmp_path, 0, 1, [row(number) for number in range(10)])
    (path,) = parts(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SourceError, match=part_name(0, 1)):
        list(store.records(tmp_path))


def test_a_part_that_is_gone_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"gone\.parquet"):
        list(batches(tmp_path / "gone.parquet"))


@pytest.fixture
def collection(tmp_path):
    """A folder laid out as a finished collection: a folder a language, a file a split."""
    for language in ("arb_Arab", "tha_Thai"):
        for split in ("test", "train"):
            path = tmp_path / "data" / language / f"{split}-00000-of-00001.parquet"
            with store.parquet_writer(path, record.SCHEMA) as writer:
                writer.write_batch(record.to_batch([row(split, language)]))
    return tmp_path


@pytest.mark.parametrize(
    ("language", "split", "expected"),
    [
        ("", "", ["arb_Arab test", "arb_Arab train", "tha_Thai test", "tha_Thai train"]),
        ("tha_Thai", "", ["tha_Thai test", "tha_Thai train"]),
        ("", "test", ["arb_Arab test", "tha_Thai test"]),
        ("arb_Arab", "train", ["arb_Arab train"]),
        ("swh_Latn", "", []),
        ("", "validation", []),
    ],
)
def test_records_of_a_collection_can_be_chosen_by_language_and_split(collection, language, split, expected):
    found = store.records(collection, language, split)
    assert [f"{one.language} {one.target.split()[1]}" for one in found] == expected


def test_a_folder_without_splits_says_so(tmp_path):
    write(tmp_path, 0, 1, [row(1)])
    with pytest.raises(SourceError, match="no splits"):
        list(store.records(tmp_path, split="train"))


def test_a_folder_without_parts_has_no_records(tmp_path):
    assert list(store.records(tmp_path)) == parts(tmp_path) == []


def test_parts_are_packed_with_zstd(tmp_path):
    write(tmp_path, 0, 1, [row(1)])
    with pq.ParquetFile(parts(tmp_path)[0]) as file:
        group = file.metadata.row_group(0)
    assert {group.column(index).compression for index in range(group.num_columns)} == {"ZSTD"}
    assert pa.types.is_list(record.SCHEMA.field("messages").type)
