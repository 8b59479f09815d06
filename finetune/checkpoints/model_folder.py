"""Read and write a model folder.

MODEL/glotmill_model.json   the architecture, which tokenizer it was trained with, where the weights come from;
                            `head` where it is an encoder with a head, for embeddings or reranking
MODEL/params/               the weights, float32, written by Orbax: always unstacked, without the outer "params"
MODEL/tokenizer/            a copy of the tokenizer's folder, where there is one

A training run is such a folder, too, with checkpoints/<step>/params instead of params.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from core import config, files
from core.errors import ConfigError, OutputError, SourceError, explain_os_error
from core.version import VERSION
from finetune.checkpoints.base import (
    CheckpointFormat,
    CheckpointKind,
    CheckpointSummary,
    LoadedModel,
    ModelDescription,
    Step,
    folder_bytes,
)
from finetune.checkpoints.orbax_arrays import Arrays, is_finished
from finetune.checkpoints.tokenizer_copy import TokenizerId, check_tokenizer, copy_tokenizer, identify
from finetune.model import lora, parameters
from finetune.model.architecture import Architecture, LoraConfig
from finetune.model.head import EncoderHead, head_class

ABOUT: Final = "glotmill_model.json"
PARAMS: Final = "params"
TOKENIZER: Final = "tokenizer"
CHECKPOINTS: Final = "checkpoints"
BEST: Final = "best.json"
T5X_STATE: Final = "t5x_state.msgpack"
FORMAT: Final = 1
NO_LORA: Final = LoraConfig()


@dataclass(frozen=True)
class About:
    """The content of glotmill_model.json."""

    architecture: Architecture
    tokenizer: TokenizerId | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    lora: LoraConfig = NO_LORA  # of a run that trains additions: they lie beside the kernels
    head: EncoderHead | None = None  # of an encoder without a decoder

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "glotmill": VERSION,
            "architecture": self.architecture.to_json(),
            "tokenizer": dataclasses.asdict(self.tokenizer) if self.tokenizer else None,
            "lora": dataclasses.asdict(self.lora) if self.lora.rank else None,
            "head": self.head.to_json() if self.head else None,
            "provenance": dict(self.provenance),
        }


def save(
    folder: Path,
    architecture: Architecture,
    params: Mapping[str, Any],
    *,
    tokenizer: Path | None = None,
    provenance: Mapping[str, Any] | None = None,
    extras: Mapping[str, bytes] | None = None,
    head: EncoderHead | None = None,
    fresh: bool = False,
) -> None:
    """Write a model folder in one piece, from one process.

    Args:
        folder: a new or empty folder, or, with `fresh`, one that holds a model.
        architecture: of the model.
        params: the unstacked tree, without the outer "params".
        tokenizer: whatever `Tokenizer.load` takes.
        provenance: where the weights come from.
        extras: further files, by name.
        head: of an encoder without a decoder.
        fresh: replace a model that is in the folder.

    Raises:
        OutputError: the folder is not empty, or cannot be written.
    """
    leaves = {name: np.asarray(leaf, np.float32) for name, leaf in parameters.flat(params).items()}
    found = {name: leaf.shape for name, leaf in leaves.items()}
    parameters.check(found, architecture, "the model to be saved", head.projection if head else None)
    check_free(folder, fresh)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        temporary.mkdir(parents=True)
        write_about(temporary, architecture, tokenizer, provenance, head=head)
        for name, content in (extras or {}).items():
            (temporary / name).write_bytes(content)
        _write_params(temporary / PARAMS, parameters.nested(leaves))
        if fresh and folder.exists():
            shutil.rmtree(folder)
        os.rename(temporary, folder)
    except OSError as error:
        raise OutputError(explain_os_error(error, f"cannot write the model {folder}")) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_about(
    folder: Path,
    architecture: Architecture,
    tokenizer: Path | None,
    provenance: Mapping[str, Any] | None = None,
    additions: LoraConfig = NO_LORA,
    head: EncoderHead | None = None,
) -> About:
    """Write glotmill_model.json and tokenizer/ of a model folder or a run; SourceError where they do not fit."""
    identity = None
    if tokenizer:
        identity = identify(tokenizer)
        check_tokenizer(identity, architecture, str(tokenizer))
        copy_tokenizer(tokenizer, folder / TOKENIZER)
    about = About(architecture, identity, provenance or {}, additions, head)
    _write_json(folder, about)
    return about


def write_head(folder: Path, head: EncoderHead) -> None:
    """Replace the description of the head in a model folder."""
    _write_json(folder, dataclasses.replace(read_about(folder), head=head))


def _write_json(folder: Path, about: About) -> None:
    files.write_text(folder / ABOUT, json.dumps(about.to_json(), ensure_ascii=False, indent=2) + "\n")


def check_free(folder: Path, fresh: bool = False) -> None:
    """Raise an OutputError if a model cannot be written to `folder`."""
    if folder.is_file():
        raise OutputError(f"{folder} is a file: expected a new folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    is_model = (folder / ABOUT).exists() and not (folder / CHECKPOINTS).exists()
    if not is_model:
        raise OutputError(f"{folder} is not empty, and holds no model that may be replaced: choose another --out")
    if not fresh:
        raise OutputError(f"{folder} holds a model already: choose another --out, or replace it with --fresh")


class ModelFolderFormat(CheckpointFormat):
    """A model folder, or a training run, which is one with checkpoints."""

    no_steps = "is a model, not a run of training, and has no steps: leave out --step"

    def matches(self, path: Path) -> bool:
        return (path / ABOUT).is_file()

    def kind(self, path: Path) -> CheckpointKind:
        return "run" if (path / CHECKPOINTS).is_dir() else "model"

    def describe(self, path: Path) -> ModelDescription:
        about = read_about(path)
        return ModelDescription(about.architecture, _tokenizer_in(path), about.head)

    def load(
        self, path: Path, *, step: Step = None, shardings: Mapping[str, Any] | None = None, with_head: bool = False
    ) -> LoadedModel:
        about = read_about(path)
        if about.head and not with_head:
            raise SourceError(
                f"{path} is {about.head.name}: an encoder with a head, which has no decoder. Expected a whole model"
            )
        folder, chosen = find_params(path, step)
        tokenizer = _tokenizer_in(path)
        _check_tokenizer(path, about, tokenizer)
        params = _read_params(folder, about, shardings)
        return LoadedModel(about.architecture, params, tokenizer, chosen, about.head, about.provenance)

    def summarise(self, path: Path, step: Step = None) -> CheckpointSummary:
        about = read_about(path)
        folder, chosen = find_params(path, step)
        tokenizer = _tokenizer_in(path)
        return CheckpointSummary(
            path,
            self.kind(path),
            about.architecture,
            ("float32",),
            folder_bytes(folder),
            identify(tokenizer) if tokenizer else about.tokenizer,
            chosen,
            tuple(steps(path)),
            about.provenance,
            about.head,
        )

    def kept_state(self, path: Path) -> bytes | None:
        try:
            return (path / T5X_STATE).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceError(f"{path / T5X_STATE} cannot be read: {error.strerror}") from error


def _tokenizer_in(path: Path) -> Path | None:
    return path / TOKENIZER if (path / TOKENIZER).is_dir() else None


def _check_tokenizer(path: Path, about: About, tokenizer: Path | None) -> None:
    """Raise a SourceError if a model folder lacks its tokenizer, or holds another one."""
    if not tokenizer:
        if about.tokenizer:
            raise SourceError(f"{path} lacks its tokenizer: expected the folder {TOKENIZER}/ in it")
        return
    identity = identify(tokenizer)
    check_tokenizer(identity, about.architecture, str(tokenizer))
    if about.tokenizer and about.tokenizer.sha256 != identity.sha256:
        raise SourceError(
            f"{tokenizer} is not the tokenizer that the model in {path} was made with: its sha256 begins with "
            f"{identity.sha256[:12]}, {ABOUT} says {about.tokenizer.sha256[:12]}"
        )


def read_about(path: Path) -> About:
    """Return what glotmill_model.json says; SourceError where it is missing or damaged."""
    try:
        values = json.loads((path / ABOUT).read_text("utf-8"))
        if values["format"] != FORMAT:
            raise SourceError(
                f"{path / ABOUT} has the format {values['format']}, this glotmill reads {FORMAT}: update it"
            )
        architecture = config.build(Architecture, values["architecture"])
        identity = values.get("tokenizer")
        additions = config.build(LoraConfig, values.get("lora") or {})
        known = TokenizerId(**identity) if identity else None
        described = values.get("head")
        head = config.build(head_class(described["kind"]), described) if described else None
        return About(architecture, known, values.get("provenance") or {}, additions, head)
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise SourceError(f"{path / ABOUT} cannot be read: {' '.join(str(error).split())}") from error


def hint(path: Path) -> str:
    """Return what may be meant by a path that holds no model, as the end of a sentence."""
    if path.parent.name == CHECKPOINTS or path.name == CHECKPOINTS:
        run = path.parent.parent if path.parent.name == CHECKPOINTS else path.parent
        return f"; this looks like a part of the run {run}: name that, and the step with --step"
    return ""


def steps(run: Path) -> list[int]:
    """Return the finished checkpoints of a training run, oldest first."""
    folder = run / CHECKPOINTS
    found = [path for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
    return sorted(int(path.name) for path in found if is_finished(path / PARAMS))


def find_params(path: Path, step: Step) -> tuple[Path, int | None]:
    """Return the folder of the weights of a model folder or a run, and their step."""
    if not (path / CHECKPOINTS).is_dir():
        ModelFolderFormat().check_step(path, step)
        if not is_finished(path / PARAMS):
            raise SourceError(f"{path / PARAMS} is not there or not whole: import the model again")
        return path / PARAMS, None
    there = steps(path)
    if not there:
        raise SourceError(f"{path} has no finished checkpoint yet: let the run reach its first one")
    best = _best(path)
    if step == "best" and best is None:
        raise SourceError(f"{path} names no best checkpoint: it is known after a validation; --step last is the newest")
    chosen = step if isinstance(step, int) else best if best is not None and step != "last" else there[-1]
    if chosen not in there:
        raise SourceError(f"{path} has no finished checkpoint of step {chosen}: there are {', '.join(map(str, there))}")
    return path / CHECKPOINTS / str(chosen) / PARAMS, chosen


def _best(run: Path) -> int | None:
    try:
        return int(json.loads((run / CHECKPOINTS / BEST).read_text("utf-8"))["step"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f'{run / CHECKPOINTS / BEST} cannot be read: expected {{"step": N}}') from error


def _write_params(folder: Path, params: Mapping[str, Any]) -> None:
    import orbax.checkpoint as orbax

    with orbax.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder.absolute(), params)


def _read_params(folder: Path, about: About, shardings: Mapping[str, Any] | None) -> dict[str, Any]:
    arrays = Arrays(folder)
    own = {name: shape for name, shape in arrays.shapes.items() if not _is_addition(name)}
    parameters.check(own, about.architecture, str(folder), about.head.projection if about.head else None)
    # Additions are small: they are placed once they are added in.
    places = parameters.flat(shardings) if shardings else {}
    params = parameters.nested({name: arrays.read(name, places.get(name)) for name in arrays.shapes})
    if about.lora.rank:
        import jax

        params = lora.added_in(params, about.lora.scale)
        params = jax.device_put(params, dict(shardings)) if shardings else jax.tree.map(np.asarray, params)
    return params


def _is_addition(name: str) -> bool:
    return name.rpartition("/")[2] in (lora.DOWN, lora.UP)
