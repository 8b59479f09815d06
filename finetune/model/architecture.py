"""What a model is: the shape of a T5 1.1, mT5, umT5 or T5 1.0, and how it is run.

The letters in the names of arrays, everywhere in this package:

    B rows   L positions of the input   T positions of the target   Q, K query and key positions
    D width of the model   H heads   A width of a head   N = H x A   F width inside the feed-forward   V vocabulary
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Literal

from core.errors import ConfigError, UnknownNameError


@dataclass(frozen=True)
class Architecture:
    """The shape of the weights. Two models of one architecture take each other's weights."""

    vocabulary: int = 250_112
    width: int = 512
    heads: int = 6
    head_width: int = 64
    feed_forward: int = 1024
    encoder_layers: int = 8
    decoder_layers: int = 8
    activation: Literal["gelu", "relu"] = "gelu"  # gelu is the tanh approximation
    gated: bool = True  # T5 1.0's feed-forward has one kernel instead of wi_0 and wi_1
    tied: bool = False  # the head is the embedding, and the decoder's output is scaled by width^-0.5, as in T5 1.0
    bias_per_layer: bool = False  # umT5's: a table of relative positions in every layer, not one for all
    buckets: int = 32
    max_distance: int = 128
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and value < 1:
                raise ConfigError(f"model.{field.name} is {value}: expected 1 or more")
        if self.buckets % 4 or self.max_distance <= self.buckets // 2:
            raise ConfigError(
                f"model.buckets is {self.buckets} and model.max_distance {self.max_distance}: "
                "expected a multiple of 4, and a distance of more than half of it"
            )

    @property
    def joined(self) -> int:
        """The width of all heads together."""
        return self.heads * self.head_width

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


DTYPES: Final = ("float32", "bfloat16")


@dataclass(frozen=True)
class Execution:
    """How a model is computed. It changes speed, memory and rounding, and no weight's name or shape on disk."""

    dtype: str = "float32"  # or bfloat16: of activations; weights, norms, softmax and loss are float32
    dropout: float = 0.0
    scan: bool = False  # one layer compiled once, run in a loop: deep models compile in seconds
    remat: Literal["none", "minimal", "full"] = "none"  # minimal keeps the outputs of matmuls, full those of layers

    def __post_init__(self) -> None:
        if self.dtype in ("float16", "fp16", "half"):
            raise ConfigError(
                f"execution.dtype is {self.dtype}: T5's activations outgrow its range, and mT5 turns to NaN; "
                "use bfloat16, or float32"
            )
        if self.dtype not in DTYPES:
            raise UnknownNameError("value of execution.dtype", self.dtype, DTYPES)
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"execution.dropout is {self.dropout}: expected 0 or more, and less than 1")


_KERNELS: Final = ("query", "key", "value", "out", "wi", "wi_0", "wi_1", "wo")


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank additions to kernels, trained while all else stays as it is (Hu et al. 2021)."""

    rank: int = 0  # 0: none; all parameters are trained
    alpha: float = 16.0  # the addition is scaled by alpha / rank
    targets: tuple[str, ...] = ()  # names of kernels: query, key, value, out, wi or wi_0 and wi_1, wo; empty: all

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise ConfigError(f"lora.rank is {self.rank}: expected 0 (no LoRA) or more")
        for name in self.targets:
            if name not in _KERNELS:
                raise UnknownNameError("kernel in lora.targets", name, _KERNELS)

    def rank_of(self, kernel: str) -> int:
        return self.rank if kernel in self.targets or not self.targets else 0

    def check(self, architecture: Architecture) -> None:
        """ConfigError for a target that a model of this architecture has not."""
        missing = {"wi"} if architecture.gated else {"wi_0", "wi_1"}
        for name in self.targets:
            if name in missing:
                there = ", ".join(kernel for kernel in _KERNELS if kernel not in missing)
                raise ConfigError(f"lora.targets: this model has no kernel {name}; it has {there}")

    @property
    def scale(self) -> float:
        return self.alpha / self.rank if self.rank else 0.0


def _size(width: int, heads: int, head_width: int, feed_forward: int, layers: int) -> Architecture:
    return Architecture(
        width=width,
        heads=heads,
        head_width=head_width,
        feed_forward=feed_forward,
        encoder_layers=layers,
        decoder_layers=layers,
    )


# From small on they are mT5's; tiny and mini are for tests and laptops.
SIZES: Final = {
    "tiny": _size(64, 4, 16, 128, 2),
    "mini": _size(256, 4, 64, 640, 4),
    "small": _size(512, 6, 64, 1024, 8),
    "base": _size(768, 12, 64, 2048, 12),
    "large": _size(1024, 16, 64, 2816, 24),
    "xl": _size(2048, 32, 64, 5120, 24),
    "xxl": _size(4096, 64, 64, 10240, 24),
}


@dataclass(frozen=True)
class ModelFamily:
    """Models that differ in size only."""

    title: str
    changes: dict[str, Any]  # of the values of Architecture


# By the name that model.family takes. T5 1.1 is mT5 with another vocabulary.
FAMILIES: Final[dict[str, ModelFamily]] = {
    "mt5": ModelFamily("mT5 or T5 1.1", {}),
    "umt5": ModelFamily("umT5", {"bias_per_layer": True}),
    "t5": ModelFamily("T5", {"tied": True, "gated": False, "activation": "relu"}),
}


def family_of(architecture: Architecture) -> ModelFamily:
    """Return the family that an architecture belongs to, or is nearest to."""
    if architecture.bias_per_layer:
        return FAMILIES["umt5"]
    return FAMILIES["mt5" if architecture.gated and not architecture.tied else "t5"]


def architecture(size: str, vocabulary: int, **changes: Any) -> Architecture:
    """The architecture of a size of SIZES, over so many pieces."""
    if size not in SIZES:
        raise UnknownNameError("size of model", size, SIZES)
    return dataclasses.replace(SIZES[size], vocabulary=vocabulary, **changes)
