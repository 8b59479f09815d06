"""Train a model: from a configuration to a run folder, with the same result to the bit however often it stops."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from core import config as configuration
from core import version
from core.progress import Progress
from finetune.checkpoints import model_folder
from finetune.config import FinetuneConfig, difference
from finetune.model.partitioning import describe
from finetune.training.initial_model import InitialModel
from finetune.training.loop import TrainingLoop
from finetune.training.objective import Objective, Seq2SeqObjective
from finetune.training.processes import join
from finetune.training.run_folder import COMMAND, TrainingFolder
from finetune.training.trainer import Trainer
from finetune.training.validation_metrics import ValidationMetrics

CODE = ("core", "collection", "tokenizer", "finetune")
_VERSIONS = ("jax", "flax", "optax", "orbax-checkpoint", "grain")


@dataclass(frozen=True)
class TrainingResult:
    """The result of a run."""

    out: Path
    step: int
    complete: bool  # False: the run was asked to stop
    metrics: ValidationMetrics | None  # of the last validation
    notes: Sequence[str]
    seconds: float  # of this process, without earlier ones of the same run


def train(
    config: FinetuneConfig, out: Path, *, fresh: bool = False, progress: Progress | None = None
) -> TrainingResult:
    """Train, or resume training, until `config.steps` or a request to stop.

    Args:
        config: the whole configuration.
        out: the run folder.
        fresh: discard an earlier run in the folder.
        progress: where progress is printed; None for nowhere.

    Raises:
        ConfigError, SourceError: something that the configuration names is missing or does not fit.
        OutputError: the folder holds something else.
        Diverged: a loss or a gradient is not finite.
    """
    started = time.monotonic()
    join(config.distributed)
    if progress is None or jax.process_index():
        progress = Progress.silent()
    folder = TrainingFolder(out, configuration.as_dict(config), config.inputs(), difference)
    with folder.opened(fresh):
        initial = InitialModel.of(config.model, with_head=bool(config.head.kind))
        objective = _objective(config, initial, out, progress)
        for note in objective.notes:
            progress.note(f"note: {note}")
        about = _about(folder.config, initial, objective)
        loop = TrainingLoop(config.loop, objective, out, progress)
        with objective.trainer.on_mesh():
            loop.begin(fresh, lambda: initial.state(objective.trainer), folder.clear)
            _write_description(folder, config, initial, objective)
            folder.write_manifest({**about, "complete": False})
            step = loop.run()
        complete = step == config.steps
        if complete and jax.process_index() == 0:
            objective.finish()
        measured = loop.metrics.to_json() if loop.metrics else None
        results = {"step": step, "measured": measured, "seconds": loop.seconds, "data_seen": asdict(loop.data_report)}
        folder.write_manifest({**about, **results, "complete": complete})
        seconds = round(time.monotonic() - started, 1)
        return TrainingResult(out, step, complete, loop.metrics, objective.notes, seconds)


def _objective(config: FinetuneConfig, initial: InitialModel, out: Path, progress: Progress) -> Objective:
    """Return what the configuration asks to train."""
    if not config.head.kind:
        trainer = Trainer.of(config.trainer, initial.architecture)
        return Seq2SeqObjective(trainer, config.data, config.evaluate, config.steps, initial.tokenizer, out, progress)
    from finetune.heads.objective import HeadObjective
    from finetune.heads.trainer import HeadTrainer

    head_trainer = HeadTrainer.with_head(config.trainer, config.head, initial.architecture)
    return HeadObjective(head_trainer, config.data, config.steps, initial.tokenizer, out, progress)


def _about(values: Mapping[str, Any], initial: InitialModel, objective: Objective) -> dict[str, Any]:
    """Return what the manifest says before the first step."""
    trainer = objective.trainer
    return {
        "config": values,
        "glotmill": version.VERSION,
        "code": version.code_hash(*CODE),
        "versions": {name: metadata.version(name) for name in _VERSIONS},
        "mesh": describe(trainer.mesh),
        "parameters": sum(array.size for array in jax.tree.leaves(trainer.disk_shapes.trained)),
        "tokenizer": asdict(initial.identity),
        "data": dict(objective.data_identity),
    }


def _write_description(
    folder: TrainingFolder, config: FinetuneConfig, initial: InitialModel, objective: Objective
) -> None:
    """Write run.toml and glotmill_model.json: only now, so that a run that is refused changes nothing."""
    folder.write_config()
    if jax.process_index() == 0:
        provenance = {"command": COMMAND, "init": config.model.init}
        model_folder.write_about(
            folder.path, initial.architecture, initial.tokenizer, provenance, config.lora, objective.head
        )
