"""The checkpoints of a run: written while training goes on, the newest and the best kept, restored on any mesh.

checkpoints/<step>/params      the model alone, in the form of a model folder: a branch for every layer
checkpoints/<step>/optimizer   the optimizer's state, likewise
checkpoints/<step>/progress    JSON: where the data stands, and what else a run needs to go on to the bit
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
    """Keeps one step, whichever was named last."""

    def __init__(self, step: int | None) -> None:
        self.step = step

    def should_preserve(
        self, checkpoints: Sequence[policies.PolicyCheckpointInfo], *, context: policies.PreservationContext
    ) -> Sequence[bool]:
        return [one.step == self.step for one in checkpoints]


class Checkpoints:
    """Of one run. Saving returns when the arrays are copied, and goes on in the background."""

    def __init__(self, run: Path, keep: int) -> None:
        # Orbax tells at length, and warns of what we choose on purpose.
        logging.getLogger("absl").setLevel(logging.ERROR)
        self._folder = (run / FOLDER).resolve()
        self._best = _Best(best_step(run))
        self._untold: dict[str, Any] | None = None
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
        """The newest step that is whole, None where there is none."""
        step = self._manager.latest_step()
        return None if step is None else int(step)

    def save(self, step: int, state: TrainState, progress: dict[str, Any]) -> None:
        """Saves a state in the form of the disk; a step that is there already stays."""
        if step in self._manager.all_steps():
            return
        items = {
            PARAMS: ocp.args.StandardSave(lora.join(state.trained, state.fixed)),
            OPTIMIZER: ocp.args.StandardSave(state.optimizer),
            PROGRESS: ocp.args.JsonSave(progress),
        }
        self._manager.save(step, args=ocp.args.Composite(**items), force=True)

    def progress(self, step: int) -> dict[str, Any]:
        """What was saved beside the arrays."""
        restored = self._restore(step, **{PROGRESS: ocp.args.JsonRestore()})
        progress: dict[str, Any] = restored[PROGRESS]
        return progress

    def restore(self, step: int, shapes: TrainState, rank: int) -> TrainState:
        """A state in the form of the disk. `shapes`: of its arrays, with their places on the mesh; `rank` is LoRA's."""
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
                f"{self._folder / str(step)} cannot be restored, it is damaged or of another model: {first}. "
                "Remove that folder, and the run goes on from the checkpoint before it"
            ) from error

    def name_best(self, step: int, loss: float) -> None:
        """From now on this step, just saved, is the best and kept. It is told on disk when the step is whole there."""
        self._best.step = step
        self._untold = {"step": step, "validation_loss": loss}

    def recall_best(self, step: int | None, loss: float | None) -> None:
        """What a run that goes on knows as its best: a kill may have come before it was told on disk."""
        if step is not None and loss is not None and step in self._manager.all_steps():
            self.name_best(step, loss)

    def tell_best(self) -> None:
        """Writes down which step is the best, once that is whole."""
        if self._untold and not self._manager.is_saving_in_progress():
            if jax.process_index() == 0:
                files.write_text(self._folder / BEST, json.dumps(self._untold) + "\n")
            self._untold = None

    def close(self) -> None:
        """Returns when all that was to be saved is on disk."""
        self._manager.wait_until_finished()
        self.tell_best()
        self._manager.close()


def best_step(run: Path) -> int | None:
    """The step of the lowest validation loss of a run, None where none was named."""
    try:
        return int(json.loads((run / FOLDER / BEST).read_text("utf-8"))["step"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
