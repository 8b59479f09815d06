"""Token shards laid flat: every turn of every row, made once, and made again when the shards are others."""

import json
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq
import pytest

from collection.store import parts
from core.errors import ConfigError, OutputError, SourceError
from finetune.data.store_layout import Kind
from finetune.data.token_store import ExampleStore, shared_tokenizer

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


def visible(folder):
    return [path.name for path in folder.iterdir() if not path.name.endswith(".lock")]


def rows_of(store):
    for row in range(store.rows):
        turns = range(store.row_turns[row], store.row_turns[row + 1])
        yield [(int(store.turn_roles[turn]), store.turn(turn).tolist()) for turn in turns], store.kind(turns[0])


@pytest.mark.parametrize("vocabulary", [1000, 250_112])
def test_every_turn_of_every_row_is_there(shards, vocabulary):
    folder = shards("tokens", ROWS, vocabulary=vocabulary, parts=3)
    store = ExampleStore.open(folder)
    assert store.ids.dtype.itemsize == (2 if vocabulary == 1000 else 4)
    written = [row for path in parts(folder) for row in pq.read_table(path).to_pylist()]
    roles = ("system", "user", "assistant", "tool")
    for row, (turns, kind) in zip(written, rows_of(store), strict=True):
        assert turns == [(roles.index(role), ids) for role, ids in zip(row["roles"], row["tokens"], strict=True)]
        assert kind == Kind(row["source"], row["dataset"], row["language"], row["task"], row["split"])
    assert [store.record_id(int(store.row_turns[row])) for row in range(store.rows)] == [row["id"] for row in written]


def test_a_store_is_made_once_and_again_when_the_shards_are_others(shards, tmp_path):
    folder = shards("tokens", ROWS)
    first = ExampleStore.open(folder)
    stamp = (first.folder / "ids.bin").stat().st_mtime_ns
    assert first.folder.parent == tmp_path / "tokens.examples"
    again = ExampleStore.open(folder)
    assert again.folder == first.folder and (again.folder / "ids.bin").stat().st_mtime_ns == stamp
    shards("tokens", ROWS[:9], identity="f" * 32)
    assert ExampleStore.open(folder).rows == 9
    assert ExampleStore.open(folder, tmp_path / "elsewhere").folder.parent == tmp_path / "elsewhere"


def test_a_damaged_store_is_made_again(shards):
    folder = shards("tokens", ROWS)
    store = ExampleStore.open(folder)
    want = list(rows_of(store))
    with open(store.folder / "ids.bin", "r+b") as file:
        file.truncate(8)
    assert list(rows_of(ExampleStore.open(folder))) == want
    (store.folder / "about.json").write_text("{")
    assert list(rows_of(ExampleStore.open(folder))) == want
    assert visible(store.folder.parent) == [store.folder.name]


def test_shards_without_data_set_and_task_can_be_read(shards):
    store = ExampleStore.open(shards("old", ROWS, columns=()))
    assert Kind("aya", "", "arb_Arab", "", "train") in store.kinds


def test_a_folder_without_rows_is_an_empty_store(shards):
    store = ExampleStore.open(shards("none", []))
    assert (store.rows, store.turns, store.ids.size) == (0, 0, 0)


def test_what_holds_no_tokens_is_refused(shards, tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        ExampleStore.open(tmp_path / "nowhere")
    folder = shards("tokens", ROWS)
    about = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**about, "command": "build"}))
    with pytest.raises(SourceError, match="holds what `glotmill build` wrote: expected token shards"):
        ExampleStore.open(folder)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"turns": [("user", [1000])]}, "an id is not among the 1000 of the tokenizer"),
        ({"turns": [("bot", [1])]}, "a turn has the role 'bot'; expected system, user, assistant, tool"),
        ({"turns": [], "id": "x"}, "an id is not 32 hex digits"),
    ],
)
def test_damaged_shards_are_refused_and_leave_nothing_behind(shards, tmp_path, row, message):
    with pytest.raises(SourceError, match=message):
        ExampleStore.open(shards("tokens", [*ROWS, row]))
    assert visible(tmp_path / "tokens.examples") == []


def test_a_missing_shard_is_told(shards):
    folder = shards("tokens", ROWS)
    parts(folder)[0].unlink()
    with pytest.raises(SourceError, match="holds 25 rows, its manifest says 51"):
        ExampleStore.open(folder)


def test_another_tokenizer_than_the_runs_is_told(shards):
    stores = {"a": ExampleStore.open(shards("a", ROWS)), "b": ExampleStore.open(shards("b", ROWS, sha256="other"))}
    with pytest.raises(ConfigError, match=r"data.sources 'b' was encoded by another tokenizer \(other\)"):
        shared_tokenizer(iter(stores.items()), "tokenizer")


def test_a_cache_that_cannot_be_written_is_told_with_what_to_do(shards, tmp_path):
    folder = shards("tokens", ROWS)
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OutputError, match=r"cannot write the memory-mapped examples .* data.cache names another folder"
    ):
        ExampleStore.open(folder, tmp_path / "file")


def test_processes_that_begin_together_make_one_store(shards, tmp_path):
    folder = shards("tokens", ROWS)
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: ExampleStore.open(folder), range(4)))
    assert len({store.folder for store in stores}) == 1 and visible(tmp_path / "tokens.examples") == [
        stores[0].folder.name
    ]
    assert all(list(rows_of(store)) == list(rows_of(stores[0])) for store in stores)
