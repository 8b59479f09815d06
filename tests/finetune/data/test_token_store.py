"""Token shards mapped into memory: every turn of every row, without a copy; damaged and old folders are refused."""

import json
import mmap
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collection import tokens
from collection.record import ROLES
from collection.validate import problems
from core.errors import ConfigError, SourceError
from finetune.data import token_store
from finetune.data.token_store import RowKind, TokenStore, check_tokenizer, scratch_array

ROWS = [
    {
        "turns": [("system", [5]), ("user", [6, 7]), ("tool", []), ("assistant", [8, 999])],
        "language": "arb_Arab",
        "dataset": "oasst",
        "task": "chat",
        "split": "train",
    },
    *({"turns": [("user", [number, 10]), ("assistant", [number] * 3)], "source": "xp3x"} for number in range(50)),
]


def rows_of(store):
    """The turns, kind and id of every row."""
    for number, batch in enumerate(store.batches):
        for row in range(len(batch.row_kinds)):
            turns = range(batch.row_turns[row], batch.row_turns[row + 1])
            said = [(ROLES[batch.turn_roles[turn]], batch.turn(turn).tolist()) for turn in turns]
            yield said, store.kind(number, row), store.record_id(number, row)


def written_rows(folder):
    for path in tokens.shards(folder):
        with pa.memory_map(str(path)) as source:
            yield from pa.ipc.open_file(source).read_all().to_pylist()


@pytest.mark.parametrize("vocabulary", [1000, 250_112])
def test_every_turn_of_every_row_is_there(shards, vocabulary):
    folder = shards("tokens", ROWS, vocabulary=vocabulary, parts=3)
    store = TokenStore.open(folder)
    assert {batch.ids.dtype.itemsize for batch in store.batches} == {2 if vocabulary == 1000 else 4}
    assert store.rows == len(ROWS)
    for row, (turns, kind, name) in zip(written_rows(folder), rows_of(store), strict=True):
        assert turns == [(ROLES[role], ids) for role, ids in zip(row["roles"], row["tokens"], strict=True)]
        assert kind == RowKind(row["source"], row["dataset"], row["language"], row["task"], row["split"])
        assert name == row["id"]
        words = next(batch.id_words(np.array([0])) for batch in store.batches)
        assert words.tobytes().hex() == store.record_id(0, 0)


def test_ids_are_views_of_the_mapped_file(shards):
    store = TokenStore.open(shards("tokens", [{"turns": [("user", [7] * 200_000), ("assistant", [8])]}]))
    [batch] = store.batches
    for array in (batch.ids, batch.turn_starts, batch.turn_roles, batch.row_turns, batch.turn(0)):
        assert not array.flags.owndata and not array.flags.writeable
    address = batch.ids.__array_interface__["data"][0]
    lines = Path("/proc/self/maps").read_text("utf-8").splitlines()
    mapped = [line.split() for line in lines if line.endswith(".arrow")]
    ranges = [[int(edge, 16) for edge in line[0].split("-")] for line in mapped]
    assert any(first <= address < last for first, last in ranges)
    assert not [name for name in os.listdir("/proc/self/fd") if _target(name).endswith(".arrow")]


def _target(name):
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except OSError:
        return ""


