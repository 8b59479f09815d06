"""One rule for the output folders of all commands: what is refused, what is cleared, what is kept."""

import json

import pytest

from core.errors import OutputError
from core.run_folder import RUN, WORK, RunFolder, first_difference


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "out", "run", ("data", "manifest.json"), ("manifest.json",), "command", ("answers",))


def fill(folder, *names):
    for name in names:
        (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.path / name).write_text(json.dumps({"command": "ingest"}), "utf-8")


def test_a_folder_with_files_of_others_is_refused(folder):
    with folder.held():
        fill(folder, "data/part", "manifest.json", "نص.txt")
        with pytest.raises(OutputError, match=r"holds other files \(نص\.txt\)"):
            folder.check_owner()


def test_people_may_add_files_to_a_shared_folder_that_is_glotmills(folder):
    shared = RunFolder(folder.path, "run", folder.names, folder.marks, shared=True)
    with shared.held():
        fill(shared, "notes.txt")
        with pytest.raises(OutputError, match="other files"):
            shared.check_owner()
        fill(shared, "manifest.json")
        shared.check_owner()


def test_a_file_of_the_same_name_is_no_mark_unless_it_holds_the_key(folder):
    with folder.held():
        fill(folder, "data/part")
        (folder.path / "manifest.json").write_text('{"name": "a web app"}', "utf-8")
        assert not folder.is_marked()
        with pytest.raises(OutputError, match=r"without manifest\.json"):
            folder.check_marked()
        (folder.path / "manifest.json").write_text('{"comm', "utf-8")  # what a kill leaves
        assert folder.is_marked()


def test_clearing_removes_output_and_keeps_answers_and_strangers(folder):
    with folder.held():
        fill(folder, "data/part", "manifest.json", "answers/1", "notes.txt", f"{WORK}/done/x.json")
        folder.clear()
        assert sorted(path.name for path in folder.path.iterdir()) == [".lock", "answers", "notes.txt"]
        assert folder.is_empty()


def test_a_clearing_that_was_stopped_is_refused_until_it_is_finished(folder):
    with folder.held():
        fill(folder, "data/part")
        (folder.path / WORK).mkdir()
        (folder.path / WORK / RUN).write_text('{"command": "--fresh", "clearing": true}', "utf-8")
        with pytest.raises(OutputError, match="--fresh goes on with it"):
            folder.check_whole()
        folder.clear()
        folder.check_whole()


def test_nothing_that_the_run_reads_is_cleared(folder, tmp_path):
    with folder.held():
        fill(folder, "data/part")
        (tmp_path / "link").symlink_to(folder.path)
        for item in (folder.path, folder.path / "data/part", tmp_path / "link/data"):
            with pytest.raises(OutputError, match="which this run is to read"):
                folder.check_inputs([str(item)])
        folder.check_inputs([str(tmp_path / "outside")])


@pytest.mark.parametrize(
    ("before", "now", "difference"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1}}, ""),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b was 1, is 2"),
        ({"a": {}}, {"a": {"b": 2}}, "a.b was 'absent', is 2"),
        ({"a": []}, {"a": ["heb"]}, "a was [], is ['heb']"),
        ({"a": [{"p": 1}]}, {"a": []}, "a.length was 1, is 0"),
        ({"a": [{"p": 1}]}, {"a": [{"p": 2}]}, "a[0].p was 1, is 2"),
        ({"a": (1, 2)}, {"a": [1, 2]}, ""),
    ],
)
def test_the_first_difference_is_named_with_both_values(before, now, difference):
    assert first_difference(before, now) == difference
