"""Write a model as a folder that `transformers` loads, its tokenizer included."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.errors import OutputError, SourceError, explain_os_error
from finetune.checkpoints.base import CheckpointExporter, ExportedFiles, LoadedModel
from finetune.checkpoints.hugging_face_config import CONFIG, write_config
from finetune.checkpoints.hugging_face_tensors import INDEX, SINGLE, tensor_name, to_theirs
from finetune.model import parameters
from tokenizer.vocabulary import EOS, HUGGING_FACE, MODEL, PAD, SPECIAL

# The most bytes of a file, unless one tensor alone is larger.
SHARD_BYTES: Final = 5 * 10**9
_SPIECE: Final = "spiece.model"


class HuggingFaceExporter(CheckpointExporter):
    """Exports a folder that `transformers` loads."""

    def export(self, model: LoadedModel, out: Path, state: bytes | None) -> ExportedFiles:
        notes = [] if model.tokenizer else ["there is no tokenizer to go with it"]
        if model.architecture.bias_per_layer:
            notes.append(
                "transformers 5 scales umT5's logits: set model.config.tie_word_embeddings = False once it is loaded"
            )
        return ExportedFiles(export(model, out), notes)


def export(model: LoadedModel, out: Path, shard_bytes: int = SHARD_BYTES) -> list[str]:
    """Write config.json, safetensors in float32 and the tokenizer, in one piece.

    Returns:
        The names of the files.

    Raises:
        OutputError: `out` is not empty, or cannot be written.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise OutputError(f"{out} exists already: choose another --out")
    temporary = out.with_name(f".{out.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        temporary.mkdir(parents=True)
        (temporary / CONFIG).write_text(write_config(model.architecture), "utf-8")
        (temporary / "generation_config.json").write_text(_generation(), "utf-8")
        _write_weights(parameters.flat(model.params), temporary, shard_bytes)
        if model.tokenizer:
            _write_tokenizer(model.tokenizer, temporary)
        temporary.rename(out)
    except OSError as error:
        raise OutputError(explain_os_error(error, f"cannot write {out}")) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return sorted(path.name for path in out.iterdir())


def _generation() -> str:
    return json.dumps({"decoder_start_token_id": PAD, "eos_token_id": EOS, "pad_token_id": PAD}, indent=2) + "\n"


def _write_weights(leaves: Mapping[str, Any], folder: Path, shard_bytes: int) -> None:
    """Write one file, or several with an index; no more than one file's tensors are copied in memory at a time."""
    from safetensors.numpy import save_file

    shards = list(_shards(leaves, shard_bytes))
    names = (
        [SINGLE] if len(shards) == 1 else [f"model-{n:05d}-of-{len(shards):05d}.safetensors" for n in _count(shards)]
    )
    for file, shard in zip(names, shards, strict=True):
        tensors = {tensor_name(name): to_theirs(name, np.asarray(leaves[name], np.float32)) for name in shard}
        save_file(tensors, folder / file, metadata={"format": "pt"})
    if len(shards) > 1:
        places = {tensor_name(name): file for file, shard in zip(names, shards, strict=True) for name in shard}
        total = sum(leaf.size * 4 for leaf in leaves.values())
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", "utf-8")


def _count(shards: list[list[str]]) -> range:
    return range(1, len(shards) + 1)


def _shards(leaves: Mapping[str, Any], shard_bytes: int) -> Iterator[list[str]]:
    """Yield the names of the parameters of each file, of at most `shard_bytes`."""
    shard: list[str] = []
    size = 0
    for name, leaf in leaves.items():
        weight = leaf.size * 4
        if shard and size + weight > shard_bytes:
            yield shard
            shard, size = [], 0
        shard.append(name)
        size += weight
    yield shard


def _write_tokenizer(tokenizer: Path, folder: Path) -> None:
    """Write tokenizer.json with T5's end after every text, the settings that transformers reads, and the model file."""
    shutil.copyfile(tokenizer / MODEL if tokenizer.is_dir() else tokenizer, folder / _SPIECE)
    source = tokenizer / HUGGING_FACE if tokenizer.is_dir() else tokenizer.with_name(HUGGING_FACE)
    config: dict[str, Any] = {
        "pad_token": SPECIAL[0],
        "eos_token": SPECIAL[1],
        "unk_token": SPECIAL[2],
        "model_max_length": 1_000_000_000,
        "clean_up_tokenization_spaces": False,
    }
    if source.is_file():
        try:
            values = json.loads(source.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise SourceError(f"{source} cannot be read: {error}") from error
        values["post_processor"] = values.get("post_processor") or _end_after_each()
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"
        (folder / HUGGING_FACE).write_text(text, "utf-8")
        # A "</s>" in a text is text, as SentencePiece has it.
        config |= {"tokenizer_class": "PreTrainedTokenizerFast", "split_special_tokens": True}
    else:  # transformers makes its own of the model file
        config |= {"tokenizer_class": "T5Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")


def _end_after_each() -> dict[str, Any]:
    end = {"SpecialToken": {"id": SPECIAL[EOS], "type_id": 0}}
    first, second = ({"Sequence": {"id": which, "type_id": 0}} for which in "AB")
    return {
        "type": "TemplateProcessing",
        "single": [first, end],
        "pair": [first, end, second, end],
        "special_tokens": {SPECIAL[EOS]: {"id": SPECIAL[EOS], "ids": [EOS], "tokens": [SPECIAL[EOS]]}},
    }
