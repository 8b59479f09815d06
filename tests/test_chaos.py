"""Runs that are killed again and again end with the same bytes as one that nobody disturbed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

GLOTMILL = str(Path(sys.executable).with_name("glotmill"))
KILLS = 20


def begin(command: list[str], place: Path) -> subprocess.Popen:
    """The command, in a process group of its own."""
    return subprocess.Popen(
        [GLOTMILL, *command], cwd=place, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def finish(command: list[str], place: Path) -> None:
    done = subprocess.run([GLOTMILL, *command], cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, the clock's figures apart."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.name == "manifest.json":
                values = json.loads(data)
                for one in (values, *values["upstream"]):
                    one.pop("run")
                data = json.dumps(values).encode()
            found[path.relative_to(folder).as_posix()] = data
    return found


def kill_at_random(command: list[str], place: Path, drawn: random.Random, longest: float) -> bool:
    """Kills the command with all its processes at some moment; whether it was still at work by then."""
    process = begin(command, place)
    try:
        process.wait(drawn.uniform(0.3, longest))
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


@pytest.fixture(scope="module")
def sources(shared) -> list[str]:
    given = {
        "xp3x": ["derived_xp3x"],
        "aya_collection": ["derived_aya_collection"],
        "sharegpt": ["sharegpt_fastchat", "sharegpt_llamafactory"],
    }
    return [
        word
        for kind, names in given.items()
        for name in names
        for word in ("--source", f"{kind}={shared(f'data/{name}')}")
    ]


@pytest.fixture(scope="module")
def undisturbed(sources, tmp_path_factory):
    """A folder with an ingest and a build that ran through, and how long each took."""
    place = tmp_path_factory.mktemp("undisturbed")
    seconds = {}
    for command in (["ingest", *sources, "--out", "ingested"], ["build", "--input", "ingested", "--out", "collection"]):
        begun = time.monotonic()
        finish(command, place)
        seconds[command[0]] = time.monotonic() - begun
    return place, seconds


@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
def test_twenty_kills_change_nothing(sources, undisturbed, tmp_path, mode):
    expected, seconds = undisturbed
    drawn = random.Random(mode)
    kills = rounds = 0
    while kills < KILLS:
        place = tmp_path / str(rounds)
        place.mkdir()
        rounds += 1
        how = ["--set", f"run.mode={mode}", "--set", "run.workers=2"]
        commands = {
            "ingested": ["ingest", *sources, "--out", "ingested", *how],
            "collection": ["build", "--input", "ingested", "--out", "collection", *how],
        }
        for out, command in commands.items():
            for _ in range(6):
                if not kill_at_random(command, place, drawn, 1.1 * seconds[command[0]] + 0.5):
                    break
                kills += 1
            finish(command, place)
            assert content(place / out) == content(expected / out), f"after {kills} kills"
    print(f"{kills} kills in {rounds} rounds, {mode}")


def test_a_worker_that_is_killed_ends_the_run_and_the_next_one_ends_the_work(sources, undisturbed, tmp_path):
    expected, _ = undisturbed
    command = ["ingest", *sources, "--out", "ingested", "--set", "run.mode=multi_processing", "--set", "run.workers=2"]
    process = begin(command, tmp_path)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        workers = psutil.Process(process.pid).children(recursive=True)
        if workers and list((tmp_path / "ingested").glob(".work/beats/*")):
            workers[-1].kill()
            break
        time.sleep(0.05)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:  # Beam may wait for ever for a worker that is gone
        os.killpg(process.pid, signal.SIGKILL)
    finish(command, tmp_path)
    assert content(tmp_path / "ingested") == content(expected / "ingested")
