"""Write checkpoints of T5X, version 3: `t5x` describes the form."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.errors import OutputError, explain_os_error
from finetune.checkpoints.base import CheckpointExporter, ExportedFiles, LoadedModel
from finetune.checkpoints.t5x import APART, FILE, VERSION
from finetune.checkpoints.t5x_arrays import write_array
from finetune.model import parameters
from finetune.model.architecture import Architecture

# A leaf that is smaller stays in the msgpack file.
_LARGE: Final = 1 << 10


class T5XExporter(CheckpointExporter):
    """Exports a folder that T5X restores."""

    def export(self, model: LoadedModel, out: Path, state: bytes | None) -> ExportedFiles:
        names = export(model.architecture, model.params, out, step=model.step or 0, state=state)
        note = "without an optimizer's state: T5X reads it for inference, or to begin a fine-tune"
        return ExportedFiles(names, [] if state else [note])


def export(
    architecture: Architecture, params: Mapping[str, Any], out: Path, *, step: int = 0, state: bytes | None = None
) -> list[str]:
    """Writes the folder of a checkpoint, `out`, in one piece; the names of what is in it.

    With a `state` it is of the form that was read, with all that came in; else without an optimizer's state, large
    leaves in TensorStore. OutputError where something stands in `out`.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise OutputError(f"{out} exists already: choose another --out")
    leaves = {name: np.asarray(leaf, np.float32) for name, leaf in parameters.flat(params).items()}
    parameters.check({name: leaf.shape for name, leaf in leaves.items()}, architecture, "the model to be exported")
    temporary = out.with_name(f".{out.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        temporary.mkdir(parents=True)
        (temporary / FILE).write_bytes(_packed(leaves, temporary, step, state))
        temporary.rename(out)
    except OSError as error:
        raise OutputError(explain_os_error(error, f"cannot write {out}")) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sorted(path.name for path in out.iterdir())


def _packed(leaves: Mapping[str, np.ndarray], folder: Path, step: int, state: bytes | None) -> bytes:
    """The content of the msgpack file; what is large goes into the folder."""
    from flax import serialization

    if state is not None:
        tree = serialization.msgpack_restore(state)
        tree["optimizer"]["target"] = _drawn(tree["optimizer"]["target"], leaves, folder)
    else:
        target = {}
        for name, leaf in leaves.items():
            large = leaf.nbytes >= _LARGE
            target[name] = _apart(name, leaf, folder) if large else leaf
        optimizer = {
            "state": {"param_states": {}, "step": np.asarray(step, np.int32)},
            "target": parameters.nested(target),
        }
        tree = {"version": VERSION, "optimizer": optimizer}
    packed: bytes = serialization.msgpack_serialize(tree, in_place=True)
    return packed


def _drawn(outline: Mapping[str, Any], leaves: Mapping[str, Any], folder: Path, before: str = "") -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for name, node in outline.items():
        path = before + name
        if isinstance(node, Mapping):
            drawn[name] = _drawn(node, leaves, folder, path + "/")
        else:
            leaf = leaves[path].astype(_dtype(node.removesuffix(APART)))
            drawn[name] = _apart(path, leaf, folder) if node.endswith(APART) else leaf
    return drawn


def _apart(name: str, leaf: np.ndarray, folder: Path) -> dict[str, Any]:
    return write_array(leaf, folder, "target." + name.replace("/", "."))


def _dtype(name: str) -> np.dtype[Any]:
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)
