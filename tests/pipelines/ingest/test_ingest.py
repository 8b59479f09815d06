"""A run: its manifest to the row, resumed to the byte after a kill, refused where it would mix two runs."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from dataclasses import asdict

import pytest

from collection import store
from collection.language_id import LanguageIdConfig
from collection.manifest import Input, Manifest
from collection.quality import FilterConfig
from collection.validate import problems
from core import files
from core.errors import ConfigError, OutputError, SourceError, UnknownNameError
from pipelines import shards
from pipelines.ingest import job as ingesting
from pipelines.ingest.config import IngestConfig, IngestSource
from pipelines.ingest.job import ingest
from pipelines.ingest.sources import source_class
from pipelines.ingest.sources.table import TableOptions
from pipelines.runner import RunConfig

LANGUAGES = {
    "swa": ("Swali la {}: mji mkuu wa Kenya ni upi?", "Mji mkuu wa Kenya ni Nairobi, jibu la {}."),
    "heb": ("שאלה {}: מהי בירת צרפת?", "בירת צרפת היא פריז, תשובה {}."),
    "tha": ("คำถามที่ {} เมืองหลวงของไทยคืออะไร", "เมืองหลวงของไทยคือกรุงเทพมหานคร ข้อ {}"),
}


def aya(code, number):
    question, answer = LANGUAGES[code]
    return {"inputs": question.format(number), "targets": answer.format(number), "language_code": code}


def chat(number, *more):
    turns = [
        {"from": "human", "value": f"Bonjour {number}, comment vas-tu ?"},
        {"from": "gpt", "value": "Très bien, merci !"},
    ]
    return {"id": f"c{number}", "lang": "fr", "conversations": [*turns, *more]}


@pytest.fixture
def sources(tmp_path, write_lines):
    """An Aya folder with some rows that are none, and some chats; two sources, five shards of about 2,000 bytes."""
    for code in LANGUAGES:
        write_lines(tmp_path / "in" / "aya" / code / "train.jsonl", [aya(code, n) for n in range(20)])
    write_lines(
        tmp_path / "in" / "aya" / "odd.jsonl", ["broken", "[]", {**aya("heb", 0), "inputs": ""}, aya("swa", 99)]
    )
    write_lines(tmp_path / "in" / "aya" / "notes.txt", ["not read"])
    write_lines(
        tmp_path / "in" / "chats.jsonl", [chat(n) for n in range(10)] + [chat(10, {"from": "human", "value": "?"})]
    )
    return (
        IngestSource("aya", str(tmp_path / "in" / "aya")),
        IngestSource("sharegpt", str(tmp_path / "in" / "chats.jsonl")),
    )


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "_LEAST", 2000)


def config(sources, mode="in_memory", **more):
    return IngestConfig(
        sources=sources,
        **{"language_id": LanguageIdConfig(detector="none"), "run": RunConfig(mode=mode, workers=2), **more},
    )


def output(out):
    """All that a run leaves, by its path; of the manifest all but how this very run went."""
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    found.pop(".lock", None)
    manifest = json.loads(found["manifest.json"])
    manifest.pop("run")
    return {**found, "manifest.json": manifest}


def plain(manifest):
    """Return it as in the file: lists for tuples."""
    return json.loads(json.dumps(asdict(manifest)))


def times(out):
    return {path.name: path.stat().st_mtime_ns for path in out.glob("data/*.parquet")}


class Notes:
    """Where a run's plain words go."""

    def __init__(self):
        self.lines = []

    def isatty(self):
        return False

    def write(self, text):
        self.lines.append(text)

    def flush(self):
        pass

    @property
    def text(self):
        return "".join(self.lines)


@pytest.fixture
def notes():
    return Notes()


