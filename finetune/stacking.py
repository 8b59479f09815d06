"""Two layouts of the same parameters: a branch for every layer, as on disk, or all layers stacked, as `scan` needs.

encoder/layers_0/mlp/wo/kernel [F, D], encoder/layers_1/...   <->   encoder/layers/mlp/wo/kernel [layers, F, D]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

_LAYER = re.compile(r"layers_(\d+)")
Tree = Mapping[str, Any]


def stack(params: Tree, join: Callable[..., Any] = lambda *leaves: jnp.stack(leaves)) -> dict[str, Any]:
    """The layers of encoder and decoder as one branch `layers`, each leaf joined along a new first axis."""
    return {
        part: _stacked(branch, join) if part in ("encoder", "decoder") else branch for part, branch in params.items()
    }


def unstack(params: Tree, split: Callable[[Any, int], Any] = lambda leaf, number: leaf[number]) -> dict[str, Any]:
    """A branch for every layer; what has no branch `layers` stays as it is."""
    return {
        part: _unstacked(branch, split) if part in ("encoder", "decoder") else branch for part, branch in params.items()
    }


def _stacked(branch: Tree, join: Callable[..., Any]) -> dict[str, Any]:
    layers = {int(found[1]): name for name in branch if (found := _LAYER.fullmatch(name))}
    if not layers:
        return dict(branch)
    rest = {name: leaf for name, leaf in branch.items() if not _LAYER.fullmatch(name)}
    return {**rest, "layers": jax.tree.map(join, *(branch[layers[number]] for number in sorted(layers)))}


def _unstacked(branch: Tree, split: Callable[[Any, int], Any]) -> dict[str, Any]:
    if "layers" not in branch:
        return dict(branch)
    rest = {name: leaf for name, leaf in branch.items() if name != "layers"}
    stacked = branch["layers"]
    count = jax.tree.leaves(stacked)[0].shape[0]

    def layer(number: int) -> Any:
        return jax.tree.map(lambda leaf: split(leaf, number), stacked)

    return {**rest, **{f"layers_{number}": layer(number) for number in range(count)}}
