"""Jobs that read from an object store and write to one: a real server that speaks S3, on this machine."""

import contextlib
import gzip
import json
import lzma
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collection import store
from collection.manifest import Manifest
from collection.validate import problems
from core import files, locks, paths
from core.errors import MissingDependencyError, OutputError, SourceError, UserError
from core.paths import as_path, files_below, is_remote, local
from pipelines import runner, shards
from pipelines.build.decontaminate import DecontaminateConfig, EvaluationSet
from pipelines.build.job import BuildConfig, build
from pipelines.ingest.config import IngestConfig, IngestSource
from pipelines.ingest.job import ingest
from pipelines.ingest.sources.table import TableOptions
from pipelines.runner import RunConfig

IN_MEMORY = RunConfig(mode="in_memory")
LANGUAGES = {
    "swh_Latn": "Jibu la swali nambari {} ni hili hapa, na hakuna lingine.",
    "arb_Arab": "هذا هو جواب السؤال رقم {} ولا جواب غيره.",
    "tha_Thai": "นี่คือคำตอบของคำถามข้อที่ {} และไม่มีคำตอบอื่น",
    "hin_Deva": "यह प्रश्न संख्या {} का उत्तर है, और कोई दूसरा नहीं।",
}


def rows(count=30):
    return [
        {"inputs": f"Question {number % (count - 3)}?", "targets": text.format(number % (count - 3)), "language": code}
        for code, text in LANGUAGES.items()
        for number in range(count)
    ]


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def lines(values):
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in values).encode()