def test_the_manifest_counts_each_row_in_each_row_out_and_each_reject_by_reason(tmp_path, sources, small_shards):
    out = tmp_path / "out"
    manifest = ingest(config(sources), out)
    assert (manifest.rows_in, manifest.rows_out, manifest.rows_rejected) == (75, 72, 3)
    assert manifest.rejected == {"invalid_json": 1, "not_a_row": 1, "empty_prompt": 1}
    assert {code: (b.rows_in, b.rows_out, b.rejected) for code, b in manifest.languages.items()} == {
        "fra_Latn": (11, 11, {}),
        "heb_Hebr": (21, 20, {"empty_prompt": 1}),
        "swh_Latn": (21, 21, {}),
        "tha_Thai": (20, 20, {}),
        "und": (2, 0, {"invalid_json": 1, "not_a_row": 1}),
    }
    assert {name: (b.rows_in, b.rows_out) for name, b in manifest.sources.items()} == {
        "aya_dataset": (64, 61),
        "sharegpt": (11, 11),
    }
    assert manifest.repaired == {"unanswered_question_dropped": 1}
    assert manifest.language_id["detector"] == "none"
    assert manifest.language_id["verdicts"]["swh_Latn"] == {"unsupported": 21}
    assert any("notes.txt" in note for note in manifest.notes)
    assert list(problems(out)) == []
    assert plain(Manifest.read(out)) == plain(manifest)
    assert Counter(record.language for record in store.records(out)) == Counter(
        {code: balance.rows_out for code, balance in manifest.languages.items() if balance.rows_out}
    )
    assert sorted(line["location"] for line in store.rejects(out)) == ["odd.jsonl:1", "odd.jsonl:2", "odd.jsonl:3"]


def test_the_manifest_lists_inputs_configuration_code_and_versions(tmp_path, sources, small_shards):
    manifest = ingest(config(sources, raw_limit=500), tmp_path / "out")
    paths = sorted((tmp_path / "in").rglob("*.jsonl"))
    assert sorted(manifest.inputs, key=lambda file: file.path) == [
        Input(str(path), path.stat().st_size, files.content_hash(path)) for path in paths
    ]
    assert manifest.config["raw_limit"] == 500 and manifest.config["sources"][0]["kind"] == "aya"
    assert "run" not in manifest.config  # where it runs changes nothing
    assert manifest.command == "ingest" and manifest.complete and len(manifest.code) == 16
    assert {"ftfy", "pyarrow", "detector"} <= manifest.versions.keys()
    assert {"seconds", "python", "platform", "identity"} <= manifest.run.keys()


def test_a_finished_folder_holds_a_part_a_shard_and_nothing_else(tmp_path, sources, small_shards):
    out = tmp_path / "out"
    count = ingest(config(sources), out).shards
    parts = [f"part-{index:05d}-of-{count:05d}.parquet" for index in range(count)]
    assert count >= 3
    assert sorted(output(out)) == sorted(
        ["manifest.json", *(f"{kind}/{part}" for kind in ("data", "rejects") for part in parts)]
    )


def test_the_same_sources_give_the_same_bytes_wherever_they_go(tmp_path, sources, small_shards):
    ingest(config(sources), tmp_path / "one")
    ingest(config(sources), tmp_path / "two")
    assert output(tmp_path / "one") == output(tmp_path / "two")


def test_worker_processes_give_the_same_bytes_as_one_process(tmp_path, sources, small_shards):
    ingest(config(sources, "in_memory"), tmp_path / "one")
    ingest(config(sources, "multi_processing"), tmp_path / "many")
    assert output(tmp_path / "one") == output(tmp_path / "many")


class Killed(Exception):
    pass


@pytest.fixture
def killed(monkeypatch, sources, small_shards):
    """Begins a run in a folder, and ends it in the middle of its second shard."""
    real = ingesting.run_task

    def run_and_die(task, *, config, place):
        if task.index == 1:
            (place.folder.parent / "data" / ".part-00001-of-00009.parquet.0a1b2c3d4e5f.tmp").write_bytes(
                b"PAR1 half of"
            )
            raise Killed
        real(task, config=config, place=place)

    def begin(out, **more):
        with monkeypatch.context() as patch:
            patch.setattr(ingesting, "run_task", run_and_die)
            with pytest.raises(Exception, match="Killed"):
                ingest(config(sources, **more), out)

    return begin


def test_a_killed_run_is_not_a_finished_folder(tmp_path, killed):
    killed(tmp_path / "out")
    with pytest.raises(SourceError, match="not the output of a finished glotmill command"):
        Manifest.read(tmp_path / "out")


def test_a_run_taken_up_after_a_kill_ends_with_the_very_bytes_of_one_that_was_left_alone(
    tmp_path, sources, killed, notes
):
    killed(tmp_path / "out")
    done = times(tmp_path / "out")
    assert done
    resumed = ingest(config(sources), tmp_path / "out", progress=ingesting.Progress(notes))
    assert f"resuming: {len(done)} of {resumed.shards} shards are done" in notes.text
    ingest(config(sources), tmp_path / "undisturbed")
    assert output(tmp_path / "out") == output(tmp_path / "undisturbed")
    assert list(problems(tmp_path / "out")) == []
    after = times(tmp_path / "out")
    assert all(after[name] == time for name, time in done.items()), "what was done was not done again"


