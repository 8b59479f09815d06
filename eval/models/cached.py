"""Put a cache before each model interface of `eval.models.base`.

Each batch is cached as a unit; if one request fails, the whole batch is retried. A model with paid answers sets smaller
batches: `texts_together`, `documents_together`, `answers_together`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from eval.models.answer_cache import AnswerCache
from eval.models.base import (
    ChatModel,
    EmbedModel,
    Generation,
    GenerationLimits,
    Identity,
    LogLikelihood,
    RerankModel,
    TextKind,
    Vectors,
)

# Inputs of one batch, whose answers are stored together. The longest come first, so that similar lengths meet.
_TEXTS: Final = 2_048
_ANSWERS: Final = 256


class CachedEmbedder:
    """An embedding model with its vectors cached by model, kind and text."""

    def __init__(self, identity: Identity, model: EmbedModel, cache: AnswerCache) -> None:
        self._identity, self._model, self._cache = identity, model, cache
        self.dimensions = model.dimensions

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vectors:
        def answer(new: list[Any]) -> list[bytes]:
            order = sorted(range(len(new)), key=lambda place: -len(new[place]))
            vectors = self._model.embed([new[place] for place in order], kind)
            found = [b""] * len(new)
            for place, vector in zip(order, np.asarray(vectors, "<f4"), strict=True):
                found[place] = vector.tobytes()
            return found

        made = self._cache.all(
            ("embed", self._identity.key, kind), list(texts), answer, _lot(self._model, "texts_together", _TEXTS)
        )
        return np.frombuffer(b"".join(made), "<f4").reshape(len(made), self.dimensions[-1]).astype(np.float32)

    def ranges(self, dimension: int) -> Any:
        return self._model.ranges(dimension)


class CachedReranker:
    """A reranker with its scores cached by model, query and document; uncached if scores depend on the whole list."""

    def __init__(self, identity: Identity, model: RerankModel, cache: AnswerCache, *, apart: bool = True) -> None:
        self._identity, self._model, self._cache, self._apart = identity, model, cache, apart

    def scores(self, query: str, documents: Sequence[str]) -> npt.NDArray[np.float64]:
        context = ("rerank", self._identity.key, query)
        if not self._apart:
            return np.asarray(self._model.scores(query, documents), np.float64)

        def answer(new: list[Any]) -> list[bytes]:
            return [np.float64(one).tobytes() for one in self._model.scores(query, new)]

        made = self._cache.all(context, list(documents), answer, _lot(self._model, "documents_together", _TEXTS))
        return np.frombuffer(b"".join(made), np.float64)


class CachedChat:
    """A chat model with answers cached by model, prompt and limits, and likelihoods by model, prompt and answer."""

    def __init__(self, identity: Identity, model: ChatModel, cache: AnswerCache) -> None:
        self._identity, self._model, self._cache = identity, model, cache
        self.scores_choices = model.scores_choices

    def generate(self, prompts: Sequence[str], limits: GenerationLimits) -> list[Generation]:
        def answer(new: list[Any]) -> list[bytes]:
            return [orjson.dumps([one.text, one.truncated]) for one in self._model.generate(new, limits)]

        context = ("generate", self._identity.key, *map(str, astuple(limits)))
        made = self._cache.all(context, list(prompts), answer, _lot(self._model, "answers_together", _ANSWERS))
        return [Generation(*orjson.loads(one)) for one in made]

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        def answer(new: list[Any]) -> list[bytes]:
            found = self._model.log_likelihoods([(prompt, choice) for prompt, choice in new])
            return [np.float64(one.value).tobytes() + bytes([one.truncated]) for one in found]

        made = self._cache.all(("likelihood", self._identity.key), [list(pair) for pair in pairs], answer, _TEXTS)
        return [LogLikelihood(float(np.frombuffer(one[:8], np.float64)[0]), bool(one[8])) for one in made]


def _lot(model: object, name: str, usual: int) -> int:
    """Return the batch size that a model sets under `name`, or the usual one."""
    return int(getattr(model, name, usual))
