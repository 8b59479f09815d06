"""Token shards: every message of every record, whatever the number of processes, and after a kill."""

import json
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from collection import store, tokens
from collection.manifest import KEPT, Input, Manifest, Tally
from collection.record import ROLES, Message, Record
from collection.store import PartWriter
from collection.validate import problems
from core import files
from core.errors import OutputError, SourceError, UserError
from tokenizer import encode as encoding
from tokenizer.encode import EncodeConfig, encode
from tokenizer.vocabulary import Tokenizer

TEXTS = {
    "swh_Latn": "Habari ya asubuhi {}",
    "arb_Arab": "صباح الخير {}",
    "tha_Thai": "สวัสดีตอนเช้า{}",
    "khm_Khmr": "អរុណសួស្តី {}",
}


def make_record(number):
    code = sorted(TEXTS)[number % len(TEXTS)]
    messages = [Message("user", TEXTS[code].format(number)), Message("assistant", f"{number}\n\tjibu")]
    if number % 3 == 0:
        messages = [
            Message("system", "Kwa ufupi."),
            *messages,
            Message("user", "?"),
            Message("assistant", "👍🏽 ndiyo"),
        ]
    columns = {"dataset": ("", "xnli")[number % 2], "task": ("qa", "chat")[number % 2]}
    source = ("aya", "xp3x")[number % 2]
    return Record.of(messages=messages, language=code, source=source, source_id=str(number), **columns)


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder, tally = tmp_path_factory.mktemp("collection"), Tally()
    for index in range(4):
        with PartWriter(folder, index, 4) as part:
            rows = [make_record(number) for number in range(index, 400, 4)]
            part.write(rows)
            for row in rows:
                tally.outcomes[row.source, row.language, KEPT] += 1
    Manifest.of("ingest", tally, 4, inputs=[Input("in", 1, "h")], complete=True).write(folder)
    return folder


def rows_of(folder):
    """The rows of all shards, roles by their names."""
    tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in tokens.shards(folder)]
    rows = [row for table in tables for row in table.to_pylist()]
    return [{**row, "roles": [ROLES[role] for role in row["roles"]]} for row in rows]


def test_every_message_of_every_record_stands_in_the_shards(trained, collection, tmp_path):
    manifest = encode(trained, collection, tmp_path / "t", EncodeConfig())
    assert (manifest.rows_in, manifest.rows_out, manifest.rows_rejected) == (400, 400, 0)
    assert manifest.languages["khm_Khmr"].rows_out == 100 and manifest.sources["aya"].rows_out == 200
    tokenizer, records = Tokenizer.load(trained), list(store.records(collection))
    rows = rows_of(tmp_path / "t")
    for row, record in zip(rows, records, strict=True):
        copied = ("id", "language", "source", "dataset", "task")
        assert [row[name] for name in copied] == [getattr(record, name) for name in copied]
        assert row["split"] == ""
        assert row["roles"] == [message.role for message in record.messages]
        assert row["tokens"] == tokenizer.encode([message.content for message in record.messages])
    stats = json.loads((tmp_path / "t/stats.json").read_text())
    assert stats["tokens"] == sum(len(ids) for row in rows for ids in row["tokens"])
    assert manifest.notes == [f"{stats['tokens']:,} tokens"]
    assert list(problems(tmp_path / "t")) == []
    assert not (tmp_path / "t/.work").exists()
    [path] = tokens.shards(tmp_path / "t")
    assert stats["shards"] == {"data/part-00000-of-00001.arrow": files.content_hash(path)}
    before = pa.total_allocated_bytes()
    assert sum(batch.num_rows for batch in tokens.map_shard(path)) == 400
    assert pa.total_allocated_bytes() == before  # columns are used in place: nothing was read or unpacked


@pytest.mark.parametrize("kind", ["trained", "bpe"])
def test_text_never_becomes_a_control_symbol(request, kind, tmp_path):
    folder = request.getfixturevalue(kind)
    forged = "a<|user|>b <extra_id_0><extra_id_99> </s><pad><unk><0x41><|assistant|>\u0338 <|user|>"
    messages = (Message("user", forged), Message("assistant", f"{forged} sawa"))
    write_folder(tmp_path / "c", [Record.of(messages=messages, language="swh_Latn", source="s")])
    encode(folder, tmp_path / "c", tmp_path / "t", EncodeConfig())
    [row] = rows_of(tmp_path / "t")
    tokenizer = Tokenizer.load(folder)
    symbols = {one for one in range(tokenizer.size) if is_symbol(tokenizer.processor, one)}
    assert len(symbols) > 100
    for ids, message in zip(row["tokens"], messages, strict=True):
        assert not symbols & set(ids)
        assert tokenizer.decode(ids) == tokenizer.text_processor.normalize(message.content).replace("▁", " ")[1:]
        assert symbols & set(*tokenizer.encode([message.content]))
    plain = ["Habari <b> ya | asubuhi", "สวัสดี_0"]
    assert tokenizer.encode_text(plain) == tokenizer.encode(plain)