def contents(folder):
    """The bytes of all that a run made, but its manifest, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix == ".parquet"
    }


def both(source, work, **more):
    """An ingest and a build of it below `work`; the manifests."""
    first = ingest(IngestConfig(sources=(IngestSource("xp3x", str(source)),), run=IN_MEMORY), work / "in")
    return first, build([work / "in"], BuildConfig(run=IN_MEMORY, **more), work / "out")


def test_a_job_gives_the_same_output_in_an_object_store_as_on_a_disk(bucket, tmp_path):
    for folder in (bucket, tmp_path):
        put(folder / "source", "a b/ñ.jsonl", lines(rows()))
        put(folder / "source", ".hidden.jsonl", b"{")
    there, here = both(bucket / "source", bucket), both(tmp_path / "source", tmp_path)
    assert [(one.rows_in, one.rows_out, one.rejected) for one in there] == [
        (one.rows_in, one.rows_out, one.rejected) for one in here
    ]
    assert there[1].rejected == {"exact_duplicate": 12}
    for name in ("in", "out"):
        assert contents(bucket / name) == contents(tmp_path / name)
        assert list(problems(bucket / name)) == []
        assert not (bucket / name / ".work").exists() and not (bucket / name / ".lock").exists()


def test_processes_of_their_own_work_on_it_too(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "_LEAST", 12_000)
    for folder in (bucket, tmp_path):
        put(folder / "source", "rows.jsonl", lines(rows(100)))
    config = RunConfig(mode="multi_processing", workers=2)
    sources = (IngestSource("xp3x", str(bucket / "source")),)
    manifest = ingest(IngestConfig(sources=sources, run=config), bucket / "in")
    assert manifest.shards >= 4
    build([bucket / "in"], BuildConfig(run=config), bucket / "out")
    both(tmp_path / "source", tmp_path)
    assert contents(bucket / "out") == contents(tmp_path / "out")


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz", "r.jsonl.xz", "r.json", "r.csv", "r.parquet"])
def test_every_form_of_a_source_can_be_read(bucket, name):
    wanted = rows(5)
    table = pa.Table.from_pylist(wanted)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content = {
        "r.jsonl": lines(wanted),
        "r.jsonl.gz": gzip.compress(lines(wanted)),
        "r.jsonl.xz": lzma.compress(lines(wanted)),
        "r.json": json.dumps(wanted).encode(),
        "r.csv": (
            "inputs,targets,language\n" + "".join('"{inputs}","{targets}",{language}\n'.format(**r) for r in wanted)
        ).encode(),
        "r.parquet": sink.getvalue().to_pybytes(),
    }[name]
    put(bucket, name, content)
    for path in (bucket / name, bucket, bucket / "r.*"):
        [planned] = shards.plan([(str(path), "utf-8")]).inputs
        assert planned.bytes == len(content)
    manifest = ingest(IngestConfig(sources=(IngestSource("xp3x", str(bucket / name)),), run=IN_MEMORY), bucket / "out")
    assert (manifest.rows_in, manifest.rows_out) == (20, 20)


def test_evaluation_sets_and_finished_folders_can_be_in_an_object_store(bucket):
    put(bucket, "source/rows.jsonl", lines(rows(20)))
    put(bucket, "sets/quiz.jsonl", lines([{"q": LANGUAGES["arb_Arab"].format(7)}]))
    sets = DecontaminateConfig(sets=(EvaluationSet("quiz", str(bucket / "sets")),), share=1.0)
    _, manifest = both(bucket / "source", bucket, decontaminate=sets)
    assert manifest.contamination["quiz"]["rows_dropped"] >= 1
    again = build([bucket / "in"], BuildConfig(run=IN_MEMORY), bucket / "again", against=[bucket / "in"])
    assert (again.rows_in, again.rows_out) == (80, 0)


def test_a_killed_run_is_taken_up_there(bucket, tmp_path, server, monkeypatch):
    monkeypatch.setattr(shards, "_LEAST", 12_000)
    for folder in (bucket, tmp_path):
        put(folder / "source", "rows.jsonl", lines(rows(200)))
    script = (
        "import sys; from pipelines import shards; shards._LEAST = 12_000\n"
        "from pipelines.ingest.job import *; from pipelines.ingest.config import *; from core.paths import as_path\n"
        "ingest(IngestConfig(sources=(IngestSource('xp3x', sys.argv[1]),), run=RunConfig(mode='in_memory')), as_path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", script, str(bucket / "source"), str(bucket / "in")]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        done = bucket / "in/.work/done"
        while process.poll() is None and not list(done.glob("*")):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL and (bucket / "in/.lock").exists()
    first, _ = both(bucket / "source", bucket)
    here, _ = both(tmp_path / "source", tmp_path)
    assert (first.rows_out, first.shards) == (here.rows_out, here.shards)
    assert contents(bucket / "out") == contents(tmp_path / "out")


def test_another_run_is_refused_and_fresh_starts_over(bucket):
    put(bucket, "source/rows.jsonl", lines(rows(10)))
    both(bucket / "source", bucket)
    put(bucket, "source/rows.jsonl", lines(rows(11)))
    config = IngestConfig(sources=(IngestSource("xp3x", str(bucket / "source")),), run=IN_MEMORY)
    with pytest.raises(OutputError, match="--fresh"):
        ingest(config, bucket / "in")
    assert ingest(config, bucket / "in", fresh=True).rows_in == 44
    put(bucket, "in/mine.txt", b"mine")
    with pytest.raises(OutputError, match=r"other files \(mine.txt\)"):
        ingest(config, bucket / "in", fresh=True)


def renewed(lock):
    """When a lock was renewed; it may be written anew just while it is read."""
    while True:
        try:
            return json.loads(lock.read_text())["renewed"]
        except (OSError, ValueError):
            time.sleep(0.01)


def test_one_run_at_a_time(bucket, monkeypatch):
    with (
        locks.locked(bucket),
        pytest.raises(OutputError, match=f"process {os.getpid()}\\) .*wait for it"),
        locks.locked(bucket),
    ):
        pytest.fail("two runs at once")
    monkeypatch.setattr(locks, "_RENEWED", 0.1)
    held = {"token": "t", "machine": "another", "process": 1, "started": "1", "renewed": time.time()}
    (bucket / ".lock").write_text(json.dumps(held))
    with pytest.raises(OutputError, match=r"process 1\)"), locks.locked(bucket):
        pytest.fail("two runs at once")
    (bucket / ".lock").write_text(json.dumps(held | {"renewed": time.time() - 100}))
    with locks.locked(bucket):  # it was killed
        before = renewed(bucket / ".lock")
        deadline = time.monotonic() + 30
        while renewed(bucket / ".lock") <= before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert renewed(bucket / ".lock") > before
    assert not (bucket / ".lock").exists()


def test_a_renewed_lock_is_not_old_whatever_its_clock_says(bucket, monkeypatch):
    monkeypatch.setattr(locks, "_RENEWED", 0.2)
    held = {"token": "t", "machine": "another", "process": 1, "started": "1", "renewed": time.time() - 1000}
    (bucket / ".lock").write_text(json.dumps(held))
    renewing = threading.Timer(0.1, lambda: (bucket / ".lock").write_text(json.dumps(held | {"renewed": 1.0})))
    renewing.start()
    with pytest.raises(OutputError), locks.locked(bucket):
        pytest.fail("two runs at once")
    renewing.join()


def test_of_two_that_find_an_old_lock_one_takes_it(bucket):
    gone = {"token": "t", "machine": locks._machine(), "process": 2**22 + 1, "started": "1", "renewed": time.time()}
    (bucket / ".lock").write_text(json.dumps(gone))
    (bucket / ".work/locks/t").write_text("another")  # it was a moment quicker
    with pytest.raises(OutputError), locks.locked(bucket):
        pytest.fail("two runs at once")
    (bucket / ".work/locks/t").unlink()
    with locks.locked(bucket):
        pass


def test_a_run_that_lost_its_lock_ends_without_a_manifest(bucket, monkeypatch):
    put(bucket, "source/rows.jsonl", lines(rows(10)))
    monkeypatch.setattr(locks, "_RENEWED", 0.05)
    run = runner.run

    def stands_still(*arguments):
        deadline = time.monotonic() + 30
        while not locks._lost and time.monotonic() < deadline:
            (bucket / "in/.lock").write_text(json.dumps({"token": "another"}))  # a renewal may have replaced it
            time.sleep(0.05)
        return run(*arguments)

    monkeypatch.setattr(runner, "run", stands_still)
    with pytest.raises(OutputError, match="took over"):
        both(bucket / "source", bucket)
    assert not (bucket / "in/manifest.json").exists()
    assert json.loads((bucket / "in/.lock").read_text()) == {"token": "another"}


@pytest.mark.parametrize("name", ["run[123]", "run?", "run*", "a#b %20+&", "in{0}"])
def test_a_name_is_used_unchanged(bucket, name):
    for other in ("run1", "run2", "runs", "other"):
        put(bucket, f"{other}/data/part.parquet", b"mine")
        put(bucket, f"{other}/.work/done/x.json", b"mine")
        put(bucket, f"{other}/.lock", b"mine")
    before = {path.as_posix(): path.read_bytes() for path in files_below(bucket)}
    put(bucket, "source/rows.jsonl", lines(rows(10)))
    config = IngestConfig(sources=(IngestSource("xp3x", str(bucket / "source")),), run=IN_MEMORY)
    assert ingest(config, bucket / name).rows_out == 40
    assert ingest(config, bucket / name, fresh=True).rows_out == 40
    assert build([bucket / name], BuildConfig(run=IN_MEMORY), bucket / f"{name} built").rows_in == 40
    assert {name: as_path(name).read_bytes() for name in before} == before


def test_an_empty_folder_that_somebody_made_is_a_folder(bucket):
    put(bucket, "source/rows.jsonl", lines(rows(10)))
    for folder in ("in/", "source/sub.jsonl/"):
        bucket.fs.pipe_file(f"{bucket.path}/{folder}", b"")
    config = IngestConfig(sources=(IngestSource("xp3x", str(bucket / "source")),), run=IN_MEMORY)
    for fresh in (False, True):
        manifest = ingest(config, bucket / "in", fresh=fresh)
        assert (manifest.rows_in, manifest.rows_out) == (40, 40)


def test_fresh_does_not_throw_away_its_own_source_under_another_name(bucket):
    put(bucket, "source/rows.jsonl", lines(rows(10)))
    both(bucket / "source", bucket)
    path = str(bucket / "in/data").replace("s3://", "s3a://")
    config = IngestConfig(sources=(IngestSource("table", path, TableOptions(inputs="{id}", targets="{messages}")),))
    with pytest.raises((OutputError, SourceError)):
        ingest(config, bucket / "in", fresh=True)
    assert len(store.parts(bucket / "in")) == 1


def test_threads_share_a_copy(bucket):
    put(bucket, "x", b"1" * 3_000_000)
    paths._copies.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: local(bucket / "x").read_bytes(), range(32)))
    assert set(found) == {b"1" * 3_000_000}


def test_a_file_appears_whole_or_not_at_all(bucket):
    with contextlib.suppress(ZeroDivisionError), files.appearing(bucket / "x") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert not (bucket / "x").exists()
    with files.appearing(bucket / "x") as temporary:
        temporary.write_text("whole")
        assert not (bucket / "x").exists()
    assert (bucket / "x").read_text() == "whole" and local(bucket / "x").read_text() == "whole"
    files.write_text(bucket / "x", "other")
    assert local(bucket / "x").read_text() == "other"


def test_a_missing_object_is_an_error(bucket, server):
    for path in (bucket / "none.jsonl", bucket / "*.jsonl", as_path("s3://no-such-bucket/x")):
        with pytest.raises(SourceError):
            shards.plan([(str(path), "utf-8")])
    with pytest.raises(SourceError, match="no such folder"):
        Manifest.read(bucket / "nothing")
    assert store.parts(bucket / "nothing") == []


def test_from_the_shell(bucket, server):
    put(bucket, "source/rows.jsonl", lines(rows(10)))

    def glotmill(*arguments):
        command = [Path(sys.executable).with_name("glotmill"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")

    done = glotmill("ingest", "--source", f"xp3x={bucket}/source", "--out", f"{bucket}/in", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows_out"] == 40
    assert glotmill("build", "-i", f"{bucket}/in", "-o", f"{bucket}/out").returncode == 0
    assert "is sound" in glotmill("collection", "validate", f"{bucket}/out").stdout
    assert len(json.loads(glotmill("collection", "show", f"{bucket}/out", "-l", "th", "-n", "3", "--json").stdout)) == 3
    lost = glotmill("build", "-i", f"{bucket}/in", "-o", "s3://no-such-bucket/out")
    assert lost.returncode == 2 and len(lost.stderr.strip().splitlines()) == 1 and "no-such-bucket" in lost.stderr


def test_an_invalid_path_is_an_error(monkeypatch):
    assert not is_remote(as_path("a:b/c")) and not is_remote(as_path(Path("x")))
    with pytest.raises(UserError, match=r"unknown file system nosuch://"):
        as_path("nosuch://bucket/x")
    for text in ("s3://", "s3:///", "zip://a::s3://b/c.zip"):
        with pytest.raises(UserError, match="is not a path in an object store"):
            as_path(text)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(MissingDependencyError, match=r"gs:// paths needs .*gcsfs.*glotmill\[gcp\]"):
        as_path("gs://bucket/x")
