"""Read the weights of Hugging Face's T5, mT5 and umT5, one tensor at a time.

config.json says in several ways which tables are tied and which outputs are scaled (`_head`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from core.errors import SourceError
from finetune.checkpoints.base import (
    CheckpointFormat,
    CheckpointKind,
    CheckpointSummary,
    LoadedModel,
    ModelDescription,
    Step,
)
from finetune.checkpoints.hugging_face_config import CONFIG, HuggingFaceConfig, read_config
from finetune.checkpoints.hugging_face_tensors import EMBEDDING, HEAD, LM_HEAD, SHARED, Tensors, tensor_name
from finetune.checkpoints.tokenizer_copy import check_tokenizer, find_model, identify
from finetune.model import parameters
from finetune.model.architecture import Architecture

_DTYPES: Final = {"F32": "float32", "BF16": "bfloat16", "F16": "float16", "F64": "float64"}
# The same table again, in checkpoints of T5 1.0 and of old libraries.
_COPIES: Final = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
# Of T5 1.0's checkpoints: it is there, and no code reads it.
_UNREAD: Final = re.compile(r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight")


class HuggingFaceFormat(CheckpointFormat):
    """A folder with config.json and safetensors."""

    no_steps = "is a folder of Hugging Face, and has no steps: leave out --step"

    def matches(self, path: Path) -> bool:
        return (path / CONFIG).is_file()

    def kind(self, path: Path) -> CheckpointKind:
        return "hugging face"

    def describe(self, path: Path) -> ModelDescription:
        config = read_config(path)
        with ExitStack() as stack:
            return ModelDescription(_plan(config, Tensors(path, stack))[0], find_model(path))

    def load(
        self, path: Path, *, step: Step = None, shardings: Mapping[str, Any] | None = None, with_head: bool = False
    ) -> LoadedModel:
        self.check_step(path, step)
        return load(path, shardings=shardings)

    def summarise(self, path: Path, step: Step = None) -> CheckpointSummary:
        self.check_step(path, step)
        described = self.describe(path)
        with ExitStack() as stack:
            dtypes = Tensors(path, stack).dtypes()
        size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
        tokenizer = identify(described.tokenizer) if described.tokenizer else None
        names = tuple(sorted(_DTYPES.get(dtype, dtype) for dtype in dtypes))
        return CheckpointSummary(path, "hugging face", described.architecture, names, size, tokenizer)


def load(folder: Path, *, shardings: Mapping[str, Any] | None = None) -> LoadedModel:
    """Read the model of a folder; SourceError where glotmill cannot run it, or it is damaged."""
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
    return LoadedModel(architecture, parameters.nested(leaves), tokenizer)


def _placed(leaf: np.ndarray, sharding: Any) -> Any:
    if sharding is None:
        return leaf
    import jax

    return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])


def _plan(config: HuggingFaceConfig, tensors: Tensors) -> tuple[Architecture, Callable[[str], np.ndarray]]:
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


def _head(config: HuggingFaceConfig, tensors: Tensors, embedding: str) -> Literal["tied", "copied", "own", "scaled"]:
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
