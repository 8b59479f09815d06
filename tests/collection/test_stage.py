"""One run on one folder: what it refuses, what it leaves, what it takes up."""

import json
import os

import pytest

from collection.manifest import KEPT
from collection.stage import RunState, finished, stage
from core.errors import GlotmillError, OutputError, UserError
from core.run_folder import identity_hash

IDENTITY = {"command": "ingest", "code": "c", "versions": {}, "config": {"a": {"b": 1}}, "inputs": [{"path": "x"}]}


def test_a_piece_of_work_leaves_its_counts_when_it_is_done(tmp_path):
    with stage(tmp_path / "out", IDENTITY) as place:
        with place.unit("first") as work:
            work.tally.outcomes["s", "swh_Latn", KEPT] += 3
            work.extra["more"] = [1, 2]
            assert not place.is_done("first")
        assert place.is_done("first")
        marker = place.read("first")
        assert marker.tally.rows_out == 3
        assert marker.extra == {"more": [1, 2]}


def test_a_run_that_was_left_is_taken_up_with_its_markers(tmp_path):
    with stage(tmp_path, IDENTITY) as place, place.unit("first"):
        pass
    (tmp_path / "data").mkdir()
    (tmp_path / "data/.part.parquet.0123.tmp").write_bytes(b"half")
    with stage(tmp_path, IDENTITY) as place:
        assert place.is_done("first")
        assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"config": {"a": {"b": 2}}}, "config.a.b was 1, is 2"),
        ({"config": {"a": {"b": 1, "c": 0}}}, "config.a.c was 'absent', is 0"),
        ({"code": "d"}, "code was 'c', is 'd'"),
        ({"inputs": []}, "inputs.length was 1, is 0"),
        ({"inputs": [{"path": "y"}]}, r"inputs\[0\].path was 'x', is 'y'"),
    ],
)
def test_another_run_in_the_same_folder_is_refused_with_the_difference(tmp_path, change, told):
    with stage(tmp_path, IDENTITY):
        pass
    with pytest.raises(OutputError, match=f"{told}.*--fresh"), stage(tmp_path, IDENTITY | change):
        pass
    with stage(tmp_path, IDENTITY | change, fresh=True) as place:
        assert not place.is_done("first")


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for fresh in (False, True):
        with pytest.raises(OutputError, match=r"thesis\.tex"), stage(tmp_path, IDENTITY, fresh):
            pass
    assert (tmp_path / "thesis.tex").exists()
    assert not (tmp_path / ".work").exists()


def test_data_without_a_manifest_are_not_overwritten(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(OutputError, match=r"without manifest\.json"), stage(tmp_path, IDENTITY):
        pass


def test_two_runs_at_once_are_one_too_many(tmp_path):
    with (
        stage(tmp_path, IDENTITY),
        pytest.raises(OutputError, match=f"another run.*{os.getpid()}"),
        stage(tmp_path, IDENTITY),
    ):
        pass


def test_an_output_path_that_cannot_be_a_folder_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write to"), stage(tmp_path / "file" / "out", IDENTITY):
        pass


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        (OSError(28, "No space left on device"), UserError, "free some space"),
        (UserError("do this"), UserError, "^do this$"),
        (KeyError("oops"), GlotmillError, "(?s)piece: 'oops'.*Traceback"),
    ],
)
def test_the_error_of_a_worker_reaches_the_driver_as_it_was(tmp_path, raised, kind, told):
    with stage(tmp_path, IDENTITY) as place:
        with pytest.raises(type(raised)), place.unit("piece"):
            raise raised
        error = RunState(str(tmp_path)).error()
        assert type(error) is kind
        with pytest.raises(kind, match=told):
            raise error
        assert not place.is_done("piece")


def test_only_a_complete_manifest_of_the_same_run_counts_as_finished(tmp_path):
    assert not finished(tmp_path, IDENTITY)
    manifest = {"complete": True, "run": {"identity": identity_hash(IDENTITY)}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert finished(tmp_path, IDENTITY)
    assert not finished(tmp_path, IDENTITY | {"code": "other"})
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"complete": False}))
    assert not finished(tmp_path, IDENTITY)
    (tmp_path / "manifest.json").write_text("{")
    assert not finished(tmp_path, IDENTITY)


def test_heartbeats_add_up(tmp_path):
    with stage(tmp_path, IDENTITY) as place:
        for name, rows in (("a", 5), ("b", 7)):
            with place.unit(name) as work:
                work.beat(rows, rows * 100, last=True)
        assert sorted(place.beats()) == [(5, 500), (7, 700)]


def test_fresh_throws_away_nothing_but_an_earlier_runs_output(tmp_path):
    own, notes = tmp_path / "proj" / "data" / "rows.jsonl", tmp_path / "proj" / "README.md"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    notes.write_text("mine")
    with (
        pytest.raises(OutputError, match="was not written by glotmill"),
        stage(tmp_path / "proj", {"command": "x"}, True),
    ):
        pass
    (tmp_path / "proj" / "manifest.json").write_text('{"command": "ingest"}')
    identity = {"command": "x", "inputs": [{"path": str(own)}]}
    with pytest.raises(OutputError, match="which this run is to read"), stage(tmp_path / "proj", identity, True):
        pass
    assert own.read_text() == "{}" and notes.read_text() == "mine"
    os.symlink(tmp_path / "proj", tmp_path / "link")
    with pytest.raises(OutputError, match="which this run is to read"), stage(tmp_path / "link", identity, True):
        pass
    assert own.exists()
