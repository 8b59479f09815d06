"""Weights of Hugging Face's T5, mT5 and umT5, in and out, one tensor at a time.

Their kernels are [out, in], ours [in, out]; their tables of relative positions are [buckets, heads], ours the other way
round. What is tied and what is scaled, config.json says in several ways (`_head`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from core.errors import SourceError
from finetune.checkpoints.hugging_face_config import CONFIG, Config, read_config
from finetune.checkpoints.model_folder import Model
from finetune.checkpoints.tokenizer_copy import check_tokenizer, find_model, identify
from finetune.model import parameters
from finetune.model.architecture import Architecture

SINGLE: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
EMBEDDING, HEAD = "token_embedder/embedding", "decoder/logits_dense/kernel"
SHARED, LM_HEAD = "shared.weight", "lm_head.weight"
# The same table again, in checkpoints of T5 1.0 and of old libraries.
_COPIES: Final = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
# Of T5 1.0's checkpoints: it is there, and no code reads it.
_UNREAD: Final = re.compile(r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight")
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


def check_step(folder: Path, step: object) -> None:
    """SourceError where a step is asked for."""
    if step is not None:
        raise SourceError(f"{folder} is a folder of Hugging Face, and has no steps: leave out --step")


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
        piece = self._files[name].get_slice(name)
        if piece.get_dtype() not in _FLOATS:
            raise SourceError(f"{self.folder}: {name} holds {piece.get_dtype()}: expected floating-point numbers")
        return tuple(piece.get_shape())

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


def load(folder: Path, *, shardings: Mapping[str, Any] | None = None) -> Model:
    """The model of a folder with config.json and safetensors; SourceError where it is none that glotmill can run."""
    config = read_config(folder)
    with ExitStack() as stack:
        tensors = Tensors(folder, stack)
        architecture, leaf = _plan(config, tensors)
        places = parameters.flat(shardings) if shardings else {}
        leaves = {}
        for name in parameters.shapes(architecture):
            leaves[name] = _placed(leaf(name), places.get(name))
    tokenizer = find_model(folder)
    if tokenizer:
        check_tokenizer(identify(tokenizer), architecture, str(tokenizer))
    return Model(architecture, parameters.nested(leaves), tokenizer)


def architecture_of(folder: Path) -> Architecture:
    """The architecture of such a folder, without a look at most of its weights."""
    config = read_config(folder)
    with ExitStack() as stack:
        return _plan(config, Tensors(folder, stack))[0]


def _placed(leaf: np.ndarray, sharding: Any) -> Any:
    if sharding is None:
        return leaf
    import jax

    return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])


def _plan(config: Config, tensors: Tensors) -> tuple[Architecture, Callable[[str], np.ndarray]]:
    """The architecture, and what reads a parameter of it by name."""
    embedding = _embedding(tensors)
    head = _head(config, tensors, embedding)
    architecture = config.architecture(vocabulary=tensors.shape(embedding)[0], tied=head == "tied")
    names = {name: tensor_name(name) for name in parameters.shapes(architecture)}
    names[EMBEDDING] = embedding
    if head == "copied":
        names[HEAD] = embedding
    _check(names, architecture, tensors)
    scale = np.float32(architecture.width**-0.5) if head == "scaled" else None

    def leaf(name: str) -> np.ndarray:
        array = tensors.read(names[name])
        if array.ndim == 2 and name != EMBEDDING:
            array = np.ascontiguousarray(array.T)
        return array * scale if name == HEAD and scale is not None else array

    return architecture, leaf


def _embedding(tensors: Tensors) -> str:
    """Which tensor is the table of embeddings. Copies of it must be copies."""
    there = [name for name in (SHARED, *_COPIES) if name in tensors]
    if not there:
        raise SourceError(f"{tensors.folder} lacks {SHARED}: expected the weights of a T5, mT5 or umT5")
    for copy in there[1:]:
        if not tensors.equal(there[0], copy):
            raise SourceError(f"{tensors.folder}: {copy} differs from {there[0]}: T5 has one table for both sides")
    return there[0]


def _head(config: Config, tensors: Tensors, embedding: str) -> Literal["tied", "copied", "own", "scaled"]:
    """Where the logits come from.

    tied    the embedding, of outputs that are scaled by width^-0.5: T5 1.0
    copied  the embedding, of outputs that are not: kept as a head of its own with the same values
    own     a tensor of its own: T5 1.1, mT5, umT5
    scaled  a tensor of its own, of outputs that are scaled: the scale goes into it
    """
    own = LM_HEAD in tensors and not (config.scaled and tensors.equal(LM_HEAD, embedding))
    if own:
        return "scaled" if config.scaled else "own"
    return "tied" if config.scaled else "copied"


def _check(names: Mapping[str, str], architecture: Architecture, tensors: Tensors) -> None:
    """SourceError unless the folder holds the tensors of this architecture, in its shapes, and no others."""
    where = str(tensors.folder)
    if missing := [theirs for theirs in names.values() if theirs not in tensors]:
        raise SourceError(f"{where} lacks {parameters.listed(missing)}, which its {CONFIG} asks for")
    known = {*names.values(), *_COPIES, SHARED, LM_HEAD}
    if extra := [name for name in tensors.names() if name not in known and not _UNREAD.fullmatch(name)]:
        raise SourceError(f"{where} holds {parameters.listed(extra)}, which no T5 of its {CONFIG} has")
    for name, shape in parameters.shapes(architecture).items():
        wanted = shape[::-1] if len(shape) == 2 and name != EMBEDDING else shape
        if (found := tensors.shape(names[name])) != wanted:
            raise SourceError(
                f"{where}: {names[name]} is {parameters.shown(found)}, its {CONFIG} wants {parameters.shown(wanted)}"
            )
