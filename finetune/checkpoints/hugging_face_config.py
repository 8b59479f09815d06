"""Read config.json of T5, mT5 and umT5 into an architecture, and write it for one."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from core.errors import ConfigError, SourceError, UnknownNameError
from finetune.model.architecture import Architecture
from tokenizer.vocabulary import EOS, PAD

CONFIG: Final = "config.json"
# feed_forward_proj: activation, gated. "gelu" alone would be the exact one, which no T5 was trained with.
_PROJECTIONS: Final = {
    "relu": ("relu", False),
    "gated-relu": ("relu", True),
    "gelu_new": ("gelu", False),
    "gated-gelu": ("gelu", True),
    "gated-gelu_new": ("gelu", True),
}
# T5's values of missing keys.
_DEFAULTS: Final = {
    "vocab_size": 32128,
    "d_model": 512,
    "d_kv": 64,
    "d_ff": 2048,
    "num_layers": 6,
    "num_heads": 8,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 128,
    "layer_norm_epsilon": 1e-6,
    "feed_forward_proj": "relu",
    "pad_token_id": PAD,
    "eos_token_id": EOS,
    "decoder_start_token_id": PAD,
}


class HuggingFaceFamily(ABC):
    """One `model_type` of config.json."""

    transformers_class: ClassVar[str]
    defaults: ClassVar[Mapping[str, Any]]  # of missing keys, where they are not T5's
    bias_per_layer: ClassVar[bool] = False

    @abstractmethod
    def scales_outputs(self, values: Mapping[str, Any]) -> bool:
        """Return whether the decoder's outputs are scaled by width^-0.5 before the head."""


class T5Family(HuggingFaceFamily):
    """T5 1.0 and T5 1.1."""

    transformers_class = "T5ForConditionalGeneration"
    defaults: ClassVar[Mapping[str, Any]] = {}

    def scales_outputs(self, values: Mapping[str, Any]) -> bool:
        scale = values.get("scale_decoder_outputs")
        return bool(values.get("tie_word_embeddings") is not False if scale is None else scale)


class MT5Family(HuggingFaceFamily):
    """mT5."""

    transformers_class = "MT5ForConditionalGeneration"
    defaults: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 250112,
        "d_ff": 1024,
        "num_layers": 8,
        "num_heads": 6,
        "feed_forward_proj": "gated-gelu",
    }

    def scales_outputs(self, values: Mapping[str, Any]) -> bool:
        # Tied models were scaled before transformers 5, and have not been since.
        major = str(values.get("transformers_version", "5")).partition(".")[0]
        return values.get("tie_word_embeddings") is True and major < "5"


class UMT5Family(MT5Family):
    """umT5."""

    transformers_class = "UMT5ForConditionalGeneration"
    bias_per_layer = True

    def scales_outputs(self, values: Mapping[str, Any]) -> bool:
        return values.get("tie_word_embeddings") is True


# By model_type.
FAMILIES: Final[Mapping[str, HuggingFaceFamily]] = {"t5": T5Family(), "mt5": MT5Family(), "umt5": UMT5Family()}


