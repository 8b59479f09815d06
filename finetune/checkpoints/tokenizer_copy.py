"""The tokenizer beside a model: known by the hash of its model file, and copied with the weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.errors import SourceError
from finetune.model.architecture import Architecture
from tokenizer import model_file
from tokenizer.vocabulary import ABOUT, EOS, HUGGING_FACE, MODEL, PAD, UNK

# What Hugging Face's tokenizers call the model file.
_FOREIGN: Final = ("spiece.model", "sentencepiece.model", "sentencepiece.bpe.model")


@dataclass(frozen=True)
class TokenizerId:
    """Which tokenizer it is."""

    sha256: str  # of the SentencePiece model file
    pieces: int


def find_model(path: Path) -> Path | None:
    """The SentencePiece model in a folder of glotmill's or Hugging Face's, or the file itself; None without one."""
    if path.is_file():
        return path
    return next((path / name for name in (MODEL, *_FOREIGN) if (path / name).is_file()), None)


def _model(path: Path) -> Path:
    if found := find_model(path):
        return found
    if not path.exists():
        raise SourceError(f"there is no tokenizer at {path}")
    raise SourceError(f"{path} holds no tokenizer: expected {MODEL} or {_FOREIGN[0]} in it")


def identify(path: Path) -> TokenizerId:
    """Of a folder or a model file; SourceError where there is none, or its ids do not stand where T5 has them."""
    found = _model(path)
    model = model_file.read(found)
    names = [piece.piece for piece in model.pieces[:3]]
    types = [piece.type for piece in model.pieces[:3]]
    control, unknown = model_file.CONTROL, model_file.UNKNOWN
    if types != [control, control, unknown]:
        raise SourceError(
            f"{found} begins with the pieces {', '.join(names)}: expected padding {PAD}, end {EOS} and unknown {UNK}"
        )
    return TokenizerId(hashlib.sha256(found.read_bytes()).hexdigest(), len(model.pieces))


def check_tokenizer(identity: TokenizerId, architecture: Architecture, where: str) -> None:
    """SourceError where the tokenizer has ids that the model has no embedding for."""
    if identity.pieces > architecture.vocabulary:
        raise SourceError(
            f"{where} does not fit the model: the tokenizer has {identity.pieces:,} pieces, "
            f"the model {architecture.vocabulary:,}"
        )


def copy_tokenizer(path: Path, folder: Path) -> None:
    """Copies a tokenizer, of glotmill or of T5, into a folder that `Tokenizer.load` takes."""
    found = _model(path)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(found, folder / MODEL)
    for name in (HUGGING_FACE, ABOUT):
        if path.is_dir() and (path / name).is_file():
            shutil.copyfile(path / name, folder / name)
    if not (folder / ABOUT).exists():
        (folder / ABOUT).write_text(json.dumps(_about(folder), indent=2) + "\n", "utf-8")


def _about(folder: Path) -> dict[str, Any]:
    """What can be said of a tokenizer that was trained elsewhere."""
    identity = identify(folder)
    return {
        "command": "checkpoint import",
        "vocabulary": identity.pieces,
        "special": {"pad": PAD, "eos": EOS, "unk": UNK},
        "sha256": {MODEL: identity.sha256},
    }
