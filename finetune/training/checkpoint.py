"""Save and restore the checkpoints of a run, in the background; keep the newest and the best; restore on any mesh.

checkpoints/<step>/params      the model alone, in the form of a model folder: a subtree for every layer
checkpoints/<step>/optimizer   the optimizer's state, in the same form
checkpoints/<step>/progress    JSON: the state of the data, and what else a run needs to resume to the bit
checkpoints/best.json          the step of the lowest validation loss
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from core import files
from core.errors import SourceError
from finetune.model import lora
from finetune.training.step import TrainState

PARAMS, OPTIMIZER, PROGRESS = "params", "optimizer", "progress"
BEST: Final = "best.json"
FOLDER: Final = "checkpoints"


class _Best:
    """An Orbax policy that keeps one step: the one named last."""

    def __init__(self, step: int | None) -> None:
        self.step = step

    def should_preserve(
        self, checkpoints: Sequence[policies.PolicyCheckpointInfo], *, context: policies.PreservationContext
    ) -> Sequence[bool]:
        return [checkpoint.step == self.step for checkpoint in checkpoints]


class Checkpoints:
    """The checkpoints of one run. Saving returns when the arrays are copied, and continues in the background."""

    def __init__(self, run: Path, keep: int) -> None:
        # Orbax logs much, and warns of what we choose on purpose.
        logging.getLogger("absl").setLevel(logging.ERROR)
        self._folder = (run / FOLDER).resolve()
        self._best = _Best(best_step(run))
        self._unwritten: dict[str, Any] | None = None
        self._manager = ocp.CheckpointManager(
            self._folder,
            item_names=(PARAMS, OPTIMIZER, PROGRESS),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy([policies.LatestN(keep), self._best]),
                cleanup_tmp_directories=True,
                enable_async_checkpointing=True,
            ),
        )

    @property
    def newest(self) -> int | None:
        """The newest complete step, None if there is none."""
        step = self._manager.latest_step()
        return None if step is None else int(step)

    def save(self, step: int, state: TrainState, progress: dict[str, Any]) -> None:
        """Save a state in the form of checkpoints; a step that exists is kept as it is."""
        if step in self._manager.all_steps():
            return
        items = {
            PARAMS: ocp.args.StandardSave(lora.join(state.trained, state.fixed)),
            OPTIMIZER: ocp.args.StandardSave(state.optimizer),
            PROGRESS: ocp.args.JsonSave(progress),
        }
        self._manager.save(step, args=ocp.args.Composite(**items), force=True)

    def progress(self, step: int) -> dict[str, Any]:
        """Return what was saved with the arrays of a step."""
        restored = self._restore(step, **{PROGRESS: ocp.args.JsonRestore()})
        progress: dict[str, Any] = restored[PROGRESS]
        return progress

    def restore(self, step: int, shapes: TrainState, rank: int) -> TrainState:
        """Return a state in the form of checkpoints. `shapes` has the shardings of its arrays; `rank` is LoRA's."""
        items = {
            PARAMS: ocp.args.StandardRestore(lora.join(shapes.trained, shapes.fixed)),
            OPTIMIZER: ocp.args.StandardRestore(shapes.optimizer),
        }
        restored = self._restore(step, **items)
        trained, fixed = lora.split(restored[PARAMS], rank)
        return TrainState(jax.device_put(jnp.int32(step), shapes.step.sharding), trained, fixed, restored[OPTIMIZER])

    def _restore(self, step: int, **items: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except (ValueError, KeyError, OSError) as error:
            first = str(error).strip().splitlines()[0][:200]
            raise SourceError(
                f"{self._folder / str(step)} cannot be restored; it is damaged or belongs to another model: {first}. "
                "Remove that folder, and the run resumes from the checkpoint before it"
            ) from error

    def name_best(self, step: int, loss: float) -> None:
        """Keep this step, just saved, as the best; best.json follows when the step is completely on disk."""
        self._best.step = step
        self._unwritten = {"step": step, "validation_loss": loss}

    def recall_best(self, step: int | None, loss: float | None) -> None:
        """Name the best step of a resumed run again: a kill may have come before best.json was written."""
        if step is not None and loss is not None and step in self._manager.all_steps():
            self.name_best(step, loss)

    def write_best(self) -> None:
        """Write best.json, once the best step is completely on disk."""
        if self._unwritten and not self._manager.is_saving_in_progress():
            if jax.process_index() == 0:
                files.write_text(self._folder / BEST, json.dumps(self._unwritten) + "\n")
            self._unwritten = None

    def close(self) -> None:
        """Wait until everything is on disk."""
        self._manager.wait_until_finished()
        self.write_best()
        self._manager.close()


def best_step(run: Path) -> int | None:
    """Return the step with the lowest validation loss of a run, None if there is none."""
    try:
        return int(json.loads((run / FOLDER / BEST).read_text("utf-8"))["step"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
