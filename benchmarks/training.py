"""Measure the speed of training and decoding, compared with Hugging Face's if torch and transformers are installed.

    python benchmarks/training.py [--turns 7] [--only float32,bfloat16,greedy]
    python benchmarks/training.py --device gpu [--rows 16] [--remat minimal]

On the CPU: mT5-small's shape with 32,128 pieces, 8 rows of 128 inputs and 64 targets. All jobs of a comparison stay in
memory and alternate. Figures are CPU-seconds of all threads, which other jobs on the machine disturb less than
seconds, and the median ratio over the turns.

On a GPU: mT5-base and -large, bfloat16, full rows of 1024 and 256, each job alone on the card, in seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from training_worker import Shape

WORKER = Path(__file__).with_name("training_worker.py")
COMPARISONS = ("float32", "bfloat16", "greedy")


class Turn(NamedTuple):
    """The seconds that one turn of a job took."""

    cpu: float
    wall: float


class Worker:
    """A job that is ready to take its turn."""

    def __init__(self, job: str, shape: Shape) -> None:
        # Threads that wait for each other by spinning would count as work: to torch's disadvantage.
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TRANSFORMERS_VERBOSITY": "error"}
        command = [sys.executable, str(WORKER), job, json.dumps(asdict(shape))]
        self._job = job
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.turns: list[Turn] = []
        self.about: dict[str, Any] = self._answer()

    def turn(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("once\n")
        self._process.stdin.flush()
        self.turns.append(Turn(**self._answer()))

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    @property
    def cpu(self) -> float:
        return statistics.median(turn.cpu for turn in self.turns)

    @property
    def wall(self) -> float:
        return statistics.median(turn.wall for turn in self.turns)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"the job {self._job} failed (exit code {self._process.wait()}): its last words are above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    arguments.add_argument("--turns", type=int, default=7)
    arguments.add_argument("--only", default=",".join(COMPARISONS), help="of the comparisons on the CPU")
    arguments.add_argument("--rows", type=int, default=16, help="rows of a batch on the GPU")
    arguments.add_argument("--remat", choices=("none", "minimal", "full"), default="none", help="ours, on the GPU")
    given = arguments.parse_args()
    peers = all(importlib.util.find_spec(name) for name in ("torch", "transformers"))
    print(f"{time.strftime('%Y-%m-%d')}, {_machine()}, {given.turns} turns, medians")
    if not peers:
        print("torch and transformers are not installed: without them there is nothing to compare with")
    if given.device == "gpu":
        gpu(given.turns, given.rows, given.remat, peers)
        return
    for name in given.only.split(","):
        if name not in COMPARISONS:
            sys.exit(f"--only {name}: expected some of {', '.join(COMPARISONS)}")
        greedy(given.turns, peers) if name == "greedy" else training(given.turns, peers, name)


def training(turns: int, peers: bool, dtype: str) -> None:
    """Measure a step with each optimizer, Hugging Face's step, and the matrix products of both libraries alone."""
    shape = Shape(dtype=dtype)
    jobs = {
        "ours, Adafactor": Worker("step", shape),
        "ours, AdamW": Worker("step", replace(shape, optimizer="adamw")),
        "JAX, matrix product": Worker("peak", shape),
    }
    if peers:
        jobs |= {"Hugging Face, AdamW": Worker("hf-step", shape), "PyTorch, matrix product": Worker("hf-peak", shape)}
    _take_turns(list(jobs.values()), turns)
    flops = jobs["ours, Adafactor"].about["flops"]
    print(f"\n{dtype}: a step is {flops / 1e9:.1f} GFLOP; load {os.getloadavg()[0]:.1f}")
    for name, job in jobs.items():
        done = job.about.get("flops", flops)
        words = [f"{job.cpu:.2f} CPU-s", f"{job.wall:.2f} s", f"{done / job.cpu / 1e9:.0f} GFLOP a CPU-s"]
        if "matrix" not in name:
            own = jobs["PyTorch, matrix product" if name.startswith("Hugging") else "JAX, matrix product"]
            words.append(f"{_median([done / own.about['flops'] * b.cpu / a.cpu for a, b in _pairs(job, own)])} of peak")
        if name.startswith("ours") and peers:
            words.append(_against(job, jobs["Hugging Face, AdamW"]))
        print(f"  {name:24} {', '.join(words)}")


def greedy(turns: int, peers: bool) -> None:
    """Measure greedy decoding of as many pieces as there are targets."""
    jobs = {"ours": Worker("greedy", Shape())}
    if peers:
        jobs["Hugging Face"] = Worker("hf-greedy", Shape())
    _take_turns(list(jobs.values()), turns)
    print(f"\ngreedy decoding, {Shape.rows} rows of {Shape.targets} pieces, float32; load {os.getloadavg()[0]:.1f}")
    for name, job in jobs.items():
        words = [f"{job.cpu:.2f} CPU-s", f"{job.wall:.2f} s", f"{Shape.rows * Shape.targets / job.cpu:.0f} a CPU-s"]
        if name == "ours" and peers:
            words.append(_against(job, jobs["Hugging Face"]))
        print(f"  {name:24} {', '.join(words)}")


def gpu(turns: int, rows: int, remat: str, peers: bool) -> None:
    """Measure tokens a second and MFU of mT5-base and -large, one job after another, since each takes all memory."""
    for size in ("base", "large"):
        shape = Shape(size, 250_112, rows, 1024, 256, "bfloat16", remat=remat, gpu=True)
        tokens = rows * (shape.inputs + shape.targets)
        ours = _alone("step", shape, turns)
        peak, flops = ours.about["peak"], ours.about["flops"]
        print(f"\nmT5-{size} on {ours.about['device']}: {rows} rows, {flops / 1e12:.1f} TFLOP a step")
        both = {"ours, Adafactor": ours} | ({"Hugging Face, AdamW": _alone("hf-step", shape, turns)} if peers else {})
        for name, job in both.items():
            words = [f"{job.wall:.3f} s", f"{tokens / job.wall:,.0f} tokens a second"]
            if peak:
                words.append(f"MFU {flops / job.wall / peak:.2f}")
            if job is not ours:
                words.append(f"{job.wall / ours.wall:.2f} of ours")
            print(f"  {name:24} {', '.join(words)}")


def _alone(job: str, shape: Shape, turns: int) -> Worker:
    worker = Worker(job, shape)
    _take_turns([worker], turns)
    return worker


def _take_turns(workers: list[Worker], turns: int) -> None:
    for _ in range(turns):
        for worker in workers:
            worker.turn()
    for worker in workers:
        worker.close()


def _pairs(first: Worker, second: Worker) -> list[tuple[Turn, Turn]]:
    return list(zip(first.turns, second.turns, strict=True))


def _against(ours: Worker, theirs: Worker) -> str:
    return f"{_median([a.cpu / b.cpu for a, b in _pairs(ours, theirs)])} of Hugging Face's CPU-s"


def _median(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _machine() -> str:
    found = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines())
        found = next((name for name in names if "EPYC" in name or "Xeon" in name or "Core" in name), found)
    return f"{os.cpu_count()} cores, {found}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
