"""A folder belongs to one run at a time."""

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import OutputError
from core.locks import locked

ROOT = Path(__file__).resolve().parents[2]

HOLD = """
import sys, time
from pathlib import Path
from core.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(folder):
    """Another process that holds a folder until it is told to stop or killed."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_a_second_process_is_refused_and_told_which_one_holds_the_folder(tmp_path):
    with holder(tmp_path / "out") as other:
        with pytest.raises(OutputError, match=f"process {other.pid}\\b.*another --out"), locked(tmp_path / "out"):
            pytest.fail("two runs at once")
        other.stdin.close()
        other.wait()
        with locked(tmp_path / "out"):
            pass
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]


def test_a_lock_goes_with_its_process_even_when_that_is_killed(tmp_path):
    with holder(tmp_path) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        assert (tmp_path / ".lock").exists()
        with locked(tmp_path):
            assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


def test_folders_are_locked_one_by_one(tmp_path):
    with holder(tmp_path / "a"), locked(tmp_path / "b"):
        pass


def test_a_lock_file_that_goes_while_it_is_opened_locks_nobody_in(tmp_path, monkeypatch):
    """One run ends, and another begins, between a third's opening of the lock file and its taking of the lock."""
    take = fcntl.flock
    ending = locked(tmp_path)
    beginning = locked(tmp_path)
    ending.__enter__()

    def late(handle, how):
        monkeypatch.setattr(fcntl, "flock", take)
        ending.__exit__(None, None, None)
        beginning.__enter__()
        take(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    try:
        with pytest.raises(OutputError), locked(tmp_path):
            pytest.fail("two runs at once")
    finally:
        beginning.__exit__(None, None, None)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"cannot write to .*file.*not a folder"),
        locked(tmp_path / "file" / "out"),
    ):
        pytest.fail("no such folder")
