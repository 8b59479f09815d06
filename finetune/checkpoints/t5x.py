"""Read checkpoints of T5X, version 3.

checkpoint                 msgpack: version, optimizer/{target, state/{step, param_states}}
target.encoder....kernel/  a leaf that is too large for it: TensorStore's zarr 2, gzip, with a spec in its place

The older form is the msgpack file alone, all leaves in it. Trees of `scalable_t5` have all layers of a side in one
leaf, along axis 1. What is no weight, above all the optimizer's state, is kept beside a model, so that a checkpoint of
the older form comes out bit for bit as it went in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.errors import ConfigError, SourceError
from finetune.checkpoints.base import (
    WITHOUT_TOKENIZER,
    CheckpointFormat,
    CheckpointKind,
    CheckpointSummary,
    ImportedModel,
    LoadedModel,
    ModelDescription,
    Step,
    folder_bytes,
)
from finetune.checkpoints.t5x_arrays import is_spec, read_spec
from finetune.model import parameters
from finetune.model.architecture import Architecture

FILE: Final = "checkpoint"
VERSION: Final = 3
_NAMED: Final = re.compile(r"checkpoint_(\d+)")
_LAYER: Final = re.compile(r"layers_(\d+)")
_STACK: Final = "layers"
# Marks a leaf that is written outside the msgpack file.
APART: Final = " apart"


@dataclass(frozen=True)
class T5XCheckpoint:
    """What was read. `state` is all but the weights, in msgpack, for `export`; None where it cannot be kept."""

    architecture: Architecture
    params: dict[str, Any]
    step: int
    state: bytes | None
    dtypes: tuple[str, ...]  # of the weights, as they were
    stacked: bool  # whether all layers of a side were in one leaf


class T5XFormat(CheckpointFormat):
    """A checkpoint of T5X. It is imported before it is used, which is slow for large models."""

    no_steps = "is of T5X: name the folder of its step, checkpoint_N, instead of --step"

    def matches(self, path: Path) -> bool:
        return is_checkpoint(path)

    def kind(self, path: Path) -> CheckpointKind:
        return "t5x"

    def describe(self, path: Path) -> ModelDescription:
        raise _import_first(path)

    def load(
        self, path: Path, *, step: Step = None, shardings: Mapping[str, Any] | None = None, with_head: bool = False
    ) -> LoadedModel:
        raise _import_first(path)

    def summarise(self, path: Path, step: Step = None) -> CheckpointSummary:
        self.check_step(path, step)
        checkpoint, file = load(path, keep_state=False), find(path)
        size = file.stat().st_size + sum(folder_bytes(leaf) for leaf in file.parent.glob("target.*") if leaf.is_dir())
        return CheckpointSummary(path, "t5x", checkpoint.architecture, checkpoint.dtypes, size, None, checkpoint.step)

    def read_to_import(self, path: Path, step: Step, tokenizer: Path | None, weights_only: bool) -> ImportedModel:
        self.check_step(path, step)
        checkpoint = load(path, keep_state=not weights_only)
        notes = [] if tokenizer else [WITHOUT_TOKENIZER]
        if checkpoint.stacked and not weights_only:
            notes.append("its layers were stacked: they are apart now, and the optimizer's state is left out")
        model = LoadedModel(checkpoint.architecture, checkpoint.params, None, checkpoint.step)
        provenance = {"imported_from": "t5x", "name": path.resolve().name, "step": checkpoint.step}
        return ImportedModel(model, provenance, checkpoint.state, tuple(notes))


def _import_first(path: Path) -> SourceError:
    return SourceError(
        f"{path} holds no model: expected a folder that `glotmill checkpoint import` or `glotmill finetune` wrote, or "
        "one of Hugging Face; a checkpoint of T5X is taken by `glotmill checkpoint import`"
    )


def find(path: Path) -> Path:
    """The msgpack file that a path means: itself, that of a checkpoint's folder, or of the newest checkpoint in it."""
    if path.is_file():
        return path
    if (path / FILE).is_file():
        return path / FILE
    if path.is_dir():
        steps = {int(found[1]): one for one in path.iterdir() if (found := _NAMED.fullmatch(one.name))}
        if steps:
            return find(steps[max(steps)])
    raise SourceError(f"{path} holds no checkpoint of T5X: expected a folder with the file {FILE}, or such a file")


def is_checkpoint(path: Path) -> bool:
    """Whether `find` finds one."""
    try:
        find(path)
    except SourceError:
        return False
    return True


