"""A collection from the folders of earlier stages."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import datasets
import pytest

from collection import stage as module
from collection import store
from collection.manifest import Manifest
from collection.record import Message, Record, record_id
from collection.splits import SplitConfig
from collection.store import PartWriter
from collection.validate import problems
from core.errors import ConfigError, OutputError, SourceError
from pipelines import runner
from pipelines.build.job import BuildConfig, build
from pipelines.build.phase import DuplicateConfig
from pipelines.ingest.config import IngestConfig, IngestSource
from pipelines.ingest.job import ingest
from pipelines.runner import RunConfig

IN_MEMORY = RunConfig(mode="in_memory")
LANGUAGES = {
    "swh_Latn": "Jibu la swali nambari {} ni hili hapa.",
    "arb_Arab": "هذا هو جواب السؤال رقم {}.",
    "tha_Thai": "นี่คือคำตอบของคำถามข้อที่ {}",
    "hin_Deva": "यह प्रश्न संख्या {} का उत्तर है।",
}


@pytest.fixture
def stage(tmp_path, write_lines):
    """Ingests rows given by language under a name; the folder."""

    def make(name, count=40, extra=(), kind="xp3x"):
        source = tmp_path / f"source-{name}"
        for code, text in LANGUAGES.items():
            rows = [
                {
                    "inputs": f"Question {name} {number}?",
                    "targets": text.format(number),
                    "language": code,
                    "dataset": name,
                }
                for number in range(count)
            ]
            write_lines(source / code / "rows.jsonl", rows)
        write_lines(source / "extra" / "rows.jsonl", [*extra])
        config = IngestConfig(sources=(IngestSource(kind, str(source)),), run=IN_MEMORY)
        ingest(config, tmp_path / name)
        return tmp_path / name

    return make


def test_a_collection_is_sorted_by_language_and_split(stage, tmp_path):
    config = BuildConfig(splits=SplitConfig(0.2, 0.1), run=IN_MEMORY)
    manifest = build([stage("a")], config, tmp_path / "collection")
    assert manifest.rows_in == manifest.rows_out == 160
    found = {path.relative_to(tmp_path / "collection/data").as_posix() for path in store.parts(tmp_path / "collection")}
    assert found == {
        f"{code}/{split}-00000-of-00001.parquet" for code in LANGUAGES for split in ("train", "validation", "test")
    }
    assert list(problems(tmp_path / "collection")) == []


def test_rows_come_out_as_they_went_in(stage, tmp_path):
    folder = stage("a")
    build([folder], BuildConfig(run=IN_MEMORY), tmp_path / "collection")
    assert sorted(store.records(folder), key=lambda row: row.id) == sorted(
        store.records(tmp_path / "collection"), key=lambda row: row.id
    )


def test_duplicates_go_to_the_rejects_with_the_survivor_named(stage, tmp_path):
    extra = [{"inputs": "Question a 3?", "targets": LANGUAGES["swh_Latn"].format(3), "language": "swh_Latn"}] * 2
    folder = stage("a", extra=extra)
    manifest = build([folder], BuildConfig(run=IN_MEMORY), tmp_path / "collection")
    assert manifest.rejected == {"exact_duplicate": 2}
    assert manifest.rows_in == manifest.rows_out + 2
    kept = {row.id for row in store.records(tmp_path / "collection")}
    for reject in store.rejects(tmp_path / "collection"):
        assert reject["detail"].removeprefix("the same as ") in kept
        assert json.loads(reject["raw"])[1]["content"] == LANGUAGES["swh_Latn"].format(3)
    assert list(problems(tmp_path / "collection")) == []


def test_rejects_name_their_folder_also_where_two_have_one_name(stage, tmp_path, monkeypatch):
    stage("a")
    ingest(IngestConfig(sources=(IngestSource("xp3x", str(tmp_path / "source-a")),), run=IN_MEMORY), tmp_path / "b/a")
    monkeypatch.chdir(tmp_path / "a")
    for other, name in (("b/a", f"{tmp_path}/b/a"), ("b/c", "c")):
        if other == "b/c":
            (tmp_path / "b/a").rename(tmp_path / "b/c")
        build([Path("."), tmp_path / other], BuildConfig(run=IN_MEMORY), tmp_path / f"out-{name[-1]}")
        places = {reject["location"].split("/data/")[0] for reject in store.rejects(tmp_path / f"out-{name[-1]}")}
        assert places == {name}


def test_duplicates_across_folders_go_too_and_can_be_kept(stage, tmp_path):
    first, second = stage("a"), tmp_path / "again"
    config = IngestConfig(sources=(IngestSource("xp3x", str(tmp_path / "source-a")),), run=IN_MEMORY)
    ingest(config, second)
    manifest = build([first, second], BuildConfig(run=IN_MEMORY), tmp_path / "collection")
    assert (manifest.rows_in, manifest.rows_out) == (320, 160)
    both = BuildConfig(duplicates=DuplicateConfig(exact=False, near=False), run=IN_MEMORY)
    assert build([first, second], both, tmp_path / "with-duplicates").rows_out == 320


def test_what_is_made_from_a_row_falls_into_its_split(tmp_path):
    folder = tmp_path / "rows"
    rows = []
    for number in range(300):
        messages = (Message("user", f"What is {number}?"), Message("assistant", f"It is number {number} of many."))
        parent = Record(record_id("s", str(number), "eng_Latn", messages), "eng_Latn", messages, "s")
        turned = (messages[0], Message("assistant", f"Ni namba {number} kati ya nyingi."))
        child_id = record_id("s", str(number), "swh_Latn", turned)
        child = Record(child_id, "swh_Latn", turned, "s", origin="translated", parent_id=parent.id)
        rows += [parent, child]
    with PartWriter(folder, 0, 1) as writer:
        writer.write(rows)
    balance = {"rows_in": 600, "rows_out": 600, "rejected": {}}
    by_language = {code: {"rows_in": 300, "rows_out": 300, "rejected": {}} for code in ("eng_Latn", "swh_Latn")}
    empty = {name: {} for name in ("config", "versions", "language_id", "repaired", "masked")}
    values = {
        "command": "ingest", "glotmill": "0", "code": "0", "inputs": [], "shards": 1, "rows_in": 600, "rows_out": 600,
        "rows_rejected": 0, "rejected": {}, "languages": by_language, "sources": {"s": balance}, "warnings": [],
        "complete": True, **empty,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(values))
    build([folder], BuildConfig(splits=SplitConfig(0.3, 0.2), run=IN_MEMORY), tmp_path / "collection")
    split_of = {
        row.id: split
        for split in ("train", "validation", "test")
        for row in store.records(tmp_path / "collection", "", split)
    }
    children = [row for row in store.records(tmp_path / "collection") if row.parent_id]
    assert len(children) == 300
    assert all(split_of[row.id] == split_of[row.parent_id] for row in children)
    assert 40 < sum(split == "test" for split in split_of.values()) // 2 < 80


def test_many_parts_and_workers_give_the_same_bytes(stage, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.shards._LEAST", 2_000)  # many small parts
    folder = stage("a", count=60)
    assert Manifest.read(folder).shards > 5
    build([folder], BuildConfig(run=IN_MEMORY), tmp_path / "one")
    build([folder], BuildConfig(run=RunConfig(mode="multi_processing", workers=2)), tmp_path / "two")
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_beams_metrics_and_the_manifest_tell_the_same(stage, tmp_path, monkeypatch):
    found, run = [], runner.run
    monkeypatch.setattr(runner, "run", lambda *arguments: found.append(run(*arguments)))
    folder = stage("a", extra=[{"inputs": "A?", "targets": "Jibu ni hili tu hapa, basi.", "language": "swh_Latn"}] * 3)
    build([folder], BuildConfig(run=IN_MEMORY), tmp_path / "collection")
    for place, phase, metrics in ((folder, "ingest", found[0]), (tmp_path / "collection", "sort", found[1])):
        told = Manifest.read(place).languages.items()
        kept = {(phase, code, "kept"): one.rows_out for code, one in told if one.rows_out}
        rejected = {(phase, code, reason): n for code, one in told for reason, n in one.rejected.items()}
        assert metrics == kept | rejected


def test_a_killed_build_is_taken_up_where_it_was(stage, tmp_path):
    folder = stage("a", count=500)
    build([folder], BuildConfig(run=IN_MEMORY), tmp_path / "undisturbed")
    command = [
        sys.executable,
        "-c",
        "from glotmill.cli.main import main; main()",
        "build",
        "--input",
        str(folder),
        "--out",
    ]
    killed = subprocess.Popen(
        [*command, str(tmp_path / "killed")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    markers = tmp_path / "killed/.work/done"
    while killed.poll() is None and not (markers.is_dir() and any(markers.iterdir())):
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    build([folder], BuildConfig(run=IN_MEMORY), tmp_path / "killed")
    assert _bytes(tmp_path / "killed") == _bytes(tmp_path / "undisturbed")


def _bytes(folder):
    """All files of a finished folder but those that tell when and as what it was made."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("manifest.json", "README.md")
    }


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("after", range(8))
def test_a_fresh_run_that_is_stopped_while_it_clears_is_never_taken_for_a_whole_one(
    stage, tmp_path, monkeypatch, finished, after
):
    source = stage("a", count=5)
    config, out = BuildConfig(run=IN_MEMORY), tmp_path / "out"
    whole = build([source], config, out)
    if not finished:
        (out / "manifest.json").unlink()
        (out / ".work/done").mkdir(parents=True)
        (out / ".work/run.json").write_text(json.dumps({"command": "build"}))
        (out / ".work/done/sort-00000.json").write_text("{}")
    removed, remove = [], module.remove

    def stopped(path):
        if len(removed) == after:
            raise KeyboardInterrupt
        removed.append(path)
        remove(path)

    monkeypatch.setattr(module, "remove", stopped)
    try:
        build([source], config, out, fresh=True)
    except KeyboardInterrupt:
        monkeypatch.setattr(module, "remove", remove)
        try:
            again = build([source], config, out)
        except OutputError as error:
            assert "--fresh" in str(error)
            again = build([source], config, out, fresh=True)
        assert again.rows_out == whole.rows_out
    monkeypatch.setattr(module, "remove", remove)
    assert list(problems(out)) == []


