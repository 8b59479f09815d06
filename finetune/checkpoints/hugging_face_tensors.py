"""Name and read the tensors of Hugging Face's T5, mT5 and umT5.

Their kernels are [out, in], ours [in, out]; their tables of relative positions are [buckets, heads], ours [heads,
buckets].
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.errors import SourceError

SINGLE: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
EMBEDDING, HEAD = "token_embedder/embedding", "decoder/logits_dense/kernel"
SHARED, LM_HEAD = "shared.weight", "lm_head.weight"
_FLOATS: Final = ("F32", "F16", "BF16", "F64")
_SUBLAYERS: Final = {
    "encoder": {"attention": "0.SelfAttention", "mlp": "1.DenseReluDense"},
    "decoder": {
        "self_attention": "0.SelfAttention",
        "encoder_decoder_attention": "1.EncDecAttention",
        "mlp": "2.DenseReluDense",
    },
}
_NORMS: Final = {
    "pre_attention_layer_norm": "0.layer_norm",
    "pre_self_attention_layer_norm": "0.layer_norm",
    "pre_cross_attention_layer_norm": "1.layer_norm",
}
_KERNELS: Final = {"query": "q", "key": "k", "value": "v", "out": "o"}


def tensor_name(name: str) -> str:
    """What Hugging Face calls a parameter: `encoder/layers_0/mlp/wo/kernel` is their
    `encoder.block.0.layer.1.DenseReluDense.wo.weight`."""
    if name == EMBEDDING:
        return SHARED
    if name == HEAD:
        return LM_HEAD
    part, place, *rest = name.split("/")
    if place.endswith("_norm"):
        return f"{part}.final_layer_norm.weight"
    if place == "relpos_bias":
        return f"{part}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    block = f"{part}.block.{place.removeprefix('layers_')}.layer"
    kind = rest[0]
    if kind == "relpos_bias":
        return f"{block}.0.SelfAttention.relative_attention_bias.weight"
    if kind == "pre_mlp_layer_norm":
        return f"{block}.{1 if part == 'encoder' else 2}.layer_norm.weight"
    if kind in _NORMS:
        return f"{block}.{_NORMS[kind]}.weight"
    return f"{block}.{_SUBLAYERS[part][kind]}.{_KERNELS.get(rest[1], rest[1])}.weight"


def to_theirs(name: str, leaf: np.ndarray) -> np.ndarray:
    """A parameter as Hugging Face lays it out, contiguous."""
    turned = leaf.ndim == 2 and name != EMBEDDING
    return np.ascontiguousarray(leaf.T if turned else leaf)


class Tensors:
    """The tensors of a folder, read when they are asked for. SourceError where one is missing or damaged."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._files = {name: file for file in _open(folder, stack) for name in file.keys()}  # noqa: SIM118

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def names(self) -> list[str]:
        return sorted(self._files)

    def shape(self, name: str) -> tuple[int, ...]:
        tensor = self._files[name].get_slice(name)
        if tensor.get_dtype() not in _FLOATS:
            raise SourceError(f"{self.folder}: {name} holds {tensor.get_dtype()}: expected floating-point numbers")
        return tuple(tensor.get_shape())

    def dtypes(self) -> set[str]:
        """As safetensors calls them: F32, BF16."""
        return {str(file.get_slice(name).get_dtype()) for name, file in self._files.items()}

    def read(self, name: str) -> np.ndarray:
        """In float32."""
        return np.asarray(self._files[name].get_tensor(name), np.float32)

    def equal(self, one: str, other: str) -> bool:
        return self.shape(one) == self.shape(other) and np.array_equal(self.read(one), self.read(other))


def _open(folder: Path, stack: ExitStack) -> Iterator[Any]:
    """The safetensors files of a folder."""
    from safetensors import SafetensorError, safe_open

    if (folder / INDEX).is_file():
        try:
            names = sorted(set(json.loads((folder / INDEX).read_text("utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise SourceError(f"{folder / INDEX} cannot be read: {error}") from error
    elif (folder / SINGLE).is_file():
        names = [SINGLE]
    elif (folder / "pytorch_model.bin").is_file() or (folder / "pytorch_model.bin.index.json").is_file():
        raise SourceError(
            f"{folder} has its weights in pytorch_model.bin only, which may run code when it is read: "
            f"save it from transformers again, as {SINGLE}"
        )
    else:
        raise SourceError(f"{folder} holds no weights: expected {SINGLE}, or {INDEX} and its files")
    for name in names:
        if not (folder / name).is_file():
            raise SourceError(f"{folder} lacks {name}, which {INDEX} names: the download is not complete")
        try:
            yield stack.enter_context(safe_open(folder / name, framework="numpy"))
        except (SafetensorError, OSError) as error:
            raise SourceError(f"{folder / name} is damaged or cut short: {error}") from error
