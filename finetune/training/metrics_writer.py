"""Write the metrics of a run: metrics.csv (a line a step), validation.csv, TensorBoard and progress lines.

The metrics of a step are fetched while the next step runs, so that the device never waits for the log.
"""

from __future__ import annotations

import csv
import math
import os
import resource
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax

from core.errors import UserError
from core.progress import Progress, time_left
from finetune.training.step import StepMetrics

METRICS, VALIDATION, TENSORBOARD = "metrics.csv", "validation.csv", "tensorboard"
COLUMNS: Final = (
    "step",
    "loss",
    "z_loss",
    "accuracy",
    "tokens",
    "sequences",
    "gradient_norm",
    "learning_rate",
    "seconds",
    "tokens_per_second",
    "mfu",
    "memory_gb",
)
_SMOOTH: Final = 0.9


@dataclass(frozen=True)
class StepCost:
    """What a step computes, and what the devices could compute."""

    flops: float  # floating-point operations of a step
    peak: float | None  # of all devices, FLOP/s


class CsvLog:
    """A CSV file that grows by whole lines."""

    def __init__(self, path: Path, columns: Sequence[str], keep_to: int) -> None:
        """Open the file, and drop lines of steps after `keep_to`: a killed run left them, and they come again."""
        lines = _lines_up_to(path, columns, keep_to)
        temporary = path.with_suffix(".tmp")
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(lines)
        os.replace(temporary, path)
        self._file = path.open("a", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def add(self, values: Sequence[Any]) -> None:
        self._writer.writerow(values)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _lines_up_to(path: Path, columns: Sequence[str], step: int) -> list[list[str]]:
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    whole = [line for line in lines[1:] if len(line) == len(columns) and line[0].isdecimal()]
    return [line for line in whole if int(line[0]) <= step]


class MetricsWriter:
    """The writer of one run. Only the first of several processes writes."""

    def __init__(
        self, out: Path, start: int, total: int, every: int, tensorboard: bool, cost: StepCost, progress: Progress
    ) -> None:
        self._out, self._writes = out, jax.process_index() == 0
        self._total, self._every, self._cost, self._progress = total, every, cost, progress
        self._pending: deque[tuple[int, float, StepMetrics]] = deque()
        self._before = time.monotonic()
        self._seconds: float | None = None  # of a step, smoothed
        self._tables: dict[str, CsvLog] = {}
        self._board: Any = None
        if self._writes:
            self._tables[METRICS] = CsvLog(out / METRICS, COLUMNS, start)
            if tensorboard:
                from tensorboardX import SummaryWriter

                self._board = SummaryWriter(str(out / TENSORBOARD), purge_step=start + 1)

    def step(self, number: int, metrics: StepMetrics) -> None:
        """Queue the metrics of a step that the devices compute, and write those of the step before."""
        self._pending.append((number, time.monotonic(), metrics))
        while len(self._pending) > 1:
            self._write()

    def settle(self) -> None:
        """Wait for all steps and write them; raise Diverged if a loss or gradient is not finite."""
        while self._pending:
            self._write()
        for table in self._tables.values():
            table.flush()

    def pause(self) -> None:
        """Exclude the time since the last step from the next step's time."""
        self._before = time.monotonic()

    def _write(self) -> None:
        number, _, metrics = self._pending.popleft()
        values = StepMetrics(*(float(value) for value in jax.device_get(metrics)))
        now = time.monotonic()
        seconds, self._before = now - self._before, now
        if not (math.isfinite(values.loss) and math.isfinite(values.gradient_norm)):
            raise Diverged(number, values, self._out)
        if not self._writes:
            return
        first = self._seconds is None
        smoothed = seconds if self._seconds is None else _SMOOTH * self._seconds + (1 - _SMOOTH) * seconds
        # The first step includes compilation.
        self._seconds = None if first and number == 1 else smoothed
        mfu = self._cost.flops / seconds / self._cost.peak if self._cost.peak else None
        if mfu is not None and mfu > 1:
            mfu = None  # a CPU's peak was measured under load; no value is better than a wrong one
        row = (
            number,
            *(repr(value) for value in values[:-2]),
            repr(values.gradient_norm),
            repr(values.rate),
            f"{seconds:.4f}",
            f"{values.tokens / seconds:.1f}",
            "" if mfu is None else f"{mfu:.4f}",
            f"{memory() / 1e9:.3f}",
        )
        self._tables[METRICS].add(row)
        if number % self._every == 0 or number == self._total:
            self._tables[METRICS].flush()
            self._print(number, values, smoothed, mfu)

    def _print(self, number: int, values: StepMetrics, seconds: float, mfu: float | None) -> None:
        parts = [
            f"step {number:,} of {self._total:,}",
            f"loss {values.loss:.4f}",
            f"accuracy {values.accuracy:.1%}",
            f"rate {values.rate:.2g}",
            f"{values.tokens / seconds:,.0f} target tokens/s",
            *([f"MFU {mfu:.0%}"] if mfu is not None else []),
            time_left((self._total - number) * seconds),
        ]
        self._progress.status(number / self._total, " · ".join(parts))
        if self._board is not None:
            for name, value in zip(values._fields, values, strict=True):
                self._board.add_scalar(f"train/{name}", value, number)

    def validation(self, step: int, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write the validation metrics of a step, a line a language."""
        if not self._writes:
            return
        table = self._tables.get(VALIDATION)
        assert table is not None
        for row in rows:
            table.add((step, *row))
            if self._board is not None:
                for name, value in zip(columns[2:], row[1:], strict=True):
                    if isinstance(value, float):
                        self._board.add_scalar(f"validation/{name}/{row[0]}", value, step)
        table.flush()

    def open_validation(self, out: Path, columns: Sequence[str], start: int) -> None:
        """Open validation.csv for lines of `columns`; step and language come first."""
        if self._writes:
            self._tables[VALIDATION] = CsvLog(out / VALIDATION, columns, start)

    def close(self) -> None:
        for table in self._tables.values():
            table.close()
        if self._board is not None:
            self._board.close()


class Diverged(UserError):
    """A loss or gradient that is not finite."""

    def __init__(self, step: int, values: StepMetrics, run: Path) -> None:
        name = "loss" if not math.isfinite(values.loss) else "gradient"
        super().__init__(
            f"the {name} of step {step} is not finite (rate {values.rate:.2g}); that state was not saved. Try a lower "
            "optimizer.schedule.base, linear_warmup in optimizer.schedule.factors, optimizer.clip=1.0, or "
            f"execution.dtype=float32. {run} cannot resume with these changed: begin another run, from its last "
            f"checkpoint if it has one (`glotmill checkpoint import {run} --step last --out MODEL`, then "
            "model.init=MODEL)"
        )


def memory() -> float:
    """Return the peak memory in bytes of the fullest device of this process; on a CPU, of the process."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    peaks = [device["peak_bytes_in_use"] for device in stats if "peak_bytes_in_use" in device]
    return float(max(peaks)) if peaks else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def read_metrics(out: Path) -> list[Mapping[str, str]]:
    """Read the lines of metrics.csv."""
    with open(out / METRICS, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