def test_a_finished_build_is_not_done_again_and_another_one_is_refused(stage, tmp_path):
    folder = stage("a")
    build([folder], BuildConfig(run=IN_MEMORY), tmp_path / "collection")
    before = os.stat(tmp_path / "collection/stats.json").st_mtime_ns
    build([folder], BuildConfig(run=IN_MEMORY), tmp_path / "collection")
    assert os.stat(tmp_path / "collection/stats.json").st_mtime_ns == before
    other = BuildConfig(splits=SplitConfig(0.5, 0.1), run=IN_MEMORY)
    with pytest.raises(OutputError, match=r"config\.splits\.\w+ was 0\.01, is 0\.\d.*--fresh"):
        build([folder], other, tmp_path / "collection")
    assert build([folder], other, tmp_path / "collection", fresh=True).complete


def test_unfinished_and_damaged_inputs_are_refused(stage, tmp_path):
    folder = stage("a")
    with pytest.raises(ConfigError, match="--input"):
        build([], BuildConfig(), tmp_path / "collection")
    with pytest.raises(SourceError, match="no such folder"):
        build([tmp_path / "nowhere"], BuildConfig(), tmp_path / "collection")
    store.parts(folder)[0].unlink()
    with pytest.raises(SourceError, match="damaged"):
        build([folder], BuildConfig(run=IN_MEMORY), tmp_path / "collection")


def test_datasets_loads_the_collection(stage, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    build([stage("a")], BuildConfig(splits=SplitConfig(0.2, 0.1), run=IN_MEMORY), tmp_path / "collection")
    loaded = datasets.load_dataset(str(tmp_path / "collection"), "swh_Latn", cache_dir=str(tmp_path / "cache"))
    assert sum(split.num_rows for split in loaded.values()) == 40
    assert loaded["train"][0]["messages"][-1]["role"] == "assistant"
    whole = datasets.load_dataset(str(tmp_path / "collection"), cache_dir=str(tmp_path / "cache"))
    assert sum(split.num_rows for split in whole.values()) == 160


def test_the_card_names_sources_licences_counts_and_what_was_left_out(stage, tmp_path):
    extra = [{"inputs": "Empty?", "targets": "", "language": "swh_Latn"}]
    build([stage("a", extra=extra)], BuildConfig(name="my-collection", run=IN_MEMORY), tmp_path / "collection")
    card = (tmp_path / "collection/README.md").read_text("utf-8")
    assert "| xp3x | template | Apache-2.0 | 160 |" in card
    assert "`empty_target`" in card
    assert "160 conversations in 4 languages" in card
    assert 'load_dataset("my-collection"' in card
