"""Plot the losses of a run: of every step, smoothed, and of the validations by class of resources."""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Final

from finetune.training.metrics_writer import VALIDATION, read_metrics

PLOT: Final = "loss.svg"
_SMOOTH: Final = 0.95
_POINTS: Final = 2_000


def plot_losses(run: Path) -> None:
    """Write loss.svg from metrics.csv and validation.csv; nothing if metrics.csv is empty."""
    lines = read_metrics(run)
    if not lines:
        return
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    every = -(-len(lines) // _POINTS)
    steps = [int(line["step"]) for line in lines]
    losses = [float(line["loss"]) for line in lines]
    axes.plot(steps[::every], losses[::every], color="#9bb8d3", linewidth=0.7)
    axes.plot(steps[::every], smoothed(losses)[::every], color="#2f6db5", label="training, smoothed")
    for name, points in sorted(_validation(run / VALIDATION).items()):
        axes.plot(*zip(*sorted(points.items()), strict=True), marker="o", markersize=3, label=f"validation, {name}")
    axes.set_xlabel("step")
    axes.set_ylabel("cross entropy, nats")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(run / PLOT, metadata={"Date": None})


def smoothed(values: list[float]) -> list[float]:
    """Return the exponential moving average, which starts at the first value."""
    out: list[float] = []
    for value in values:
        out.append(value if not out else _SMOOTH * out[-1] + (1 - _SMOOTH) * value)
    return out


def _validation(path: Path) -> dict[str, dict[int, float]]:
    """Return the mean loss at each step of the languages of each class of resources."""
    if not path.exists():
        return {}
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    with open(path, encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            found[line["resources"]][int(line["step"])].append(float(line["loss"]))
    return {name: {step: statistics.fmean(losses) for step, losses in points.items()} for name, points in found.items()}
