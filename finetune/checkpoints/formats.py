"""Read, describe, import and export checkpoints of all formats.

FORMATS and EXPORTERS are the tables. To add a format, write a CheckpointFormat (and, to write it, a CheckpointExporter)
in a file of this folder, and give it a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from core.errors import SourceError, UnknownNameError
from finetune.checkpoints import model_folder
from finetune.checkpoints.base import (
    CheckpointExporter,
    CheckpointFormat,
    CheckpointSummary,
    ExportedFiles,
    ImportedModel,
    LoadedModel,
    ModelDescription,
    Step,
)
from finetune.checkpoints.hugging_face import HuggingFaceFormat
from finetune.checkpoints.hugging_face_export import HuggingFaceExporter
from finetune.checkpoints.model_folder import ModelFolderFormat
from finetune.checkpoints.t5x import T5XFormat
from finetune.checkpoints.t5x_export import T5XExporter

# A path is read by the first format that it matches.
FORMATS: Final[tuple[CheckpointFormat, ...]] = (ModelFolderFormat(), HuggingFaceFormat(), T5XFormat())
# By the name that --format takes.
EXPORTERS: Final[Mapping[str, CheckpointExporter]] = {"hugging-face": HuggingFaceExporter(), "t5x": T5XExporter()}
_EXPECTED: Final = (
    "expected a folder that `glotmill checkpoint import` or `glotmill finetune` wrote, or one of Hugging Face"
)


def format_of(path: Path) -> CheckpointFormat:
    """Return the format of a checkpoint; SourceError where there is none."""
    if not path.exists():
        raise SourceError(f"there is no checkpoint at {path}: {_EXPECTED}")
    for known in FORMATS:
        if known.matches(path):
            return known
    raise SourceError(f"{path} holds no model: {_EXPECTED}{model_folder.hint(path)}")


def load(
    path: Path, *, step: Step = None, shardings: Mapping[str, Any] | None = None, with_head: bool = False
) -> LoadedModel:
    """Read the model of a model folder, a training run or a Hugging Face folder.

    Args:
        path: the folder.
        step: of a run, another step than the one that `checkpoints/best.json` names, or else the newest finished one.
        shardings: a tree like the parameters'; the weights are then jax.Arrays placed so, else numpy arrays.
        with_head: take an encoder with a head, too, which cannot generate.

    Raises:
        SourceError: there is no such model, it is damaged, or it is an encoder with a head.
    """
    return format_of(path).load(path, step=step, shardings=shardings, with_head=with_head)


def describe(path: Path) -> ModelDescription:
    """Return what is known of a checkpoint that `load` takes, without its weights."""
    return format_of(path).describe(path)


def summarise(path: Path, step: Step = None) -> CheckpointSummary:
    """Return what a checkpoint of any format is; SourceError where there is none, or it is damaged."""
    return format_of(path).summarise(path, step)


def import_model(
    source: Path,
    out: Path,
    *,
    tokenizer: Path | None = None,
    step: Step = None,
    weights_only: bool = False,
    fresh: bool = False,
) -> ImportedModel:
    """Make a model folder of a checkpoint of any format, or of another model folder.

    Args:
        source: the checkpoint.
        out: the model folder.
        tokenizer: replaces the source's own.
        step: of a run.
        weights_only: leave the optimizer state of T5X out.
        fresh: replace a model that is in `out`.

    Raises:
        SourceError: the source is not a checkpoint, or a damaged one.
        OutputError: `out` is not empty.
    """
    model_folder.check_free(out, fresh)
    imported = format_of(source).read_to_import(source, step, tokenizer, weights_only)
    model = imported.model
    model_folder.save(
        out,
        model.architecture,
        model.params,
        tokenizer=tokenizer or model.tokenizer,
        provenance={name: value for name, value in imported.provenance.items() if value is not None},
        extras={model_folder.T5X_STATE: imported.state} if imported.state is not None else None,
        head=model.head,
        fresh=fresh,
    )
    return imported


def export_model(source: Path, out: Path, format: str, *, step: Step = None) -> ExportedFiles:
    """Write a model as another library reads it.

    Raises:
        UnknownNameError: `format` is not in EXPORTERS.
        SourceError: the source is not a checkpoint that `load` takes.
        OutputError: `out` is not empty.
    """
    if format not in EXPORTERS:
        raise UnknownNameError("format", format, EXPORTERS, f"expected {' or '.join(EXPORTERS)}")
    known = format_of(source)
    model = known.load(source, step=step)
    if model.step is None:  # an import notes the step of what it read
        model = replace(model, step=int(model.provenance.get("step") or 0))
    return EXPORTERS[format].export(model, out, known.kept_state(source))
