"""What was recorded of any model, as JSON lines: scores without the model, or without running it twice.

{"prompt": ..., "text": ...}                                 an answer
{"prompt": ..., "choice": ..., "log_likelihood": ...}        how likely an answer is
{"text": ..., "embedding": [...], "kind": "query"}           kind: query, document; left out: both
{"query": ..., "document": ..., "score": ...}                a reranker's score
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from core.errors import SourceError
from eval.models.base import (
    Generation,
    GenerationLimits,
    Identity,
    Loaded,
    LogLikelihood,
    Options,
    TextKind,
    Vectors,
    cannot,
    file_hash,
)

_NEEDED: Final = {"chat": "prompt", "embed": "embedding", "rerank": "query"}
_MAKES: Final[dict[str, Any]] = {"chat": "text", "embed": "vectors", "rerank": "scores"}


class ReplayModel:
    """Answers, vectors and scores from a file; SourceError for what it does not have."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._texts: dict[str, str] = {}
        self._choices: dict[tuple[str, str], float] = {}
        self._vectors: dict[tuple[str, str], list[float]] = {}
        self._scores: dict[tuple[str, str], float] = {}
        for number, line in enumerate(_lines(path), 1):
            try:
                self._add(orjson.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise SourceError(f"line {number} of {path} is no recording: {error}") from None
        self.scores_choices = bool(self._choices)
        lengths = sorted({len(vector) for vector in self._vectors.values()})
        if len(lengths) > 1:
            raise SourceError(
                f"{path} has embeddings of {lengths[0]} and of {lengths[-1]} numbers: expected one length"
            )
        self.dimensions = tuple(lengths)

    def _add(self, row: dict[str, Any]) -> None:
        if "embedding" in row:
            for kind in (row["kind"],) if "kind" in row else ("query", "document"):
                self._vectors[kind, row["text"]] = [_number(value) for value in row["embedding"]]
        elif "log_likelihood" in row:
            self._choices[row["prompt"], row["choice"]] = _number(row["log_likelihood"])
        elif "score" in row:
            self._scores[row["query"], row["document"]] = _number(row["score"])
        else:
            self._texts[row["prompt"]] = str(row["text"])

    def has(self, suite: str) -> bool:
        return bool({"chat": self._texts or self._choices, "embed": self._vectors, "rerank": self._scores}[suite])

    def generate(self, prompts: Sequence[str], limits: GenerationLimits) -> list[Generation]:
        return [Generation(self._find(self._texts, prompt, prompt)) for prompt in prompts]

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        return [LogLikelihood(self._find(self._choices, pair, pair[0])) for pair in pairs]

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vectors:
        found = [self._find(self._vectors, (kind, text), text) for text in texts]
        return np.array(found, np.float32).reshape(len(texts), *self.dimensions)

    def ranges(self, dimension: int) -> Any:
        return None

    def scores(self, query: str, documents: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.array([self._find(self._scores, (query, document), query) for document in documents], np.float64)

    def _find(self, table: dict[Any, Any], key: Any, shown: str) -> Any:
        if key not in table:
            raise SourceError(f"{self._path} has no recording for {shown[:80]!r}")
        return table[key]


def _number(value: Any) -> float:
    """JSON has no NaN: null stands for it."""
    return float("nan") if value is None else float(value)


def _lines(path: Path) -> list[bytes]:
    try:
        return [line for line in path.read_bytes().split(b"\n") if line.strip()]
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None


def load(spec: str, argument: str, suite: str, options: Options) -> Loaded:
    """`replay:FILE`."""
    path = Path(argument)
    model = ReplayModel(path)
    identity = Identity(spec, path.stem, file_hash(path))
    if suite == "rerank" and not model.has(suite) and model.has("embed"):
        return Loaded(identity, model, "vectors")
    if not model.has(suite):
        raise cannot(spec, suite, f'none of its lines has "{_NEEDED[suite]}"')
    return Loaded(identity, model, _MAKES[suite])
