"""Training: from a configuration to a run folder with a model in it, the same to the bit however often it stops."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from core import version
from core.errors import ConfigError
from core.paths import as_path
from core.progress import Progress
from finetune.checkpoints import model_folder
from finetune.checkpoints.tokenizer_copy import check_tokenizer, identify
from finetune.config import FinetuneConfig, ModelConfig
from finetune.model.architecture import Architecture
from finetune.model.flops import peak_flops
from finetune.model.partitioning import describe
from finetune.training.checkpoint import Checkpoints
from finetune.training.loss_plot import plot_losses
from finetune.training.metrics_writer import Journal, Speed
from finetune.training.run_folder import COMMAND, RunFolder
from finetune.training.step import TrainState
from finetune.training.stopping import StopRequests, agreed
from finetune.training.task import AnswerTask, Task
from finetune.training.validation_metrics import COLUMNS, Measured
from tokenizer.vocabulary import MULTIPLE

CODE = ("core", "collection", "tokenizer", "finetune")


@dataclass(frozen=True)
class Trained:
    """What became of a run."""

    out: Path
    step: int
    complete: bool  # else it was asked to stop
    measured: Measured | None
    notes: Sequence[str]
    seconds: float  # of this process, not of those before it


def train(config: FinetuneConfig, out: Path, *, fresh: bool = False, progress: Progress | None = None) -> Trained:
    """Trains, or goes on training, until `config.steps` or a request to stop.

    Raises:
        ConfigError, SourceError: something that the configuration asks for is not there, or does not fit.
        OutputError: the folder holds something else.
        Diverged: a loss that is not a number.
    """
    begun = time.monotonic()
    _join(config)
    if jax.process_index():
        progress = Progress.silent()
    progress = progress or Progress.silent()
    folder = RunFolder(out, config)
    with folder.opened(fresh):
        run = _Run(config, folder, progress)
        with run.trainer.at_work():
            done, measured = run.go(fresh)
        run.finish(done)
        return Trained(out, done, done == config.steps, measured, run.notes, round(time.monotonic() - begun, 1))


def _join(config: FinetuneConfig) -> None:
    """Makes this process one of several, where it is to be."""
    told = config.distributed
    if not (told.enabled or told.coordinator) or jax.distributed.is_initialized():
        return
    if told.coordinator:
        jax.distributed.initialize(told.coordinator, told.processes, told.process)
    else:
        jax.distributed.initialize()


class _Run:
    """What a run is made of, put together once."""

    checkpoints: Checkpoints

    def __init__(self, config: FinetuneConfig, folder: RunFolder, progress: Progress) -> None:
        self.config, self.folder, self.progress = config, folder, progress
        start = start_of(config.model, with_head=bool(config.head.kind))
        identity = identify(start.tokenizer)
        if start.architecture:
            check_tokenizer(identity, start.architecture, str(start.tokenizer))
        architecture = start.architecture or config.model.architecture(_rounded(identity.pieces))
        self.task = _task(config, architecture, start.tokenizer, folder.path, progress)
        self.trainer = self.task.trainer
        self.notes = self.task.notes
        for note in self.notes:
            progress.note(f"note: {note}")
        self.about = {
            "config": folder.config,
            "glotmill": version.VERSION,
            "code": version.code_hash(*CODE),
            "versions": {
                name: metadata.version(name) for name in ("jax", "flax", "optax", "orbax-checkpoint", "grain")
            },
            "mesh": describe(self.trainer.mesh),
            "parameters": sum(size.size for size in jax.tree.leaves(self.trainer.disk_shapes.trained)),
            "tokenizer": asdict(identity),
            "data": dict(self.task.data_identity),
        }
        self._identity, self._start = identity, start
        self.measured: Measured | None = None
        self.best: float | None = None
        self.best_step: int | None = None

    def go(self, fresh: bool) -> tuple[int, Measured | None]:
        """Steps made in all, and the last measurements."""
        state, start = self._begin(fresh)
        self._take_folder()
        begun = time.monotonic()
        log, total = self.config.log, self.config.steps
        journal = Journal(
            self.folder.path, start, total, log.every_steps, log.tensorboard, self._speed(), self.progress
        )
        # A run that is complete is measured again, for whoever asks: its old lines of that step go.
        journal.open_validation(self.folder.path, COLUMNS, start - (start == total))
        try:
            with StopRequests() as stop:
                step = self._steps(state, start, journal, stop)
        finally:
            self.checkpoints.close()
            self.task.close()
            journal.close()
        if jax.process_index() == 0:
            plot_losses(self.folder.path)
        self._seconds = round(time.monotonic() - begun, 1)
        return step, self.measured

    def finish(self, step: int) -> None:
        """What comes after the last checkpoint, off the mesh; only then is the run complete."""
        complete = step == self.config.steps
        if complete and jax.process_index() == 0:
            self.task.finish()
        measured = self.measured.to_json() if self.measured else None
        results = {"step": step, "measured": measured, "seconds": self._seconds}
        report = dataclasses.asdict(self.data_report)
        self.folder.write_manifest({**self.about, **results, "data_seen": report, "complete": complete})

    def _take_folder(self) -> None:
        """Says in the folder whose it is: not before everything was found to fit, so that a refusal changes nothing."""
        self.folder.write_config()
        if jax.process_index() == 0:
            provenance = {"command": COMMAND, "init": self.config.model.init}
            where, tokenizer = self.folder.path, self._start.tokenizer
            model_folder.write_about(
                where, self.trainer.architecture, tokenizer, provenance, self.config.lora, self.task.head
            )
        self.folder.write_manifest({**self.about, "complete": False})

    def _begin(self, fresh: bool) -> tuple[TrainState, int]:
        out, keep = self.folder.path, self.config.checkpoints.keep
        known = not fresh and (out / model_folder.CHECKPOINTS).is_dir()
        if known:
            self.checkpoints = Checkpoints(out, keep)
            if (newest := self.checkpoints.newest) is not None:
                return self._taken_up(newest), newest
        state = self._new_state()
        if fresh:
            self.folder.clear()
        if not known:
            self.checkpoints = Checkpoints(out, keep)
        return state, 0

    def _new_state(self) -> TrainState:
        if not self.config.model.init:
            return self.trainer.new_state()
        init, with_head = as_path(self.config.model.init), self.task.head is not None
        model = model_folder.load(init, shardings=self.trainer.weight_places, with_head=with_head)
        return self.trainer.state_from(model.params)

    def _taken_up(self, newest: int) -> TrainState:
        if newest > self.config.steps:
            raise ConfigError(f"steps is {self.config.steps:,}, and {self.folder.path} is at step {newest:,} already")
        self.progress.note(f"going on from step {newest:,}")
        saved = self.checkpoints.progress(newest)
        self.task.restore(saved["data"])
        self._recall_best(saved)
        restored = self.checkpoints.restore(newest, self.trainer.disk_shapes, self.config.lora.rank)
        return self.trainer.from_disk(restored)

    def _recall_best(self, saved: Mapping[str, Any]) -> None:
        """Goes on with the best so far, unless it was measured on other examples."""
        before, now = saved.get("validation_examples"), self.config.data.validation.examples
        if before == now:
            self.best, self.best_step = saved["best"], saved["best_step"]
            self.checkpoints.recall_best(self.best_step, self.best)
        elif saved["best"] is not None:
            self.progress.note(
                f"note: data.validation.examples was {before}, is {now}: losses before cannot be compared, and the "
                "next checkpoint that is measured is the best until another is better"
            )

    def _steps(self, state: TrainState, start: int, journal: Journal, stop: StopRequests) -> int:
        total, when, evaluate = self.config.steps, self.config.checkpoints, self.config.evaluate
        saved_at, step = time.monotonic(), start
        if start == total:
            self._measure(state, total, journal)
        for step in range(start + 1, total + 1):
            state, metrics = self.trainer.step(state, self.task.next())
            journal.step(step, metrics)
            self.checkpoints.tell_best()
            stopping, last = stop.heard(step), step == total
            better = False
            if last or (evaluate.every_steps and step % evaluate.every_steps == 0):
                journal.settle()
                better = self._measure(state, step, journal)
            late = bool(when.every_minutes) and time.monotonic() - saved_at > 60 * when.every_minutes
            due = bool(when.every_steps) and step % when.every_steps == 0
            if last or stopping or due or better or agreed(late, step):
                journal.settle()  # so that nothing is saved that is not a number
                self._save(state, step)
                saved_at = time.monotonic()
                journal.pause()
            if stopping:
                break
        self.data_report = self.task.report()
        return step

    def _measure(self, state: TrainState, step: int, journal: Journal) -> bool:
        """Measures, tells, and says whether this step is to be kept as the best."""
        self.measured = self.task.measure(state, step)
        if self.measured is None:
            return False
        journal.validation(step, COLUMNS, [score.row() for score in self.measured.scores])
        classes = ", ".join(f"{name} {loss:.3f}" for name, loss in self.measured.by_resources().items())
        told = f"; {more}" if (more := self.task.told(self.measured)) else ""
        self.progress.note(f"step {step:,}: validation loss {self.measured.loss:.4f} ({classes}){told}")
        journal.pause()
        better = self.best is None or self.measured.loss < self.best
        if better and math.isfinite(self.measured.loss):
            self.best, self.best_step = self.measured.loss, step
        return self.config.checkpoints.best and self.best_step == step

    def _save(self, state: TrainState, step: int) -> None:
        progress = {
            "data": self.task.state(),
            "best": self.best,
            "best_step": self.best_step,
            "validation_examples": self.config.data.validation.examples,
        }
        self.checkpoints.save(step, self.trainer.to_disk(state), progress)
        if self.config.checkpoints.best and self.best is not None and self.best_step == step:
            self.checkpoints.name_best(step, self.best)

    def _speed(self) -> Speed:
        devices = self.trainer.mesh.devices
        peak = self.config.log.peak_tflops * 1e12 or peak_flops(devices.flat[0], self.config.execution.dtype)
        return Speed(self.task.flops, peak * devices.size if peak else None)


def _task(config: FinetuneConfig, architecture: Architecture, tokenizer: Path, out: Path, progress: Progress) -> Task:
    """What the configuration asks to be trained."""
    if not config.head.kind:
        return AnswerTask(config, architecture, tokenizer, out, progress)
    from finetune.heads.task import HeadTask

    return HeadTask(config, architecture, tokenizer, out, progress)


@dataclass(frozen=True)
class Start:
    """What a run begins with: the architecture of its checkpoint, None for a new model, and the tokenizer."""

    architecture: Architecture | None
    tokenizer: Path


def start_of(model: ModelConfig, *, with_head: bool = False) -> Start:
    """ConfigError where there is no tokenizer, or no whole model where one is wanted; SourceError where there is none.

    Any encoder does for a run with a head; one that it has not yet begins at random.
    """
    if not model.init:
        if not model.tokenizer:
            raise ConfigError("model.tokenizer is empty: a new model needs one, of `glotmill tokenizer train`")
        return Start(None, as_path(model.tokenizer))
    described = model_folder.describe(as_path(model.init))
    if described.head and not with_head:
        raise ConfigError(
            f"{model.init} is {model_folder.named(described.head)}, an encoder with a head: expected a whole model"
        )
    own, tokenizer = described.tokenizer, as_path(model.tokenizer) if model.tokenizer else described.tokenizer
    if tokenizer is None:
        raise ConfigError(f"{model.init} has no tokenizer with it: say model.tokenizer")
    if own and identify(own).sha256 != identify(tokenizer).sha256:
        raise ConfigError(
            f"model.tokenizer {tokenizer} is not the one that {model.init} was trained with: "
            "its ids mean other pieces. Leave model.tokenizer out"
        )
    return Start(described.architecture, tokenizer)


def _rounded(pieces: int) -> int:
    """The vocabulary of a new model: room for all pieces, in a number that devices like."""
    return -(-pieces // MULTIPLE) * MULTIPLE
