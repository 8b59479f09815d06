"""The mesh, and which axis of which array is split over which axis of it.

Every axis of a parameter or activation has a name (`embed`, `mlp`, `batch`, ...); one table of rules sends names to
axes of the mesh `(data, fsdp, tensor)`. The presets are T5X's:

    parameters  1d  vocab, mlp, heads, joined_kv over tensor       2d  also embed over fsdp (ZeRO-3)
    activations 1d  batch over data and fsdp, mlp, heads, vocab over tensor   2d  also the residual stream over tensor
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from core.errors import ConfigError, UnknownNameError
from finetune.model.architecture import Architecture

MESH_AXES: Final = ("data", "fsdp", "tensor")
BATCH: Final = ("data", "fsdp")
LOGICAL_AXES: Final = (
    "batch",
    "length",
    "activation_embed",
    "embed",
    "vocab",
    "mlp",
    "heads",
    "kv",
    "joined_kv",
    "layers",
    "relpos_buckets",
    "lora_rank",
    "head_features",
)


@dataclass(frozen=True)
class MeshConfig:
    """The mesh and its rules. Of the three sizes one may be 0: what is left of the devices."""

    data: int = 0  # copies of the model, each with other rows
    fsdp: int = 1  # as data, and the parameters and the optimizer's state are split over it
    tensor: int = 1  # each matrix product is split over it
    parameters: Literal["1d", "2d"] = "2d"
    activations: Literal["1d", "2d"] = "1d"
    rules: Mapping[str, str | list[str]] = field(default_factory=dict)  # logical axis = mesh axes, over the presets

    def __post_init__(self) -> None:
        sizes = (self.data, self.fsdp, self.tensor)
        if any(size < 0 for size in sizes) or sizes.count(0) > 1:
            raise ConfigError(f"mesh {_shown(sizes)}: expected sizes of 1 or more, and one 0 at most, for the rest")
        for name, axes in self.rules.items():
            if name not in LOGICAL_AXES:
                raise UnknownNameError("logical axis in mesh.rules", name, LOGICAL_AXES)
            for axis in [axes] if isinstance(axes, str) else axes:
                if axis and axis not in MESH_AXES:
                    raise UnknownNameError("axis of the mesh in mesh.rules", axis, MESH_AXES)

    def table(self) -> list[tuple[str, tuple[str, ...] | None]]:
        """Logical axis, axes of the mesh; every name once."""
        table: dict[str, tuple[str, ...] | None] = dict.fromkeys(LOGICAL_AXES)
        table |= {"batch": BATCH, **dict.fromkeys(("vocab", "mlp", "heads", "joined_kv"), ("tensor",))}
        if self.parameters == "2d":
            table["embed"] = ("fsdp",)
        if self.activations == "2d":
            table["activation_embed"] = ("tensor",)
        for name, axes in self.rules.items():
            names = [axes] if isinstance(axes, str) else axes
            table[name] = tuple(axis for axis in names if axis) or None
        return list(table.items())


def make_mesh(config: MeshConfig, devices: Sequence[Any] | None = None) -> Mesh:
    """The mesh over all devices; ConfigError where they do not make one."""
    devices = list(jax.devices() if devices is None else devices)
    sizes = [config.data, config.fsdp, config.tensor]
    known = math.prod(size for size in sizes if size)
    if 0 in sizes and len(devices) % known == 0:
        sizes[sizes.index(0)] = len(devices) // known
    if math.prod(sizes) != len(devices):
        kind = devices[0].platform
        raise ConfigError(
            f"mesh {_shown((config.data, config.fsdp, config.tensor))} (data x fsdp x tensor) does not fit "
            f"{len(devices)} {kind} device{'s' * (len(devices) != 1)}: expected sizes whose product is {len(devices)}"
        )
    return jax.make_mesh(sizes, MESH_AXES, axis_types=(AxisType.Auto,) * 3, devices=devices)


def check_fit(architecture: Architecture, rows: int, microbatches: int, config: MeshConfig, mesh: Mesh) -> None:
    """ConfigError where an axis of the model or the batch cannot be split as the rules say."""
    over = {name: math.prod(mesh.shape[axis] for axis in axes or ()) for name, axes in config.table()}
    sizes = {
        "vocab": ("model.vocabulary", architecture.vocabulary),
        "mlp": ("model.feed_forward", architecture.feed_forward),
        "heads": ("model.heads", architecture.heads),
        "joined_kv": ("model.heads x model.head_width", architecture.joined),
        "embed": ("model.width", architecture.width),
        "activation_embed": ("model.width", architecture.width),
    }
    for name, (key, size) in sizes.items():
        if size % over[name]:
            raise ConfigError(
                f"{key} is {size:,}, which {over[name]} parts of the mesh ({name}) cannot share: expected a multiple"
            )
    if rows % (over["batch"] * microbatches):
        raise ConfigError(
            f"data.rows is {rows}: expected a multiple of {over['batch'] * microbatches}, "
            f"{over['batch']} parts of the mesh times {microbatches} microbatches"
        )


def check_rows(key: str, rows: int, config: MeshConfig, mesh: Mesh) -> None:
    """ConfigError where the mesh cannot share so many rows."""
    parts = math.prod(mesh.shape[axis] for axis in dict(config.table())["batch"] or ())
    if rows % parts:
        raise ConfigError(f"{key} is {rows}: expected a multiple of the {parts} parts that the mesh splits rows into")


def shardings(axes: Any, mesh: Mesh, config: MeshConfig) -> Any:
    """The place of every array on the mesh. `axes`: a tree of PartitionSpecs of logical names."""
    return nn.logical_to_mesh_sharding(axes, mesh, config.table())


def batch_sharding(mesh: Mesh, config: MeshConfig) -> NamedSharding:
    """The place of an array of rows."""
    return NamedSharding(mesh, PartitionSpec(dict(config.table())["batch"]))


def replicated(mesh: Mesh) -> NamedSharding:
    """The place of an array that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def rows_of_process(rows: int, sharding: NamedSharding) -> tuple[int, int]:
    """First row and end of those that the devices of this process need; they lie together in our meshes."""
    places = sharding.addressable_devices_indices_map((rows, 1)).values()
    spans = [place[0].indices(rows)[:2] for place in places if place is not None]
    return min(span[0] for span in spans), max(span[1] for span in spans)


def on_mesh(local: np.ndarray, rows: int, sharding: NamedSharding) -> jax.Array:
    """A global array of `rows` rows, of which `local` holds those of this process."""
    first, _ = rows_of_process(rows, sharding)

    def piece(place: Any) -> np.ndarray:
        start, stop, _ = place[0].indices(rows)
        return local[(slice(start - first, stop - first), *place[1:])]

    return jax.make_array_from_callback((rows, *local.shape[1:]), sharding, piece)


def describe(mesh: Mesh) -> dict[str, Any]:
    """What a run's manifest says of the mesh."""
    device = mesh.devices.flat[0]
    return {
        "shape": dict(mesh.shape),
        "devices": mesh.devices.size,
        "kind": device.device_kind,
        "processes": jax.process_count(),
    }


def _shown(sizes: Sequence[int]) -> str:
    return " x ".join(str(size) for size in sizes)


def local_batch(batch: Any, rows: int, sharding: NamedSharding) -> Any:
    """A dataclass or tuple of arrays, each put on the mesh."""
    return jax.tree.map(lambda array: on_mesh(np.asarray(array), rows, sharding), batch)