def load(path: Path, *, keep_state: bool = True) -> T5XCheckpoint:
    """The checkpoint at a path, in float32.

    The architecture follows from shapes. SourceError where it is damaged, or no T5.
    """
    file = find(path)
    tree = _restore(file)
    optimizer = tree.get("optimizer")
    if not isinstance(optimizer, dict) or not isinstance(optimizer.get("target"), dict):
        raise SourceError(f"{file} holds no optimizer/target: expected a checkpoint of T5X, version {VERSION}")
    if tree.get("version") != VERSION:
        raise SourceError(f"{file} is of version {tree.get('version')}: expected {VERSION}")
    target = _filled(optimizer["target"], file.parent, "target")
    state = optimizer.get("state") or {}
    step = int(np.asarray(_filled({"step": state.get("step", 0)}, file.parent, "state")["step"]))
    stacked = any(_STACK in target.get(side, {}) for side in ("encoder", "decoder"))
    kept = None
    if keep_state and not stacked:
        from flax import serialization

        rest = {
            **tree,
            "optimizer": {
                **_filled(optimizer | {"target": {}}, file.parent, ""),
                "target": _outline(target, optimizer["target"]),
            },
        }
        kept = serialization.msgpack_serialize(rest, in_place=True)
    leaves = {name: np.asarray(leaf) for name, leaf in parameters.flat(target).items()}
    dtypes = tuple(sorted({leaf.dtype.name for leaf in leaves.values()}))
    leaves = {name: np.asarray(leaf, np.float32) for name, leaf in _unstacked(leaves, file)}
    architecture = _architecture(leaves, file)
    parameters.check({name: leaf.shape for name, leaf in leaves.items()}, architecture, str(file))
    return T5XCheckpoint(architecture, parameters.nested(leaves), step, kept, dtypes, stacked)


def _restore(file: Path) -> dict[str, Any]:
    from flax import serialization

    try:
        tree = serialization.msgpack_restore(file.read_bytes())
    except Exception as error:
        raise SourceError(f"{file} is damaged, or no checkpoint of T5X: {error}") from error
    if not isinstance(tree, dict):
        raise SourceError(f"{file} is no checkpoint of T5X: expected a table with version and optimizer")
    return tree


def _filled(tree: Mapping[str, Any], folder: Path, before: str) -> dict[str, Any]:
    """The tree with an array for each spec, in the same order."""
    filled: dict[str, Any] = {}
    for name, node in tree.items():
        place = f"{before}.{name}" if before else name
        if is_spec(node):
            filled[name] = read_spec(node, folder, place)
        else:
            filled[name] = _filled(node, folder, place) if isinstance(node, Mapping) else node
    return filled


def _outline(tree: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with the dtype's name for each array, marked where it was `written` apart: `_drawn` puts them back."""
    outline: dict[str, Any] = {}
    for name, node in tree.items():
        if isinstance(node, Mapping):
            outline[name] = _outline(node, written[name])
        else:
            outline[name] = np.asarray(node).dtype.name + (APART if is_spec(written[name]) else "")
    return outline


def _unstacked(leaves: Mapping[str, np.ndarray], file: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Each leaf, with those of all layers cut into one a layer."""
    for name, leaf in leaves.items():
        side, *rest = name.split("/")
        if _STACK not in rest:
            yield name, leaf
            continue
        if leaf.ndim < 2:
            raise SourceError(f"{file}: {name} has {leaf.ndim} axes: expected one for the layers, too")
        place = rest.index(_STACK)
        for number in range(leaf.shape[1]):
            inner = [*rest[:place], f"layers_{number}", *rest[place + 1 :]]
            yield "/".join([side, *inner]), np.ascontiguousarray(leaf[:, number])


def _architecture(leaves: Mapping[str, np.ndarray], file: Path) -> Architecture:
    """From the shapes of the leaves."""

    def shape(name: str) -> tuple[int, ...]:
        if name not in leaves:
            raise SourceError(f"{file} lacks {name}: expected the weights of a T5 1.1, mT5, umT5 or T5 1.0")
        return leaves[name].shape

    def layers(side: str) -> int:
        found = [
            int(match[1]) for name in leaves if name.startswith(f"{side}/") for match in [_LAYER.search(name)] if match
        ]
        return max(found, default=-1) + 1

    first = "encoder/layers_0"
    shared, own = "encoder/relpos_bias/rel_embedding", f"{first}/relpos_bias/rel_embedding"
    table = shape(own if own in leaves else shared)
    vocabulary, width = shape("token_embedder/embedding")
    joined = shape(f"{first}/attention/query/kernel")[-1]
    gated = f"{first}/mlp/wi_0/kernel" in leaves
    tied = "decoder/logits_dense/kernel" not in leaves
    if joined % table[0]:
        raise SourceError(f"{file}: {table[0]} heads do not share a width of {joined}")
    try:
        return Architecture(
            vocabulary=vocabulary,
            width=width,
            heads=table[0],
            head_width=joined // table[0],
            feed_forward=shape(f"{first}/mlp/{'wi_0' if gated else 'wi'}/kernel")[-1],
            encoder_layers=layers("encoder"),
            decoder_layers=layers("decoder"),
            # T5X's gin files pair them so: T5 1.0 has relu, all later ones a gate with gelu.
            activation="gelu" if gated else "relu",
            gated=gated,
            tied=tied,
            bias_per_layer=own in leaves,
            buckets=table[1],
        )
    except ConfigError as error:
        raise SourceError(f"{file}: {error}") from error
