"""Run the training loop: steps, validations and checkpoints, from a new state or from the newest checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from core.errors import ConfigError
from core.progress import Progress
from finetune.checkpoints.model_folder import CHECKPOINTS
from finetune.model.flops import peak_flops
from finetune.training.checkpoint import Checkpoints
from finetune.training.config import LoopConfig
from finetune.training.loss_plot import plot_losses
from finetune.training.metrics_writer import MetricsWriter, StepCost
from finetune.training.objective import Objective
from finetune.training.step import TrainState
from finetune.training.stopping import StopRequests, agreed
from finetune.training.validation_metrics import COLUMNS, ValidationMetrics


@dataclass
class Best:
    """The step with the lowest validation loss so far."""

    step: int | None = None
    loss: float | None = None

    def update(self, step: int, loss: float) -> None:
        """Take a step's loss if it is finite and lower than the lowest."""
        if math.isfinite(loss) and (self.loss is None or loss < self.loss):
            self.step, self.loss = step, loss


class TrainingLoop:
    """The loop of one run. Call `begin`, then `run`, both within `Trainer.on_mesh`."""

    _checkpoints: Checkpoints
    _state: TrainState

    def __init__(self, config: LoopConfig, objective: Objective, out: Path, progress: Progress) -> None:
        self._config, self._objective, self._out, self._progress = config, objective, out, progress
        self._trainer, self._best, self._start = objective.trainer, Best(), 0
        self.metrics: ValidationMetrics | None = None  # of the last validation
        self.data_report: Any = None
        self.seconds = 0.0

    def begin(self, fresh: bool, new_state: Callable[[], TrainState], clear: Callable[[], None]) -> None:
        """Restore the newest checkpoint, or make a new state.

        Args:
            fresh: ignore the checkpoints of an earlier run.
            new_state: makes the state before the first step.
            clear: discards the earlier run; it is called when the new state is there, and only if `fresh`.
        """
        keep = self._config.checkpoints.keep
        has_checkpoints = not fresh and (self._out / CHECKPOINTS).is_dir()
        if has_checkpoints:
            self._checkpoints = Checkpoints(self._out, keep)
            if (newest := self._checkpoints.newest) is not None:
                self._state, self._start = self._restored(newest), newest
                return
        self._state = new_state()
        if fresh:
            clear()
        if not has_checkpoints:
            self._checkpoints = Checkpoints(self._out, keep)

    def _restored(self, newest: int) -> TrainState:
        if newest > self._config.steps:
            raise ConfigError(f"steps is {self._config.steps:,}, but {self._out} is already at step {newest:,}")
        self._progress.note(f"resuming from step {newest:,}")
        saved = self._checkpoints.progress(newest)
        self._objective.restore(saved["data"])
        self._restore_best(saved)
        rank = self._trainer.config.lora.rank
        return self._trainer.from_disk(self._checkpoints.restore(newest, self._trainer.disk_shapes, rank))

    def _restore_best(self, saved: Mapping[str, Any]) -> None:
        """Restore the best step so far, unless its loss was measured on other examples."""
        before, now = saved.get("validation_examples"), self._config.validation_examples
        if before == now:
            self._best = Best(saved["best_step"], saved["best"])
            self._checkpoints.recall_best(self._best.step, self._best.loss)
        elif saved["best"] is not None:
            self._progress.note(
                f"note: data.validation.examples was {before}, is {now}: earlier losses cannot be compared. The next "
                "checkpoint with a validation is the best until a better one follows"
            )

    def run(self) -> int:
        """Train until the last step or a request to stop, and return the last step."""
        started = time.monotonic()
        total, log = self._config.steps, self._config.log
        writer = MetricsWriter(
            self._out, self._start, total, log.every_steps, log.tensorboard, self._cost(), self._progress
        )
        # A run that is already complete is validated again, which replaces its lines of that step.
        writer.open_validation(self._out, COLUMNS, self._start - (self._start == total))
        try:
            with StopRequests() as stop:
                step = self._steps(writer, stop)
        finally:
            self._checkpoints.close()
            self._objective.close()
            writer.close()
        if jax.process_index() == 0:
            plot_losses(self._out)
        self.seconds = round(time.monotonic() - started, 1)
        return step

    def _steps(self, writer: MetricsWriter, stop: StopRequests) -> int:
        total, when, validate_every = self._config.steps, self._config.checkpoints, self._config.validate_every
        saved_at, step = time.monotonic(), self._start
        if step == total:
            self._validate(total, writer)
        for step in range(self._start + 1, total + 1):
            self._state, metrics = self._trainer.step(self._state, self._objective.next())
            writer.step(step, metrics)
            self._checkpoints.write_best()
            is_stopping, is_last, is_best = stop.heard(step), step == total, False
            if is_last or (validate_every and step % validate_every == 0):
                writer.settle()
                is_best = self._validate(step, writer)
            is_late = bool(when.every_minutes) and time.monotonic() - saved_at > 60 * when.every_minutes
            is_due = bool(when.every_steps) and step % when.every_steps == 0
            if is_last or is_stopping or is_due or is_best or agreed(is_late, step):
                writer.settle()  # raises if a loss is not finite, before that state is saved
                self._save(step)
                saved_at = time.monotonic()
                writer.pause()
            if is_stopping:
                break
        self.data_report = self._objective.report()
        return step

    def _validate(self, step: int, writer: MetricsWriter) -> bool:
        """Validate, write and print the metrics, and return whether to save this step as the best."""
        self.metrics = self._objective.measure(self._state, step)
        if self.metrics is None:
            return False
        writer.validation(step, COLUMNS, [metrics.row() for metrics in self.metrics.languages])
        classes = ", ".join(f"{name} {loss:.3f}" for name, loss in self.metrics.by_resources().items())
        summary = self._objective.summary(self.metrics)
        more = f"; {summary}" if summary else ""
        self._progress.note(f"step {step:,}: validation loss {self.metrics.loss:.4f} ({classes}){more}")
        writer.pause()
        self._best.update(step, self.metrics.loss)
        return self._config.checkpoints.best and self._best.step == step

    def _save(self, step: int) -> None:
        best = self._best
        progress = {
            "data": self._objective.state(),
            "best": best.loss,
            "best_step": best.step,
            "validation_examples": self._config.validation_examples,
        }
        self._checkpoints.save(step, self._trainer.to_disk(self._state), progress)
        if self._config.checkpoints.best and best.loss is not None and best.step == step:
            self._checkpoints.name_best(step, best.loss)

    def _cost(self) -> StepCost:
        devices = self._trainer.mesh.devices
        dtype = self._trainer.config.execution.dtype
        peak = self._config.log.peak_tflops * 1e12 or peak_flops(devices.flat[0], dtype)
        return StepCost(self._objective.flops, peak * devices.size if peak else None)