def test_a_run_killed_before_its_first_shard_was_done_is_taken_up_too(tmp_path, sources, killed):
    killed(tmp_path / "out")
    for path in [*(tmp_path / "out").glob(".work/done/*"), *(tmp_path / "out").glob("data/*")]:
        path.unlink()
    ingest(config(sources), tmp_path / "out")
    assert list(problems(tmp_path / "out")) == []


def test_a_run_may_be_taken_up_in_another_mode(tmp_path, sources, killed):
    killed(tmp_path / "out")
    manifest = ingest(config(sources, run=RunConfig(mode="in_memory", workers=7)), tmp_path / "out")
    assert manifest.rows_in == 75


CHANGES = {
    "another limit": ({"raw_limit": 7}, "", "config.raw_limit was 65536, is 7"),
    "another filter": ({"filters": FilterConfig(max_url=0.1)}, "", "config.filters.max_url was 0.5, is 0.1"),
    "other languages": ({"languages": ("swa",)}, "", "config.languages"),
    "an input that changed": ({}, "chats.jsonl", "inputs"),
    "one input more": ({}, "aya/zz.jsonl", "inputs"),
}


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """A source, and the folder that a finished run made of it."""
    place = tmp_path_factory.mktemp("finished")
    for name in ("chats.jsonl", "aya/a.jsonl"):
        path = place / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**aya("swa", 1), **chat(1)}) + "\n", "utf-8")
    ingest(config((IngestSource("sharegpt", str(place / "in")),)), place / "out")
    return place


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_of_another_run_is_refused_with_the_difference_named(finished_run, change):
    more, file, said = CHANGES[change]
    out, before = finished_run / "out", output(finished_run / "out")
    path = finished_run / "in" / file
    was = path.read_text("utf-8") if path.is_file() else ""
    if file:
        path.write_text(was + json.dumps(chat(2)) + "\n", "utf-8")
    try:
        with pytest.raises(OutputError) as caught:
            ingest(config((IngestSource("sharegpt", str(finished_run / "in")),), **more), out)
    finally:
        if file:
            path.write_text(was, "utf-8") if was else path.unlink()
    assert said in str(caught.value) and "--fresh" in str(caught.value) and "\n" not in str(caught.value)
    assert output(out) == before


def test_what_a_killed_run_left_is_refused_to_another_one_and_thrown_away_by_fresh(tmp_path, sources, killed):
    out = tmp_path / "out"
    killed(out)
    before = times(out)
    with pytest.raises(OutputError, match=r"config\.raw_limit was 65536, is 7\. Use another --out, or --fresh"):
        ingest(config(sources, raw_limit=7), out)
    assert times(out) == before
    (out / "data" / "part-00077-of-00099.parquet").write_bytes(b"left over")
    ingest(config(sources, raw_limit=7), out, fresh=True)
    ingest(config(sources, raw_limit=7), tmp_path / "undisturbed")
    assert output(out) == output(tmp_path / "undisturbed")


def test_a_finished_run_is_not_done_again(tmp_path, sources, small_shards, notes):
    first = ingest(config(sources), tmp_path / "out")
    before = times(tmp_path / "out")
    again = ingest(config(sources), tmp_path / "out", progress=ingesting.Progress(notes))
    assert plain(again) == plain(first) and times(tmp_path / "out") == before
    assert "already holds the output of this very run" in notes.text


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_with_files_of_somebody_else_is_left_alone(tmp_path, sources, fresh):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.tex"):
        ingest(config(sources), out, fresh=fresh)
    assert (out / "thesis.tex").read_text() == "years of work"
    assert not (out / "data").exists()


def test_data_without_a_manifest_is_left_alone(tmp_path, sources):
    (tmp_path / "out" / "data").mkdir(parents=True)
    (tmp_path / "out" / "data" / "mine.parquet").write_bytes(b"?")
    with pytest.raises(OutputError, match=r"without manifest\.json"):
        ingest(config(sources), tmp_path / "out")
    assert (tmp_path / "out" / "data" / "mine.parquet").exists()


