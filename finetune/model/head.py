"""Describe the head of an encoder, as glotmill_model.json holds it, and list the kinds of heads.

A kind is one class in finetune/heads and one row of `HEADS`. The row is a string, because this wing lies below that
one: a model folder is read without its head's code until `head_class` imports it.
"""

from __future__ import annotations

import dataclasses
import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np

from core.errors import ConfigError, UnknownNameError
from finetune.model.quantize import Ranges

HEADS: Final[dict[str, str]] = {  # kind: module and class
    "embed": "finetune.heads.embedding:EmbeddingHead",
    "rerank": "finetune.heads.reranking:RerankingHead",
}
_SHORTEST: Final = 16


class Projection(NamedTuple):
    """The kernel of a head, [D, features], by name."""

    name: str
    features: int


@dataclass(frozen=True)
class EncoderHead(ABC):
    """The head of one encoder. The fields are those of glotmill_model.json; a kind may add its own."""

    name: ClassVar[str]  # such as "an embedding model"
    kind: str = ""
    dimensions: tuple[int, ...] = ()  # embed: lengths that a vector may be cut to, rising; the last is the full length
    query_prefix: str = "query:"
    document_prefix: str = "document:"
    pooling: Literal["mean"] = "mean"  # over the positions that hold an id
    temperature: float = 0.05  # embed: divisor of the cosines in training
    max_tokens: int = 512  # tokens of an input row, prefixes and end token included
    query_tokens: int = 128  # rerank: most tokens of the query
    overlap: int = 64  # rerank: tokens that two neighbouring chunks of a long document share
    limits: Mapping[int, float] = field(default_factory=dict)  # embed: of int8, by dimension; empty until training ends

    def __post_init__(self) -> None:
        if self.max_tokens < _SHORTEST:
            raise ConfigError(f"head.max_tokens is {self.max_tokens}: expected {_SHORTEST} or more")

    @property
    @abstractmethod
    def projection(self) -> Projection:
        """The kernel that makes the head's output from the pooled encoding."""

    @property
    def query_room(self) -> int:
        """Tokens that a query may take of a document's row; 0 if each text has its own row."""
        return 0

    def ranges(self) -> dict[int, Ranges]:
        """Return the ranges of int8 values, by dimension."""
        return {dimension: Ranges.symmetric(limit, dimension) for dimension, limit in self.limits.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the values for glotmill_model.json."""
        values = dataclasses.asdict(self)
        return {**values, "limits": {str(key): float(np.float32(limit)) for key, limit in self.limits.items()}}


def head_class(kind: str) -> type[EncoderHead]:
    """Import the class of a kind of head; raise UnknownNameError for a kind that `HEADS` lacks."""
    if kind not in HEADS:
        raise UnknownNameError("head.kind", kind, HEADS)
    module, _, name = HEADS[kind].partition(":")
    found: type[EncoderHead] = getattr(importlib.import_module(module), name)
    return found
