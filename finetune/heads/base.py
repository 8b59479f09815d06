"""Define what a kind of head is: its inputs, loss, validation, finish and inference.

To add a kind, write one class in one file of this folder, add its row to `finetune.model.head.HEADS`, and show its
configuration in docs/heads.md.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self, cast

import jax
import numpy as np

from core.progress import Progress
from finetune.checkpoints.base import Step
from finetune.heads.config import HeadConfig
from finetune.heads.inputs import HeadInputs, Ids
from finetune.heads.loss import HeadLoss
from finetune.heads.pair_store import PairStore
from finetune.model.head import EncoderHead, head_class
from finetune.training.validation_metrics import LanguageMetrics

Array = jax.Array
Encode = Callable[[Array, Array | None, int], Array]  # ids [N, L], key of dropout, chunks -> [N, features]


class HeadBatch(NamedTuple):
    """A batch of pairs: int32 ids, 0 for padding. The keys are those of `loss.Keys`.

    A head that reads query and document together has both in `document_RxMxL`, and no columns in `query_RxL`.
    """

    query_RxL: Any
    document_RxMxL: Any
    query_keys_R: Any
    document_keys_RxM: Any


class PairRows(NamedTuple):
    """The input rows of some pairs."""

    queries: list[Ids]  # one a pair; empty arrays if query and document share a row
    documents: list[Ids]  # those of each pair, one pair after another


@dataclass(frozen=True, eq=False)
class PairValidation:
    """The held-out pairs, and what scores them."""

    store: PairStore
    inputs: HeadInputs
    negatives: Mapping[str, Sequence[Sequence[int]]]  # by language, of each pair; empty if the head samples none
    outputs: Callable[[Sequence[Ids]], np.ndarray]  # input rows to float32 [rows, features]


class TrainableHead(EncoderHead):
    """One kind of head. Instances hold what glotmill_model.json says; training options are in `HeadConfig`."""

    options: ClassVar[tuple[str, ...]] = ()  # keys of [head] that this kind reads and not every other kind does
    output: ClassVar[Literal["vectors", "scores"]]  # what `load` returns can do: embed(...) or scores(...)
    usage: ClassVar[str]  # how a script loads the model
    samples_negatives: ClassVar[bool] = False  # whether pairs with too few negatives get random ones

    @classmethod
    @abstractmethod
    def of(cls, config: HeadConfig) -> Self:
        """Return the head that a configuration asks for; raise ConfigError if its options do not fit."""

    @abstractmethod
    def rows(self, inputs: HeadInputs, pairs: Sequence[tuple[Ids, Sequence[Ids | None]]]) -> PairRows:
        """Return the input rows of pairs of a query and its documents; None stands for a missing document."""

    @abstractmethod
    def loss(self, encode: Encode, batch: HeadBatch, config: HeadConfig, key: Array | None) -> HeadLoss:
        """Return the loss of a batch; `key` is of dropout, None for no dropout."""

    @abstractmethod
    def measure(self, validation: PairValidation) -> list[LanguageMetrics]:
        """Return how well queries find their documents, by language."""

    def finish(self, folder: Path, store: PairStore, config: HeadConfig, progress: Progress) -> None:
        """Complete the model folder after the last checkpoint was saved."""

    @abstractmethod
    def load(self, folder: Path, *, batch_tokens: int = 16384, dtype: str = "float32", step: Step = None) -> Any:
        """Load the trained model for inference."""


def trainable_head(kind: str) -> type[TrainableHead]:
    """Return the class of a kind of head; raise UnknownNameError if there is none."""
    return cast(type[TrainableHead], head_class(kind))