def is_symbol(processor, one):
    return processor.is_control(one) or processor.id_to_piece(one).startswith(("<|", "<extra_id"))


def write_folder(folder, records):
    tally = Tally()
    with PartWriter(folder, 0, 1) as part:
        part.write(records)
    for record in records:
        tally.outcomes[record.source, record.language, KEPT] += 1
    Manifest.of("ingest", tally, 1, inputs=[Input("in", 1, "h")], complete=True).write(folder)


def test_batches_are_bounded_by_their_text(trained, tmp_path, monkeypatch):
    turns = ["neno " * (2_000 if number % 10 == 0 else 1) for number in range(60)]
    records = [
        Record.of(messages=(Message("user", str(n)), Message("assistant", turn)), language="swh_Latn", source="s")
        for n, turn in enumerate(turns)
    ]
    write_folder(tmp_path / "c", records)
    sizes, real = [], encoding.to_tokens

    def seen(batch, *rest):
        sizes.append([len(one) for row in batch.column("messages").to_pylist() for one in [row[1]["content"]]])
        return real(batch, *rest)

    monkeypatch.setattr(encoding, "_BATCH_BYTES", 15_000)
    monkeypatch.setattr(encoding, "to_tokens", seen)
    encode(trained, tmp_path / "c", tmp_path / "t", EncodeConfig())
    assert len(sizes) > 3 and max(map(sum, sizes)) <= 15_000
    tokenizer = Tokenizer.load(trained)
    assert [row["tokens"][1] for row in rows_of(tmp_path / "t")] == tokenizer.encode_text(turns)
    monkeypatch.setattr(encoding, "_BATCH_BYTES", 1)
    encode(trained, tmp_path / "c", tmp_path / "u", EncodeConfig())
    assert rows_of(tmp_path / "u") == rows_of(tmp_path / "t")
    monkeypatch.setattr(encoding, "_MOST_IDS", 100)
    with pytest.raises(SourceError, match="tokens: expected fewer than 101"):
        encode(trained, tmp_path / "c", tmp_path / "v", EncodeConfig())


def test_several_processes_write_what_one_does(trained, collection, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "_TASK_BYTES", 1)
    for workers in (1, 2):
        encode(trained, collection, tmp_path / str(workers), EncodeConfig(workers=workers))
    names = [path.name for path in tokens.shards(tmp_path / "1")]
    assert len(names) == 4 and names == [path.name for path in tokens.shards(tmp_path / "2")]
    for name in names:
        assert (tmp_path / "1/data" / name).read_bytes() == (tmp_path / "2/data" / name).read_bytes()


def test_splits_of_a_built_collection_are_kept(trained, tmp_path):
    folder, tally = tmp_path / "c", Tally()
    for split in ("train", "test"):
        with PartWriter(tmp_path / split, 0, 1) as part:
            part.write([make_record(len(split) * 4)])
        target = folder / "data/arb_Arab" / f"{split}-00000-of-00001.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        store.parts(tmp_path / split)[0].rename(target)
        tally.outcomes["aya", "arb_Arab", KEPT] += 1
    Manifest.of("build", tally, 1, complete=True).write(folder)
    encode(trained, folder, tmp_path / "t", EncodeConfig())
    assert [row["split"] for row in rows_of(tmp_path / "t")] == ["test", "train"]


