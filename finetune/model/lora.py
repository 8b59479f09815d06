"""LoRA as a matter of which parameters are trained: additions lie beside their kernels, and are added in at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import jax.numpy as jnp

DOWN: Final = "lora_down"
UP: Final = "lora_up"
Tree = Mapping[str, Any]


def split(params: Tree, rank: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters that are trained, and those that stay: with a rank only the additions are trained."""
    if not rank:
        return dict(params), {}
    return _only(params, True), _only(params, False)


def join(trained: Tree, fixed: Tree) -> dict[str, Any]:
    """All parameters again."""
    joined = dict(fixed)
    for name, branch in trained.items():
        joined[name] = join(branch, joined[name]) if name in joined else branch
    return joined


def added_in(params: Tree, scale: float) -> dict[str, Any]:
    """Plain parameters: each addition, times `scale`, summed into its kernel."""
    if DOWN in params:
        return {"kernel": params["kernel"] + jnp.matmul(params[DOWN], params[UP]) * scale}
    return {name: added_in(branch, scale) if isinstance(branch, Mapping) else branch for name, branch in params.items()}


def without(params: Tree) -> dict[str, Any]:
    """The parameters of the model alone, as a checkpoint without LoRA holds them."""
    return _only(params, False)


def _only(params: Tree, additions: bool) -> dict[str, Any]:
    found = {}
    for name, branch in params.items():
        if isinstance(branch, Mapping):
            if inner := _only(branch, additions):
                found[name] = inner
        elif (name in (DOWN, UP)) == additions:
            found[name] = branch
    return found
