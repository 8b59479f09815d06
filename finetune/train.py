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

from finetune import model_folder
from finetune.answers import Answer, Answering, write_samples
from finetune.architecture import Architecture
from finetune.checkpoint import Checkpoints
from finetune.config import FinetuneConfig, ModelConfig
from finetune.data import TrainingData
from finetune.flops import peak_flops, train_flops
from finetune.journal import Journal, Speed
from finetune.measure import COLUMNS, Measured, losses
from finetune.partitioning import describe, rows_of_process
from finetune.plot import plot_losses
from finetune.run import COMMAND, RunFolder
from finetune.step import TrainState
from finetune.stopping import StopRequests, agreed
from finetune.tokenizer_copy import check_tokenizer, identify
from finetune.trainer import Trainer
from finetune.validation import ValidationData
from glotmill import version
from glotmill.errors import ConfigError
from glotmill.paths import as_path
from glotmill.progress import Progress
from tokenizer.vocabulary import MULTIPLE

CODE = ("glotmill", "collection", "tokenizer", "finetune")


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
        start = start_of(config.model)
        identity = identify(start.tokenizer)
        if start.architecture:
            check_tokenizer(identity, start.architecture, str(start.tokenizer))
        architecture = start.architecture or config.model.architecture(_rounded(identity.pieces))
        self.trainer = Trainer.of(config, architecture)
        rows = config.data.rows
        first, end = rows_of_process(rows, self.trainer.rows)
        part, parts = first // (end - first), rows // (end - first)
        self.data = TrainingData.open(config.data, start.tokenizer, process=part, processes=parts, progress=progress)
        self.validation = ValidationData(self.data.corpus)
        self._answering = Answering(self.trainer, start.tokenizer)
        self.notes = [*self.data.notes(config.steps), *self.validation.notes()]
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
            "data": {label: store.identity for label, store in self.data.corpus.stores.items()},
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
            self.data.close()
            journal.close()
        if jax.process_index() == 0:
            plot_losses(self.folder.path)
        seconds = round(time.monotonic() - begun, 1)
        results = {"step": step, "measured": self.measured.to_json() if self.measured else None, "seconds": seconds}
        report = dataclasses.asdict(self.data_report)
        self.folder.write_manifest({**self.about, **results, "data_seen": report, "complete": step == total})
        return step, self.measured

    def _take_folder(self) -> None:
        """Says in the folder whose it is: not before everything was found to fit, so that a refusal changes nothing."""
        self.folder.write_config()
        if jax.process_index() == 0:
            provenance = {"command": COMMAND, "init": self.config.model.init}
            where, tokenizer = self.folder.path, self._start.tokenizer
            model_folder.write_about(where, self.trainer.architecture, tokenizer, provenance, self.config.lora)
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
        model = model_folder.load(as_path(self.config.model.init), shardings=self.trainer.weight_places)
        return self.trainer.state_from(model.params)

    def _taken_up(self, newest: int) -> TrainState:
        if newest > self.config.steps:
            raise ConfigError(f"steps is {self.config.steps:,}, and {self.folder.path} is at step {newest:,} already")
        self.progress.note(f"going on from step {newest:,}")
        saved = self.checkpoints.progress(newest)
        self.data.restore(saved["data"])
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
        self.data_report = self.data.report()
        if start == total:
            self._measure(state, total, journal)
        for step in range(start + 1, total + 1):
            batch = self.trainer.put(next(self.data), self.config.data.rows)
            state, metrics = self.trainer.step(state, batch)
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
        self.data_report = self.data.report()
        return step

    def _measure(self, state: TrainState, step: int, journal: Journal) -> bool:
        """Measures, tells, and says whether this step is to be kept as the best."""
        self.measured = losses(self.trainer, state, self.validation)
        if self.measured is None:
            return False
        if self.config.evaluate.generate:
            self.measured = self.measured.with_answers(self._answers(state, step))
        journal.validation(step, COLUMNS, [score.row() for score in self.measured.scores])
        classes = ", ".join(f"{name} {loss:.3f}" for name, loss in self.measured.by_resources().items())
        exact = self.measured.mean("exact_match")
        told = f"; exact match {exact:.1%}" if exact is not None else ""
        self.progress.note(f"step {step:,}: validation loss {self.measured.loss:.4f} ({classes}){told}")
        journal.pause()
        better = self.best is None or self.measured.loss < self.best
        if better and math.isfinite(self.measured.loss):
            self.best, self.best_step = self.measured.loss, step
        return self.config.checkpoints.best and self.best_step == step

    def _answers(self, state: TrainState, step: int) -> Sequence[Answer]:
        """Answers to some validation examples of each language; the first process writes them down."""
        answers = self._answering(state, self.validation.examples(self.config.evaluate.generate))
        if jax.process_index() == 0:
            write_samples(self.folder.path, step, answers)
        return answers

    def _save(self, state: TrainState, step: int) -> None:
        progress = {
            "data": self.data.state(),
            "best": self.best,
            "best_step": self.best_step,
            "validation_examples": self.config.data.validation.examples,
        }
        self.checkpoints.save(step, self.trainer.to_disk(state), progress)
        if self.config.checkpoints.best and self.best is not None and self.best_step == step:
            self.checkpoints.name_best(step, self.best)

    def _speed(self) -> Speed:
        data, devices = self.config.data, self.trainer.mesh.devices
        peak = self.config.log.peak_tflops * 1e12 or peak_flops(devices.flat[0], self.config.execution.dtype)
        flops = train_flops(self.trainer.architecture, data.rows, data.inputs, data.targets)
        return Speed(flops, peak * devices.size if peak else None)


@dataclass(frozen=True)
class Start:
    """What a run begins with: the architecture of its checkpoint, None for a new model, and the tokenizer."""

    architecture: Architecture | None
    tokenizer: Path


def start_of(model: ModelConfig) -> Start:
    """ConfigError where there is no tokenizer; SourceError where the checkpoint is none."""
    if not model.init:
        if not model.tokenizer:
            raise ConfigError("model.tokenizer is empty: a new model needs one, of `glotmill tokenizer train`")
        return Start(None, as_path(model.tokenizer))
    described = model_folder.describe(as_path(model.init))
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