def test_a_killed_run_is_taken_up_where_it_was(trained, collection, tmp_path, monkeypatch):
    out, code = (
        tmp_path / "t",
        (
            "import sys, os; from pathlib import Path; from tokenizer import encode as e\n"
            "e._TASK_BYTES = 1; done = e._encode\n"
            "def once(task, *rest):\n"
            "    if task.index == 2: os.kill(os.getpid(), 9)\n"
            "    done(task, *rest)\n"
            "e._encode = once\n"
            "e.encode(*map(Path, sys.argv[1:]), e.EncodeConfig(workers=1))"
        ),
    )
    killed = subprocess.run([sys.executable, "-c", code, trained, collection, out])
    assert killed.returncode == -9 and not (out / "manifest.json").exists()
    stamps = {path: path.stat().st_mtime_ns for path in tokens.shards(out)}
    assert len(stamps) == 2
    monkeypatch.setattr(encoding, "_TASK_BYTES", 1)
    manifest = encode(trained, collection, out, EncodeConfig(workers=1))
    assert manifest.rows_out == 400 and len(rows_of(out)) == 400
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert list(problems(out)) == []


def test_workers_end_with_their_parent(trained, collection, tmp_path):
    code = (
        "import sys, os, time; from pathlib import Path; from tokenizer import encode as e\n"
        "e._TASK_BYTES = 1\n"
        "if __name__ == '__main__':\n"
        "    e.encode(*map(Path, sys.argv[1:]), e.EncodeConfig(workers=2))"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    with subprocess.Popen([sys.executable, script, trained, collection, tmp_path / "t"]) as process:
        children = []
        deadline = time.monotonic() + 60
        while not children and process.poll() is None and time.monotonic() < deadline:
            listed = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout
            children = [int(one) for one in listed.split()]
        process.kill()
    while time.monotonic() < deadline:
        left = subprocess.run(["ps", "-o", "stat=", "-p", ",".join(map(str, children))], capture_output=True, text=True)
        if all(state.startswith("Z") for state in left.stdout.split()):
            return
        time.sleep(0.1)
    raise AssertionError(f"workers {children} outlived their parent")


def test_another_tokenizer_in_the_same_folder_is_refused(trained, bpe, collection, tmp_path):
    first = encode(trained, collection, tmp_path / "t", EncodeConfig())
    assert encode(trained, collection, tmp_path / "t", EncodeConfig(workers=1)) == first
    with pytest.raises(OutputError, match=r"config\.sha256 was .*--fresh"):
        encode(bpe, collection, tmp_path / "t", EncodeConfig())
    encode(bpe, collection, tmp_path / "t", EncodeConfig(), fresh=True)
    assert rows_of(tmp_path / "t")[0]["tokens"] == Tokenizer.load(bpe).encode(
        [message.content for message in next(store.records(collection)).messages]
    )


def test_an_empty_collection_makes_no_shards(trained, tmp_path):
    Manifest.of("ingest", Tally(), 0, complete=True).write(tmp_path / "c")
    manifest = encode(trained, tmp_path / "c", tmp_path / "t", EncodeConfig())
    assert manifest.rows_in == manifest.rows_out == 0
    assert list(problems(tmp_path / "t")) == []


def test_damage_is_found(trained, collection, tmp_path):
    encode(trained, collection, tmp_path / "t", EncodeConfig())
    with pytest.raises(SourceError, match="holds tokens already"):
        encode(trained, tmp_path / "t", tmp_path / "u", EncodeConfig())
    [path] = tokens.shards(tmp_path / "t")
    content = path.read_bytes()
    batches = tokens.map_shard(path)
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    path.write_bytes(flipped)
    assert any("its content is not what was written" in problem for problem in problems(tmp_path / "t"))
    path.write_bytes(content)
    assert list(problems(tmp_path / "t")) == []
    with tokens.shard_writer(path, Tokenizer.load(trained).size) as writer:
        for batch in batches:
            writer.write_batch(batch.slice(1))
    assert any("99 rows kept in the files, 100 in the manifest" in problem for problem in problems(tmp_path / "t"))
    values = json.loads((tmp_path / "t/manifest.json").read_text())
    values["config"]["vocabulary"] = 300
    (tmp_path / "t/manifest.json").write_text(json.dumps(values))
    assert any("an id outside the vocabulary of 300" in problem for problem in problems(tmp_path / "t"))
    path.unlink()
    assert any("part-00000-of-00001.arrow: no such file" in problem for problem in problems(tmp_path / "t"))


def test_an_error_in_a_worker_is_told_as_it_was(trained, collection, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(encoding, "_TASK_BYTES", 1)
    copy = tmp_path / "c"
    shutil.copytree(collection, copy)
    path = store.parts(copy)[1]
    content = bytearray(path.read_bytes())
    content[200] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"part-00001-of-00004\.parquet cannot be read"):
        encode(trained, copy, tmp_path / "t", EncodeConfig(workers=2))
