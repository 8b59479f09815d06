"""Real processes: killed, asked to stop, several at once. What they leave is what one undisturbed run leaves."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli_w

from core.config import as_dict
from finetune.training.metrics_writer import read_metrics
from finetune.training.stopping import STOPPED

EXACT = ("step", "loss", "z_loss", "accuracy", "tokens", "sequences", "gradient_norm", "learning_rate")
STEPS = 60


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if item is not None}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.fixture
def start(configured, tmp_path):
    """Starts `glotmill finetune` on a small configuration, in a process of its own."""
    file = tmp_path / "config.toml"
    file.write_text(tomli_w.dumps(plain(as_dict(configured(steps=STEPS)))), "utf-8")

    def run(out, *sets, devices=1, **keywords):
        words = [word for one in sets for word in ("--set", one)]
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
        command = [sys.executable, "-c", "from glotmill.cli.main import main; main()", "finetune", str(file), "--json"]
        return subprocess.Popen(
            [*command, "--out", str(out), *words],
            env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **keywords,
        )

    return run


def finished(process):
    out, err = process.communicate()
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


def curve(out: Path):
    return [tuple(line[name] for name in EXACT) for line in read_metrics(out)]


def wait_for(out: Path, lines: int):
    """Until metrics.csv has so many lines."""
    path = out / "metrics.csv"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if path.exists() and len(path.read_text("utf-8").splitlines()) > lines:
            return
        time.sleep(0.02)
    raise AssertionError("no step was made")


@pytest.mark.slow
def test_killed_at_random_steps_it_ends_where_it_would_have(start, tmp_path):
    told = finished(start(tmp_path / "whole"))
    chance = random.Random(7)
    out = tmp_path / "killed"
    for _ in range(4):
        process = start(out)
        before = len(curve(out)) if (out / "metrics.csv").exists() else 0
        if before < STEPS:
            wait_for(out, min(STEPS - 1, before + chance.randint(1, 12)))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    again = finished(start(out))
    assert again["measured"] == told["measured"]
    assert curve(out) == curve(tmp_path / "whole")
    same = [(path / "validation.csv").read_bytes() for path in (out, tmp_path / "whole")]
    assert same[0] == same[1]


@pytest.mark.slow
def test_asked_to_stop_it_saves_and_says_so_by_its_status(start, tmp_path):
    finished(start(tmp_path / "whole"))
    out = tmp_path / "stopped"
    process = start(out, "checkpoints.every_steps=0")
    wait_for(out, 5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == STOPPED, err[-2000:]
    steps = len(curve(out))
    assert 5 <= steps < STEPS and (out / f"checkpoints/{steps}").is_dir()
    finished(start(out))
    assert curve(out) == curve(tmp_path / "whole")


@pytest.mark.slow
def test_another_mesh_goes_on_from_the_same_numbers(start, tmp_path):
    finished(start(tmp_path / "whole"))
    out = tmp_path / "moved"
    finished(start(out, "steps=30"))
    finished(start(out, "mesh.data=2", "mesh.fsdp=2", "mesh.tensor=2", devices=8))
    whole, moved = curve(tmp_path / "whole"), curve(out)
    assert whole[:30] == moved[:30]
    for a, b in zip(whole[30:], moved[30:], strict=True):
        assert float(a[1]) == pytest.approx(float(b[1]), rel=1e-4)


@pytest.mark.slow
def test_two_processes_train_the_model_that_one_trains(start, tmp_path):
    one = finished(start(tmp_path / "one", "mesh.fsdp=2", devices=4))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = tmp_path / "two"
    processes = [
        start(
            out,
            "mesh.fsdp=2",
            f'distributed.coordinator="127.0.0.1:{port}"',
            "distributed.processes=2",
            f"distributed.process={number}",
            devices=2,
        )
        for number in range(2)
    ]
    told = [finished(process) for process in processes]
    assert told[0]["measured"] == told[1]["measured"]
    assert told[0]["measured"]["loss"] == pytest.approx(one["measured"]["loss"], rel=1e-4)
    for a, b in zip(curve(tmp_path / "one"), curve(out), strict=True):
        assert float(a[1]) == pytest.approx(float(b[1]), rel=1e-4)
        assert a[4:6] == b[4:6]
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["mesh"]["processes"] == 2 and manifest["complete"]