@dataclass(frozen=True)
class HuggingFaceConfig:
    """A config.json, with what it leaves out filled in."""

    path: Path
    values: dict[str, Any]

    @property
    def family(self) -> HuggingFaceFamily:
        return FAMILIES[self.values["model_type"]]

    @property
    def scaled(self) -> bool:
        """Whether the decoder's outputs are scaled by width^-0.5 before the head."""
        return self.family.scales_outputs(self.values)

    def architecture(self, vocabulary: int, tied: bool) -> Architecture:
        """Return the architecture, whose vocabulary is as large as the embedding."""
        values = self.values
        projection = values["feed_forward_proj"]
        if projection not in _PROJECTIONS:
            raise SourceError(
                f"{self.path}: feed_forward_proj is {projection!r}: expected one of {', '.join(_PROJECTIONS)}"
            )
        if vocabulary != values["vocab_size"]:
            raise SourceError(
                f"{self.path}: vocab_size is {values['vocab_size']}, and the embedding has {vocabulary} rows"
            )
        activation, gated = _PROJECTIONS[projection]
        decoder_layers = values.get("num_decoder_layers")
        try:
            return Architecture(
                vocabulary=vocabulary,
                width=values["d_model"],
                heads=values["num_heads"],
                head_width=values["d_kv"],
                feed_forward=values["d_ff"],
                encoder_layers=values["num_layers"],
                decoder_layers=values["num_layers"] if decoder_layers is None else decoder_layers,
                activation=activation,  # type: ignore[arg-type]
                gated=gated,
                tied=tied,
                bias_per_layer=self.family.bias_per_layer,
                buckets=values["relative_attention_num_buckets"],
                max_distance=values["relative_attention_max_distance"],
                epsilon=values["layer_norm_epsilon"],
            )
        except (ConfigError, TypeError) as error:
            raise SourceError(f"{self.path}: {error}") from error


def read_config(folder: Path) -> HuggingFaceConfig:
    """Read the file of a folder; SourceError where it is missing, not JSON, or of an unknown model."""
    path = folder / CONFIG
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{folder} holds no {CONFIG}: expected a folder that transformers saved") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    kind = str(values.get("model_type")) if isinstance(values, dict) else "None"
    if kind not in FAMILIES:
        try:
            raise UnknownNameError("model_type", kind, FAMILIES, f"expected {', '.join(FAMILIES)}")
        except UnknownNameError as error:
            raise SourceError(f"{path}: {error}") from None
    filled = {**_DEFAULTS, **FAMILIES[kind].defaults, **values}
    for name, default in _DEFAULTS.items():
        if type(default) is int and not name.endswith("_id") and type(filled[name]) is not int:
            raise SourceError(f"{path}: {name} is {filled[name]!r}: expected a whole number")
    _check_ids(path, filled)
    return HuggingFaceConfig(path, filled)


def _check_ids(path: Path, values: dict[str, Any]) -> None:
    ends = values["eos_token_id"]
    if EOS not in (ends if isinstance(ends, list) else [ends]):
        raise SourceError(f"{path}: eos_token_id is {ends}: expected {EOS}, as all T5 have it")
    for name in ("pad_token_id", "decoder_start_token_id"):
        if values[name] not in (PAD, None):
            raise SourceError(f"{path}: {name} is {values[name]}: expected {PAD}, as all T5 have it")


def write_config(architecture: Architecture) -> str:
    """Return the content of config.json.

    A model with a separate head is written as `mt5` or `umt5`, whose heads transformers neither scales nor drops. A
    tied one is written as `t5`.
    """
    kind = "umt5" if architecture.bias_per_layer else "t5" if architecture.tied else "mt5"
    projections = {shape: name for name, shape in reversed(_PROJECTIONS.items())}
    values = {
        "architectures": [FAMILIES[kind].transformers_class],
        "classifier_dropout": 0.0,
        "d_ff": architecture.feed_forward,
        "d_kv": architecture.head_width,
        "d_model": architecture.width,
        "decoder_start_token_id": PAD,
        "dropout_rate": 0.1,
        "dtype": "float32",
        "eos_token_id": EOS,
        "feed_forward_proj": projections[(architecture.activation, architecture.gated)],
        "initializer_factor": 1.0,
        "is_encoder_decoder": True,
        "layer_norm_epsilon": architecture.epsilon,
        "model_type": kind,
        "num_decoder_layers": architecture.decoder_layers,
        "num_heads": architecture.heads,
        "num_layers": architecture.encoder_layers,
        "pad_token_id": PAD,
        "relative_attention_max_distance": architecture.max_distance,
        "relative_attention_num_buckets": architecture.buckets,
        "tie_word_embeddings": architecture.tied,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": architecture.vocabulary,
    }
    if architecture.tied:
        values["scale_decoder_outputs"] = True
    return json.dumps(values, indent=2, sort_keys=True) + "\n"
