"""Two layouts of the same parameters: a branch for every layer, as on disk, or all layers stacked, as `scan` needs.

encoder/layers_0/mlp/wo/kernel [F, D], encoder/layers_1/...   <->   encoder/layers/mlp/wo/kernel [layers, F, D]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

_LAYER = re.compile(r"layers_(\d+)")
_PARTS = ("encoder", "decoder")
Tree = Mapping[str, Any]


def stack(params: Tree) -> dict[str, Any]:
    """The layers of encoder and decoder as one branch `layers`, each leaf along a new first axis."""
    return {part: _stacked(branch) if part in _PARTS else branch for part, branch in params.items()}


def unstack(params: Tree) -> dict[str, Any]:
    """A branch for every layer again."""
    return {part: _unstacked(branch) if part in _PARTS else branch for part, branch in params.items()}


def _stacked(branch: Tree) -> dict[str, Any]:
    layers = {int(found[1]): name for name in branch if (found := _LAYER.fullmatch(name))}
    if not layers:
        return dict(branch)
    rest = {name: leaf for name, leaf in branch.items() if not _LAYER.fullmatch(name)}
    ordered = [branch[layers[number]] for number in sorted(layers)]
    return {**rest, "layers": jax.tree.map(lambda *leaves: jnp.stack(leaves), *ordered)}


def _unstacked(branch: Tree) -> dict[str, Any]:
    if "layers" not in branch:
        return dict(branch)
    rest = {name: leaf for name, leaf in branch.items() if name != "layers"}
    layers = branch["layers"]
    count = jax.tree.leaves(layers)[0].shape[0]
    return {**rest, **{f"layers_{number}": _layer(layers, number) for number in range(count)}}


def _layer(layers: Any, number: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[number], layers)
