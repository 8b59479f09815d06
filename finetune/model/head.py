"""What a model with a head is: an encoder that turns texts into vectors, or a question with a document into a score.

It stands in glotmill_model.json as `head`, and holds all that whoever uses the model needs to know.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from core.errors import ConfigError
from finetune.model.quantize import Ranges

HeadKind = Literal["embed", "rerank"]
WORDS: Final = {"embed": "embedding model", "rerank": "rerank model"}
_SHORTEST: Final = 16


class Projection(NamedTuple):
    """The kernel of a head, [D, features], by name."""

    name: str
    features: int


@dataclass(frozen=True)
class Head:
    """Of one model."""

    kind: HeadKind
    dimensions: tuple[int, ...] = ()  # embed: lengths that a vector may be cut to, rising; the last is its own
    query_prefix: str = "query:"
    document_prefix: str = "document:"
    pooling: Literal["mean"] = "mean"  # over the positions that hold an id
    temperature: float = 0.05  # embed: that cosines were divided by in training
    max_tokens: int = 512  # of what goes through the encoder, prefixes and end included
    query_tokens: int = 128  # rerank: of them for the query, at most
    overlap: int = 64  # rerank: ids that two neighbouring chunks of a long document share
    limits: Mapping[int, float] = field(default_factory=dict)  # embed: of int8, by dimension; empty before the end

    def __post_init__(self) -> None:
        if self.max_tokens < _SHORTEST:
            raise ConfigError(f"head.max_tokens is {self.max_tokens}: expected {_SHORTEST} or more")
        if self.kind == "embed":
            sizes = list(self.dimensions)
            if not sizes or sizes != sorted(set(sizes)) or any(size < 8 or size % 8 for size in sizes):
                raise ConfigError(
                    f"head.dimensions is {sizes}: expected rising multiples of 8, such as [256, 512, 1024, 1536]"
                )
        elif not 0 <= self.overlap < self.max_tokens // 4 or not 1 <= self.query_tokens <= self.max_tokens // 2:
            raise ConfigError(
                f"head.overlap is {self.overlap} and head.query_tokens {self.query_tokens}: expected less than a "
                f"quarter, and at most half, of head.max_tokens, {self.max_tokens}"
            )

    @property
    def projection(self) -> Projection:
        if self.kind == "embed":
            return Projection("embedding_projection", self.dimensions[-1])
        return Projection("rerank_projection", 1)

    def ranges(self) -> dict[int, Ranges]:
        """What int8 stands for, by dimension."""
        return {dimension: Ranges.symmetric(limit, dimension) for dimension, limit in self.limits.items()}

    def to_json(self) -> dict[str, Any]:
        values = dataclasses.asdict(self)
        return {**values, "limits": {str(key): float(np.float32(one)) for key, one in self.limits.items()}}