def test_a_folder_that_another_run_writes_to_is_refused(tmp_path, sources):
    (tmp_path / "out").mkdir()
    with open(tmp_path / "out" / ".lock", "w") as lock:
        lock.write("12345\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match=r"another run \(process 12345\)"):
            ingest(config(sources), tmp_path / "out")
    assert ingest(config(sources), tmp_path / "out").complete


def test_an_output_folder_that_cannot_be_made_is_one_error(tmp_path, sources):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(OutputError) as caught:
            ingest(config(sources), out)
        assert str(out) in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_notes_of_a_killed_run_are_an_error_that_says_what_to_do(tmp_path, sources, killed):
    killed(tmp_path / "out")
    (tmp_path / "out" / ".work" / "run.json").write_text("{")
    with pytest.raises(OutputError, match="--fresh starts over"):
        ingest(config(sources), tmp_path / "out")


def test_a_run_without_sources_or_with_a_wrong_name_is_an_error_before_anything_is_written(tmp_path, sources):
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="KIND=PATH"):
        ingest(config(()), out)
    with pytest.raises(UnknownNameError, match="sharegpt"):
        ingest(config((IngestSource("sharegtp", "x"),)), out)
    with pytest.raises(UnknownNameError, match="Swahili"):
        ingest(config(sources, languages=("Swahilli",)), out)
    with pytest.raises(UnknownNameError, match="vote"):
        ingest(config(sources, language_id=LanguageIdConfig(detector="vot")), out)
    assert not out.exists()


def test_options_are_those_of_the_source_or_else_those_of_its_kind(tmp_path, write_lines):
    path = write_lines(tmp_path / "a.jsonl", [{"q": "Unde e gara?", "a": "Gara e acolo, domnule."}])
    named = TableOptions(name="own", inputs="{q}", targets="{a}", language="ron")
    run = config(
        (IngestSource("table", str(path), named), IngestSource("table", str(path))),
        options={"table": TableOptions(name="of the kind", inputs="{a}", targets="{q}", language="ron")},
    )
    manifest = ingest(run, tmp_path / "out")
    assert {record.source: record.target for record in store.records(tmp_path / "out")} == {
        "own": "Gara e acolo, domnule.",
        "of the kind": "Unde e gara?",
    }
    assert manifest.config["sources"][1]["options"] is None


def test_a_file_of_exactly_the_publishers_cap_is_noted_however_it_is_spread_over_shards(
    tmp_path, write_lines, monkeypatch, small_shards
):
    monkeypatch.setattr(source_class("xp3x"), "published_cap", 60)
    # Rows by their length, as they were published: some shards hold many of them, the others few.
    short = [{**aya("swa", n), "language": "swh_Latn"} for n in range(60)]
    long = [{**row, "targets": "Jibu ni " + "ndiyo, kabisa " * 100} for row in short]
    write_lines(tmp_path / "in" / "capped.jsonl", short[:50] + long[:10])
    write_lines(tmp_path / "in" / "more.jsonl", short + long[:10])
    write_lines(tmp_path / "in" / "less.jsonl", short[:49] + long[:10])
    manifest = ingest(config((IngestSource("xp3x", str(tmp_path / "in")),)), tmp_path / "out")
    assert manifest.shards > 10
    (note,) = [note for note in manifest.notes if "cap" in note]
    assert note.startswith("1 files") and "capped.jsonl" in note


def test_rows_that_glotmill_itself_failed_on_are_a_warning(tmp_path, sources, monkeypatch):
    real = ingesting.RowCleaner._draft

    def buggy(self, row, source, part):
        if "99" in row.data.get("inputs", ""):
            raise ZeroDivisionError
        return real(self, row, source, part)

    monkeypatch.setattr(ingesting.RowCleaner, "_draft", buggy)
    manifest = ingest(config(sources), tmp_path / "out")
    assert manifest.rejected["internal_error"] == 1
    assert "internal_error" in manifest.warnings[0] and "1 row" in manifest.warnings[0]


def test_a_reason_that_takes_one_language_far_more_than_the_others_is_a_warning(tmp_path, write_lines):
    rows = [aya("tha", n) for n in range(300)] + [
        {**aya("heb", n), **({"targets": "!!"} if n % 3 == 0 else {})} for n in range(300)
    ]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    manifest = ingest(config((IngestSource("aya", str(path)),)), tmp_path / "out")
    assert [warning.split()[0] for warning in manifest.warnings] == ["trivial_target"]
    assert "heb_Hebr" in manifest.warnings[0]


def test_a_relative_path_and_an_output_below_the_input_are_no_trouble(tmp_path, sources, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = ingest(config((IngestSource("aya", "in/aya"),)), tmp_path / "in" / "aya" / ".out")
    assert manifest.rows_in == 64
    again = ingest(config((IngestSource("aya", "in/aya"),)), tmp_path / "in" / "aya" / ".out")
    assert again.run == manifest.run
    assert os.listdir(tmp_path / "in" / "aya" / ".out")
