"""Tasks through Beam: in one process and in several."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from collection.manifest import KEPT, Tally
from collection.record import Message, Record
from collection.stage import RunState, stage
from collection.store import PartWriter, records
from core.errors import ConfigError, UserError
from pipelines.runner import Phase, RunConfig, run

RECORD = Record("0" * 32, "swh_Latn", (Message("user", "Habari?"), Message("assistant", "Nzuri.")), "s")


@dataclass(frozen=True)
class Task:
    """A frozen dataclass with a record in it, as real tasks are."""

    number: int
    record: Record


@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
def test_a_task_is_itself_on_the_worker_and_phases_wait_for_each_other(tmp_path, mode):
    def write(task):
        # PartWriter sorts by type: a record that came out as another class would be no record.
        with PartWriter(tmp_path, task.number, 7) as writer:
            writer.write([task.record])

    def count(found):
        (tmp_path / f"counted-{os.getpid()}").write_text(str(found))

    with stage(tmp_path / "out", {"command": "t"}) as place:
        first = Phase("first", write, [Task(number, RECORD) for number in range(7)])
        second = Phase("second", count, lambda: [len(list((tmp_path / "data").iterdir()))])
        run([first, second], RunConfig(mode, workers=2), 0, (), place)
    assert list(records(tmp_path)) == [RECORD] * 7
    [counted] = tmp_path.glob("counted-*")
    assert counted.read_text() == "7"
    assert (counted.name == f"counted-{os.getpid()}") == (mode == "in_memory")


def test_no_tasks_are_no_work(tmp_path):
    run([Phase("nothing", print, [])], RunConfig(), 0, (), RunState(str(tmp_path)))


def _fails(task, place):
    with place.unit(f"task-{task}"):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
def test_an_error_comes_back_in_the_workers_words(tmp_path, mode):
    with (
        stage(tmp_path, {"command": "t"}) as place,
        pytest.raises(UserError, match=r"No space left on device .*free some space"),
    ):
        run([Phase("fails", partial(_fails, place=place), [1, 2])], RunConfig(mode, workers=2), 0, (), place)


def test_an_option_that_beam_does_not_take_is_an_error_of_the_user(tmp_path):
    with pytest.raises(ConfigError, match="--direct_num_workers=many"):
        run([Phase("p", print, [1])], RunConfig(), 0, ["--direct_num_workers=many"], RunState(str(tmp_path)))


def test_what_comes_after_the_dashes_reaches_beam(tmp_path):
    # The old direct runner, by Beam's own option: the same work on another engine.
    with stage(tmp_path / "out", {"command": "t"}) as place:
        run([Phase("p", Path.touch, [tmp_path / "file"])], RunConfig(), 0, ["--runner=BundleBasedDirectRunner"], place)
    assert (tmp_path / "file").exists()


def _counts(number):
    tally = Tally()
    tally.outcomes["s", "swh_Latn", KEPT] += number
    tally.outcomes["t", "swh_Latn", KEPT] += 1
    tally.outcomes["s", "heb_Hebr", "near_duplicate"] += 2
    return tally


@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
def test_what_tasks_count_is_in_beams_metrics(tmp_path, mode):
    with stage(tmp_path / "out", {"command": "t"}) as place:
        phases = [Phase("first", _counts, [1, 2, 3]), Phase("second", _counts, [10]), Phase("none", print, [1])]
        found = run(phases, RunConfig(mode, workers=2), 0, (), place)
    assert found == {
        ("first", "swh_Latn", KEPT): 9,
        ("first", "heb_Hebr", "near_duplicate"): 6,
        ("second", "swh_Latn", KEPT): 11,
        ("second", "heb_Hebr", "near_duplicate"): 2,
    }
