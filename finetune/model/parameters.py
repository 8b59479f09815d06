"""The parameters of an architecture by name: `encoder/layers_0/attention/query/kernel` and so on, always unstacked."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jax
import jax.numpy as jnp

from core.errors import SourceError
from finetune.model.architecture import Architecture, Execution
from finetune.model.encoder import EncoderModel
from finetune.model.encoder_decoder import EncoderDecoder
from finetune.model.head import Projection

Shape = tuple[int, ...]
PARTS: Final = ("embedding", "encoder", "decoder", "head")
_NAMED: Final = 3


@functools.lru_cache(maxsize=32)
def shapes(architecture: Architecture, projection: Projection | None = None) -> Mapping[str, Shape]:
    """The shape of each parameter, in the order of the tree; with a projection, of an encoder with that head.

    Nothing is computed.
    """
    ids = jax.ShapeDtypeStruct((1, 1), jnp.int32)
    # With its layers in a stack a model is traced in the time of one layer.
    run = Execution(scan=True)
    if projection:
        variables = jax.eval_shape(EncoderModel(architecture, projection, run).init, jax.random.key(0), ids)
    else:
        variables = jax.eval_shape(EncoderDecoder(architecture, run).init, jax.random.key(0), ids, ids)
    found: dict[str, Shape] = {}
    for name, leaf in flat(variables["params"]).items():
        # Not Flax's `unbox`: where there is a mesh it would place what is only a shape.
        part, _, rest = name.partition("/layers/")
        layers = range(leaf.value.shape[0]) if rest else ()
        found |= {f"{part}/layers_{number}/{rest}": tuple(leaf.value.shape[1:]) for number in layers}
        if not rest:
            found[name] = tuple(leaf.value.shape)
    return flat(nested(found))


def flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Each leaf of a tree of dicts by its path, with a slash between names."""
    return dict(_leaves(tree, ""))


def _leaves(tree: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, node in sorted(tree.items()):
        if isinstance(node, Mapping):
            yield from _leaves(node, f"{before}{name}/")
        else:
            yield before + name, node


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The tree of dicts that `flat` was given."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *folders, name = path.split("/")
        branch = tree
        for folder in folders:
            branch = branch.setdefault(folder, {})
        branch[name] = leaf
    return tree


def part_of(name: str) -> str:
    """Which of PARTS a parameter belongs to."""
    if name.startswith("token_embedder/"):
        return "embedding"
    branch = name.partition("/")[0]
    return branch if branch in PARTS and not name.startswith("decoder/logits_dense/") else "head"


def check(
    found: Mapping[str, Shape], architecture: Architecture, where: str, projection: Projection | None = None
) -> None:
    """SourceError, naming them, where parameters are missing, too many, or of another shape."""
    expected = shapes(architecture, projection)
    if missing := [name for name in expected if name not in found]:
        raise SourceError(
            f"{where} lacks {listed(missing)}: expected the {len(expected)} parameters of its architecture"
        )
    if unknown := [name for name in found if name not in expected]:
        raise SourceError(f"{where} holds {listed(unknown)}, which its architecture does not have")
    for name, shape in expected.items():
        if tuple(found[name]) != shape:
            raise SourceError(f"{where}: {name} is {shown(found[name])}, and its architecture wants {shown(shape)}")


def shown(shape: Shape) -> str:
    """A shape as one reads it: 512 x 64."""
    return " x ".join(map(str, shape)) or "a single number"


def listed(names: list[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
