"""Turn texts into vectors with a model that `glotmill finetune` trained.

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
from finetune.checkpoints.base import Step
from finetune.heads.inference import HeadModel
from finetune.heads.inputs import TextKind
from finetune.model.quantize import Ranges

_LEAST: Final = 1e-12
_TEXTS_IN_MEMORY: Final = 8192  # whose ids are in memory together


class Embedder:
    """An embedding model in memory.

    Attributes:
        dimensions: the lengths that a vector may have, as trained.
        max_tokens: most ids of a text, with prefix and end token; longer texts are cut.
        ranges: the values that int8 represents, by dimension (`finetune.model.quantize`); empty until training ends.
    """

    def __init__(self, model: HeadModel) -> None:
        self._model = model
        self.dimensions: tuple[int, ...] = model.head.dimensions
        self.max_tokens: int = model.head.max_tokens
        self.ranges: Mapping[int, Ranges] = model.head.ranges()

    @classmethod
    def load(cls, folder: Path, *, batch_tokens: int = 16384, dtype: str = "float32", step: Step = None) -> Embedder:
        """Load a model folder or a run.

        Args:
            folder: what `glotmill finetune` wrote with head.kind = "embed".
            batch_tokens: most positions that go through the encoder together, padding included.
            dtype: float32, or bfloat16: faster on accelerators, and equal to about 2 decimal places only.
            step: of a run, a step other than the best or the last one.

        Raises:
            ConfigError: the folder holds another kind of model.
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
        """Return the vectors of texts, float32 [texts, dimension], of length 1.

        A text's vector does not depend on the other texts, but for rounding (1e-5). A dimension that was not trained
        raises ConfigError.

        Args:
            texts: any texts; an empty text has a vector, too.
            kind: whether the texts are queries or documents.
            dimension: one of `dimensions`, the last if None. A vector is cut to it before it is scaled to length 1.
            normalize: whether to scale vectors to length 1.
            cut: the side at which a text that is too long is cut.
        """
        size = self.dimensions[-1] if dimension is None else dimension
        if size not in self.dimensions:
            trained = ", ".join(map(str, self.dimensions))
            raise ConfigError(f"dimension is {size}: this model was trained for {trained}")
        vectors = np.zeros((len(texts), size), np.float32)
        for start in range(0, len(texts), _TEXTS_IN_MEMORY):
            part = texts[start : start + _TEXTS_IN_MEMORY]
            rows = [self._model.inputs.single(ids, kind, cut=cut) for ids in self._model.inputs.ids(part)]
            vectors[start : start + len(part)] = self._model.outputs(rows)[:, :size]
        return unit(vectors) if normalize else vectors

    def count_tokens(self, texts: Sequence[str], kind: TextKind = "document") -> list[int]:
        """Return how many ids each text has, with prefix and end token, before it is cut to `max_tokens`."""
        added = len(self._model.inputs.prefix(kind)) + 1
        return [len(ids) + added for ids in self._model.inputs.ids(texts)]


def unit(vectors_NxD: np.ndarray) -> np.ndarray:
    """Scale each vector to length 1; a zero vector stays zero."""
    lengths = np.sqrt(np.square(vectors_NxD, dtype=np.float64).sum(1, keepdims=True))
    return np.asarray(vectors_NxD / np.maximum(lengths, _LEAST), np.float32)
