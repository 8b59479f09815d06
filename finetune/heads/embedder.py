"""Texts as vectors, with a model that `glotmill finetune` trained for it.

embedder = Embedder.load(Path("runs/embed"))
queries = embedder.embed(["Habari ya leo?"], "query", dimension=256)
documents = embedder.embed(texts, "document", dimension=256)
scores = queries @ documents.T
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np

from core.errors import ConfigError
from finetune.checkpoints.model_folder import Step
from finetune.heads.inference import HeadModel
from finetune.heads.inputs import TextKind
from finetune.model.quantize import Ranges

_LEAST: Final = 1e-12
_AT_ONCE: Final = 8192  # texts whose ids are in memory


class Embedder:
    """A model in memory.

    Attributes:
        dimensions: the lengths that a vector may be asked in, as trained.
        max_tokens: ids of a text, its prefix and end among them; what is longer is cut.
        ranges: what int8 stands for, by dimension (`finetune.model.quantize`); empty where the training did not end.
    """

    def __init__(self, model: HeadModel) -> None:
        self._model = model
        self.dimensions: tuple[int, ...] = model.head.dimensions
        self.max_tokens: int = model.head.max_tokens
        self.ranges: Mapping[int, Ranges] = model.head.ranges()

    @classmethod
    def load(cls, folder: Path, *, batch_tokens: int = 16384, dtype: str = "float32", step: Step = None) -> Embedder:
        """Of a model folder or a run of training.

        Args:
            folder: what `glotmill finetune` wrote with head.kind = "embed".
            batch_tokens: positions that go through the encoder together at most, padding included.
            dtype: float32, or bfloat16: quicker on accelerators, and equal to some 2 decimal places only.
            step: of a run, instead of the best or the last one.

        Raises:
            ConfigError: the folder's model is another kind of model.
            SourceError: there is no model, or it is damaged.
        """
        return cls(HeadModel.load(folder, "embed", batch_tokens, dtype, step))

    def embed(
        self,
        texts: Sequence[str],
        kind: TextKind,
        *,
        dimension: int | None = None,
        normalize: bool = True,
        cut: Literal["start", "end"] = "end",
    ) -> np.ndarray:
        """Vectors of texts, float32 [texts, dimension], of length 1.

        A text's vector does not depend on the texts beside it, but for rounding (1e-5). ConfigError for a dimension
        that was not trained.

        Args:
            texts: any; an empty one has a vector, too.
            kind: whether these are what is asked with or what is to be found.
            dimension: one of `dimensions`, the last if None. A vector is cut to it first, and then brought to length 1.
            normalize: False leaves vectors as long as they are.
            cut: which side a text that is too long loses.
        """
        size = self.dimensions[-1] if dimension is None else dimension
        if size not in self.dimensions:
            there = ", ".join(map(str, self.dimensions))
            raise ConfigError(f"dimension is {size}: this model was trained for {there}")
        found = np.zeros((len(texts), size), np.float32)
        for start in range(0, len(texts), _AT_ONCE):
            part = texts[start : start + _AT_ONCE]
            rows = [self._model.inputs.single(ids, kind, cut=cut) for ids in self._model.inputs.ids(part)]
            found[start : start + len(part)] = self._model.outputs(rows)[:, :size]
        return unit(found) if normalize else found

    def count_tokens(self, texts: Sequence[str], kind: TextKind = "document") -> list[int]:
        """How many ids each text has, prefix and end included, before it is cut to `max_tokens`."""
        beside = len(self._model.inputs.prefix(kind)) + 1
        return [len(ids) + beside for ids in self._model.inputs.ids(texts)]


def unit(vectors_NxD: np.ndarray) -> np.ndarray:
    """Each vector at length 1; one of nothing stays."""
    lengths = np.sqrt(np.square(vectors_NxD, dtype=np.float64).sum(1, keepdims=True))
    return np.asarray(vectors_NxD / np.maximum(lengths, _LEAST), np.float32)
