"""What a checkpoint is, told without a look at most of its weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from finetune.checkpoints import hugging_face, model_folder, t5x
from finetune.checkpoints.model_folder import ABOUT, CHECKPOINTS, Step
from finetune.checkpoints.tokenizer_copy import TokenizerId, identify
from finetune.model import parameters
from finetune.model.architecture import SIZES, Architecture
from finetune.model.head import EncoderHead

Kind = Literal["model", "run", "hugging face", "t5x"]
_NAMES: Final = {"F32": "float32", "BF16": "bfloat16", "F16": "float16", "F64": "float64"}


@dataclass(frozen=True)
class Summary:
    """Of a model folder, a run of training, a folder of Hugging Face or a checkpoint of T5X."""

    path: Path
    kind: Kind
    architecture: Architecture
    dtypes: tuple[str, ...]  # on disk
    bytes: int  # of the weights on disk
    tokenizer: TokenizerId | None = None
    step: int | None = None
    steps: tuple[int, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    head: EncoderHead | None = None

    @property
    def size(self) -> str:
        """The name of an architecture of this shape in SIZES; "" where there is none."""
        free = {"vocabulary": 1, "tied": False, "gated": True, "activation": "gelu", "bias_per_layer": False}
        mine = dataclasses.replace(self.architecture, **free)  # type: ignore[arg-type]
        return next((name for name, one in SIZES.items() if dataclasses.replace(one, **free) == mine), "")  # type: ignore[arg-type]

    @property
    def family(self) -> str:
        """What others call it."""
        if self.architecture.bias_per_layer:
            return "umT5"
        return "mT5 or T5 1.1" if self.architecture.gated and not self.architecture.tied else "T5"

    @property
    def parameters(self) -> dict[str, int]:
        """How many there are in each part of the model."""
        counts = dict.fromkeys(parameters.PARTS, 0)
        for name, shape in parameters.shapes(self.architecture, self.head.projection if self.head else None).items():
            counts[parameters.part_of(name)] += math.prod(shape)
        return counts

    def to_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "kind": self.kind,
            "family": self.family,
            "size": self.size or None,
            "architecture": self.architecture.to_json(),
            "parameters": {**self.parameters, "all": sum(self.parameters.values())},
            "dtype": self.dtypes[0] if len(self.dtypes) == 1 else list(self.dtypes),
            "bytes": self.bytes,
            "tokenizer": dataclasses.asdict(self.tokenizer) if self.tokenizer else None,
            "step": self.step,
            "steps": list(self.steps),
            "provenance": dict(self.provenance),
            "head": self.head.to_json() if self.head else None,
        }


def summarise(path: Path, step: Step = None) -> Summary:
    """SourceError where there is no checkpoint, or one that is damaged."""
    if not (path / ABOUT).is_file():
        if (path / "config.json").is_file():
            hugging_face.check_step(path, step)
            return _of_hugging_face(path)
        if t5x.is_checkpoint(path):
            t5x.check_step(path, step)
            return _of_t5x(path)
    about = model_folder.read_about(path)
    assert about is not None
    folder, chosen = model_folder.find_params(path, step)
    tokenizer = path / model_folder.TOKENIZER
    return Summary(
        path,
        "run" if (path / CHECKPOINTS).is_dir() else "model",
        about.architecture,
        ("float32",),
        _bytes(folder),
        identify(tokenizer) if tokenizer.is_dir() else about.tokenizer,
        chosen,
        tuple(model_folder.steps(path)),
        about.provenance,
        about.head,
    )


def _of_hugging_face(path: Path) -> Summary:
    described = model_folder.describe(path)
    with ExitStack() as stack:
        dtypes = hugging_face.Tensors(path, stack).dtypes()
    size = sum(file.stat().st_size for file in path.glob("*.safetensors"))
    known = identify(described.tokenizer) if described.tokenizer else None
    return Summary(
        path, "hugging face", described.architecture, tuple(sorted(_NAMES.get(one, one) for one in dtypes)), size, known
    )


def _of_t5x(path: Path) -> Summary:
    checkpoint = t5x.load(path, keep_state=False)
    file = t5x.find(path)
    size = file.stat().st_size + sum(_bytes(one) for one in file.parent.glob("target.*") if one.is_dir())
    return Summary(path, "t5x", checkpoint.architecture, checkpoint.dtypes, size, None, checkpoint.step)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
