"""Define what is read of a checkpoint, and what a checkpoint format must do.

A format is one class in one file, and one row of the table in `formats`.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from core.errors import SourceError
from finetune.checkpoints.tokenizer_copy import TokenizerId
from finetune.model import parameters
from finetune.model.architecture import SIZES, Architecture, family_of
from finetune.model.head import EncoderHead

Step = int | Literal["best", "last"] | None
CheckpointKind = Literal["model", "run", "hugging face", "t5x"]


@dataclass(frozen=True)
class LoadedModel:
    """A model that was read. `tokenizer` is what `Tokenizer.load` takes: a folder, or a model file."""

    architecture: Architecture
    params: dict[str, Any]  # of numpy arrays, or of jax.Arrays where shardings were given
    tokenizer: Path | None = None
    step: int | None = None  # of a training run
    head: EncoderHead | None = None  # of an encoder without a decoder
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelDescription:
    """What is known of a checkpoint without its weights."""

    architecture: Architecture
    tokenizer: Path | None
    head: EncoderHead | None = None


@dataclass(frozen=True)
class ImportedModel:
    """A model to be imported, with what goes with it."""

    model: LoadedModel
    provenance: Mapping[str, Any]
    state: bytes | None = None  # T5X's optimizer state
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> CheckpointKind:
        """What the model was read from."""
        kind: CheckpointKind = self.provenance["imported_from"]
        return kind


@dataclass(frozen=True)
class CheckpointSummary:
    """What a checkpoint is: architecture, parameters by part, tokenizer, step."""

    path: Path
    kind: CheckpointKind
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
        free = {name: getattr(self.architecture, name) for name in _FREE}
        sizes = (name for name, size in SIZES.items() if dataclasses.replace(size, **free) == self.architecture)
        return next(sizes, "")

    @property
    def family(self) -> str:
        """What publications call models of this architecture."""
        return family_of(self.architecture).title

    @property
    def parameters(self) -> dict[str, int]:
        """The number of parameters in each part of the model."""
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


# A size says nothing of these.
_FREE: Final = ("vocabulary", "tied", "gated", "activation", "bias_per_layer")
WITHOUT_TOKENIZER: Final = "it has no tokenizer: training and `glotmill generate` need one (--tokenizer DIR)"


class CheckpointFormat(ABC):
    """One form in which models are kept on disk."""

    no_steps: ClassVar[str]  # why --step is refused, after the path

    @abstractmethod
    def matches(self, path: Path) -> bool:
        """Return whether a path holds a checkpoint of this format."""

    @abstractmethod
    def kind(self, path: Path) -> CheckpointKind:
        """Return what a checkpoint is called."""

    @abstractmethod
    def describe(self, path: Path) -> ModelDescription:
        """Return what is known without the weights."""

    @abstractmethod
    def load(
        self, path: Path, *, step: Step = None, shardings: Mapping[str, Any] | None = None, with_head: bool = False
    ) -> LoadedModel:
        """Read a model. See `formats.load`."""

    @abstractmethod
    def summarise(self, path: Path, step: Step = None) -> CheckpointSummary:
        """Return what a checkpoint is, without reading most of its weights."""

    def read_to_import(self, path: Path, step: Step, tokenizer: Path | None, weights_only: bool) -> ImportedModel:
        """Read a model with everything that goes into a model folder."""
        model = self.load(path, step=step, with_head=True)
        name, before = path.resolve().name, dict(model.provenance) or None
        provenance = {"imported_from": self.kind(path), "name": name, "step": model.step, "before": before}
        notes = () if tokenizer or model.tokenizer else (WITHOUT_TOKENIZER,)
        return ImportedModel(model, provenance, None if weights_only else self.kept_state(path), notes)

    def kept_state(self, path: Path) -> bytes | None:
        """Return the optimizer state of T5X that is kept beside a model; None where there is none."""
        return None

    def check_step(self, path: Path, step: Step) -> None:
        """Raise a SourceError if a step is asked for where there are none."""
        if step is not None:
            raise SourceError(f"{path} {self.no_steps}")


@dataclass(frozen=True)
class ExportedFiles:
    """What an export wrote: the names of its files, and notes for the user."""

    names: list[str]
    notes: list[str]


class CheckpointExporter(ABC):
    """One form that models are exported in."""

    @abstractmethod
    def export(self, model: LoadedModel, out: Path, state: bytes | None) -> ExportedFiles:
        """Write a model to a new folder `out`, in one piece.

        Args:
            model: any model with a decoder.
            out: a new or empty folder.
            state: the optimizer state of T5X that an import kept, if any.

        Raises:
            OutputError: `out` exists and is not empty, or cannot be written.
        """


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