def test_other_libraries_open_a_shard(shards, tmp_path):
    import datasets

    folder = shards("tokens", ROWS, parts=1)
    [path] = tokens.shards(folder)
    table = datasets.load_dataset("arrow", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert list(table) == list(written_rows(folder))
    assert pa.ipc.open_file(pa.memory_map(str(path))).schema.metadata[b"roles"] == b"system user assistant tool"


def test_a_store_writes_nothing_beside_the_shards(shards, tmp_path):
    folder = shards("tokens", ROWS)
    before = sorted(tmp_path.rglob("*"))
    assert TokenStore.open(folder).rows == 51
    assert sorted(tmp_path.rglob("*")) == before
    shards("tokens", ROWS[:9], identity="f" * 32)
    again = TokenStore.open(folder)
    assert (again.rows, again.identity) == (9, "f" * 32)


def test_a_truncated_shard_is_refused(shards):
    folder = shards("tokens", ROWS)
    path = tokens.shards(folder)[0]
    content = path.read_bytes()
    for size in (0, 8, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(SourceError, match=r"part-00000-of-00002\.arrow cannot be read"):
            TokenStore.open(folder)
    path.write_bytes(content)
    assert TokenStore.open(folder).rows == 51


def test_shards_of_an_older_version_are_refused_with_what_to_do(shards):
    folder = shards("old", ROWS, parts=1)
    [path] = tokens.shards(folder)
    pq.write_table(pa.Table.from_pylist(list(written_rows(folder))), path.with_suffix(".parquet"))
    for read in (TokenStore.open, lambda folder: list(problems(folder))):
        with pytest.raises(SourceError, match=r"encoded by an older version: run `glotmill tokenizer encode` again"):
            read(folder)


def test_other_columns_are_refused(shards):
    folder = shards("tokens", ROWS, parts=1)
    [path] = tokens.shards(folder)
    with tokens.shard_writer(path, 250_112) as writer:  # ids of another width
        writer.write_batch(pa.RecordBatch.from_pylist(list(written_rows(folder)), schema=tokens.schema(250_112)))
    with pytest.raises(SourceError, match="its columns are not a token shard's"):
        TokenStore.open(folder)


def test_a_folder_without_rows_is_an_empty_store(shards):
    store = TokenStore.open(shards("none", []))
    assert (store.rows, store.batches, store.kinds) == (0, (), ())


def test_what_holds_no_tokens_is_refused(shards, tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        TokenStore.open(tmp_path / "nowhere")
    folder = shards("tokens", ROWS)
    about = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**about, "command": "build"}))
    with pytest.raises(SourceError, match="holds what `glotmill build` wrote; expected token shards"):
        TokenStore.open(folder)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"turns": [("bot", [1])]}, "a turn has role 4; expected a number below 4"),
        ({"turns": [], "id": "x"}, "an id is not 32 hex digits"),
    ],
)
def test_damaged_shards_are_refused(shards, row, message):
    with pytest.raises(SourceError, match=message):
        TokenStore.open(shards("tokens", [*ROWS, row]))


def test_an_id_of_other_letters_is_refused_where_it_is_read(shards):
    store = TokenStore.open(shards("tokens", [{"turns": [], "id": "g" * 32}]))
    with pytest.raises(SourceError, match="an id is not 32 hex digits"):
        store.batches[0].id_words(np.array([0]))


def test_a_missing_shard_is_an_error(shards):
    folder = shards("tokens", ROWS)
    tokens.shards(folder)[0].unlink()
    with pytest.raises(SourceError, match="holds 25 rows, its manifest says 51"):
        TokenStore.open(folder)


def test_another_tokenizer_than_the_runs_is_an_error(shards):
    check_tokenizer("a", TokenStore.open(shards("a", ROWS)), "tokenizer")
    with pytest.raises(ConfigError, match=r"data.sources 'b' was encoded by another tokenizer \(other\)"):
        check_tokenizer("b", TokenStore.open(shards("b", ROWS, sha256="other")), "tokenizer")


def test_shards_in_an_object_store_cannot_be_mapped():
    from core.paths import as_path

    with pytest.raises(ConfigError, match="is in an object store; copy it to a folder of this machine"):
        TokenStore.open(as_path("memory://bucket/tokens"))


def test_threads_that_begin_together_read_the_same(shards):
    folder = shards("tokens", ROWS)
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: TokenStore.open(folder), range(4)))
    assert all(list(rows_of(store)) == list(rows_of(stores[0])) for store in stores)


def test_large_scratch_arrays_are_mapped_and_leave_no_file(monkeypatch, tmp_path):
    monkeypatch.setattr(token_store, "_IN_MEMORY_BYTES", 100)
    monkeypatch.setattr(token_store.tempfile, "tempdir", str(tmp_path))
    small, large = scratch_array(25, np.dtype("<i4")), scratch_array(26, np.dtype("<i4"))
    assert small.flags.owndata and not isinstance(small.base, mmap.mmap)
    assert isinstance(large.base.base, mmap.mmap) and type(large) is np.ndarray
    large[:] = np.arange(26)
    assert large.sum() == 325 and list(tmp_path.iterdir()) == []


def test_no_module_beyond_numpy_and_arrow_is_needed_to_read_shards(shards):
    folder = shards("tokens", ROWS)
    code = (
        "import sys; from pathlib import Path; from finetune.data.token_store import TokenStore\n"
        "print(TokenStore.open(Path(sys.argv[1])).rows, 'jax' in sys.modules, 'grain' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["51", "False", "False"]
