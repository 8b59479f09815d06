"""The same jobs on a Dask cluster: a scheduler and two workers, each a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

if importlib.util.find_spec("distributed") is None:
    pytest.skip("the extra `dask` is not installed", allow_module_level=True)
ROOT = Path(__file__).resolve().parent.parent.parent

# Jobs that say where they ran. Dask's client belongs to a process of its own, as in the command.
JOBS = """
import os, sys, time
from functools import partial
from pathlib import Path
from pipelines.runner import Phase, RunConfig, run
from collection.stage import stage

def note(task, folder):
    (folder / f"note-{task}").write_text(str(os.getpid()))
    time.sleep(0.5)

def count(task, folder):
    (folder / "counted").write_text(str(len(list(folder.glob("note-*")))))

def fail(task, place):
    with place.unit(f"task-{task}"):
        raise OSError(28, "No space left on device")

def main(what, folder, *options):
    folder = Path(folder)
    with stage(folder / "out", {"command": "t"}) as place:
        phases = {
            "note": [Phase("note", partial(note, folder=folder), range(12)),
                     Phase("count", partial(count, folder=folder), [0])],
            "fail": [Phase("fail", partial(fail, place=place), [1, 2])],
        }[what]
        run(phases, RunConfig(), 0, options, place)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The options that send a job to it, the processes of its workers, and where they stand."""
    place = tmp_path_factory.mktemp("dask")
    (place / "dask_jobs.py").write_text(JOBS)
    address = place / "scheduler.json"

    def begin(what, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard", "--host", "127.0.0.1"]
        with open(place / f"{what}.log", "ab") as log:
            return subprocess.Popen(
                [*command, *arguments, "--scheduler-file", address],
                cwd=place,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stderr=log,
                stdout=log,
            )

    processes = [begin("scheduler", "--port", "0")]
    try:
        deadline = time.monotonic() + 60
        while not address.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        processes += [begin("worker", "--nthreads", "1", "--no-nanny") for _ in range(2)]
        where = json.loads(address.read_text())["address"]
        yield ["--runner=DaskRunner", f"--dask_client_address={where}"], [one.pid for one in processes[1:]], place
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait(30)


def run(code, *arguments, cwd):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{cwd}"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def job(cluster, *arguments):
    options, _, place = cluster
    return run("import sys, dask_jobs; dask_jobs.main(*sys.argv[1:])", *arguments, *options, cwd=place)


def test_tasks_run_on_the_workers_and_phases_wait_for_each_other(cluster, tmp_path):
    done = job(cluster, "note", tmp_path)
    assert done.returncode == 0, done.stderr
    assert {int((tmp_path / f"note-{number}").read_text()) for number in range(12)} == set(cluster[1])
    assert (tmp_path / "counted").read_text() == "12"


def test_an_error_comes_back_in_the_workers_words(cluster, tmp_path):
    told = job(cluster, "fail", tmp_path).stderr.strip().splitlines()[-1]
    assert "UserError" in told and "No space left on device" in told and "free some space" in told


def test_an_option_that_no_one_knows_is_an_error(cluster, tmp_path):
    told = job(cluster, "note", tmp_path, "--dask_sheduler=x").stderr.strip().splitlines()[-1]
    assert "ConfigError" in told and "--dask_sheduler" in told


def test_ingest_and_build_give_the_same_bytes_as_on_one_machine(cluster, tmp_path, write_lines):
    words = "jua mvua mto bahari mlima nyota upepo moto ardhi mti ndege samaki".split()
    for part in range(4):
        rows = [
            {
                "inputs": f"Swali {number}?",
                "targets": " ".join(words[(number * k) % 12] + str(number % (k + 3)) for k in range(1, 30)),
                "language": "swh_Latn",
            }
            for number in range(part * 200, part * 200 + 220)
        ]
        write_lines(tmp_path / "in" / f"{part}.jsonl", rows)
    found = {}
    for name, options in (("here", []), ("there", ["--", *cluster[0]])):
        place = tmp_path / name
        place.mkdir()
        for command in (
            ["ingest", "--source", f"xp3x={tmp_path / 'in'}", "--detector", "cld2", "--out", "ingested"],
            ["build", "--input", "ingested", "--out", "collection"],
        ):
            done = run("from glotmill.cli.main import main; main()", *command, *options, cwd=place)
            assert done.returncode == 0, done.stderr
        files = [path for path in sorted(place.rglob("*")) if path.is_file() and path.name != "manifest.json"]
        found[name] = {path.relative_to(place).as_posix(): path.read_bytes() for path in files}
    assert found["here"] == found["there"] and len(found["here"]) > 5
