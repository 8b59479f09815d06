"""Checkpoints of all kinds into a model folder, and out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from core.errors import SourceError
from finetune.checkpoints import hugging_face_export, model_folder, t5x
from finetune.checkpoints.model_folder import ABOUT, T5X_STATE, Model, Step
from finetune.checkpoints.summary import Kind

Format = Literal["hugging-face", "t5x"]
FORMATS: Final = ("hugging-face", "t5x")


@dataclass(frozen=True)
class Imported:
    """What an import found."""

    kind: Kind
    model: Model
    notes: tuple[str, ...] = ()


def import_model(
    source: Path,
    out: Path,
    *,
    tokenizer: Path | None = None,
    step: Step = None,
    weights_only: bool = False,
    fresh: bool = False,
) -> Imported:
    """Makes a model folder of a folder of Hugging Face, a checkpoint of T5X, a run of training or another model folder.

    `tokenizer` replaces the source's own; `weights_only` leaves T5X's optimizer state out. SourceError where the source
    is none of these or is damaged, OutputError where `out` is taken.
    """
    model_folder.check_free(out, fresh)
    known = (source / ABOUT).is_file() or (source / "config.json").is_file()
    if not known and t5x.is_checkpoint(source):
        t5x.check_step(source, step)
        return _import_t5x(source, out, tokenizer, weights_only, fresh)
    model = model_folder.load(source, step=step, with_head=True)
    kind: Kind = "hugging face" if model.about is None else "model" if model.step is None else "run"
    before = dict(model.about.provenance) if model.about else {}
    provenance = {"imported_from": kind, "name": source.resolve().name, "step": model.step, "before": before or None}
    chosen = tokenizer or model.tokenizer
    kept = None if weights_only else _kept_state(source)
    _save(out, model, chosen, provenance, kept, fresh)
    return Imported(kind, model, () if chosen else (_WITHOUT,))


_WITHOUT: Final = "it has no tokenizer: training and `glotmill generate` need one (--tokenizer DIR)"


def _import_t5x(source: Path, out: Path, tokenizer: Path | None, weights_only: bool, fresh: bool) -> Imported:
    checkpoint = t5x.load(source, keep_state=not weights_only)
    notes = [] if tokenizer else [_WITHOUT]
    if checkpoint.stacked and not weights_only:
        notes.append("its layers were stacked: they are apart now, and the optimizer's state is left out")
    model = Model(checkpoint.architecture, checkpoint.params, tokenizer, checkpoint.step)
    provenance = {"imported_from": "t5x", "name": source.resolve().name, "step": checkpoint.step}
    _save(out, model, tokenizer, provenance, checkpoint.state, fresh)
    return Imported("t5x", model, tuple(notes))


def _save(
    out: Path, model: Model, tokenizer: Path | None, provenance: Mapping[str, Any], state: bytes | None, fresh: bool
) -> None:
    model_folder.save(
        out,
        model.architecture,
        model.params,
        tokenizer=tokenizer,
        provenance={name: value for name, value in provenance.items() if value is not None},
        extras={T5X_STATE: state} if state is not None else None,
        head=model.about.head if model.about else None,
        fresh=fresh,
    )


def export_model(source: Path, out: Path, format: Format, *, step: Step = None) -> tuple[list[str], list[str]]:
    """Writes the folder of another library: the names of its files, and notes for the user."""
    model = model_folder.load(source, step=step)
    if format == "hugging-face":
        notes = [] if model.tokenizer else ["there is no tokenizer to go with it"]
        if model.architecture.bias_per_layer:
            notes.append(
                "transformers 5 scales umT5's logits: set model.config.tie_word_embeddings = False once it is loaded"
            )
        return hugging_face_export.export(model, out), notes
    state = _kept_state(source)
    at = model.step if model.step is not None else _step_of(source)
    names = t5x.export(model.architecture, model.params, out, step=at, state=state)
    notes = [] if state else ["without an optimizer's state: T5X reads it for inference, or to begin a fine-tune"]
    return names, notes


def _kept_state(source: Path) -> bytes | None:
    try:
        return (source / T5X_STATE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"{source / T5X_STATE} cannot be read: {error.strerror}") from error


def _step_of(source: Path) -> int:
    """The step that an import noted; 0 where there is none."""
    about = model_folder.read_about(source)
    return int(about.provenance.get("step") or 0) if about else 0
