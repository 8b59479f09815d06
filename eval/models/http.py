"""A server that speaks Cohere's API: embed, rerank and chat of version 2, by Cohere's own client."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from core.errors import MissingDependencyError, SourceError
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
)

_TEXTS: Final = 96  # the most texts that a call of embed may have
_DOCUMENTS: Final = 1_000  # and documents of a call of rerank
_CALLS: Final = 4  # at a time
_PAUSES: Final = (0.25, 0.5, 1.0)  # seconds before a broken connection is tried again
_LARGEST: Final = 1e38  # that a vector of 32 bits holds
_KINDS: Final = {"query": "search_query", "document": "search_document"}
T = TypeVar("T")


class Server:
    """The three interfaces on one server. Its client tries again what is refused for a while; then it is an error."""

    scores_choices = False
    # What is asked before it is kept: all of these are paid for.
    texts_together = _CALLS * _TEXTS
    documents_together = _DOCUMENTS
    answers_together = 4 * _CALLS

    def __init__(self, spec: str, url: str, name: str, options: Options) -> None:
        try:
            import cohere
            import httpx
        except ImportError as error:
            raise MissingDependencyError(str(error.name), "augment", spec) from None
        key = os.environ.get("CO_API_KEY", "")
        self._connections = httpx.Client(timeout=options.timeout, follow_redirects=True)
        self._client = cohere.ClientV2(api_key=key, base_url=url.rstrip("/"), httpx_client=self._connections)
        self._spec, self._name, self._url = spec, name, url
        self.dimensions: tuple[int, ...] = ()

    def close(self) -> None:
        """Ends its connections."""
        self._connections.close()

    def measure(self) -> None:
        """Asks how long its vectors are."""
        self.dimensions = (self.embed(["glotmill"], "query").shape[1],)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vectors:
        def ask(piece: Sequence[str]) -> Vectors:
            return self._asked(
                lambda: self._client.embed(
                    model=self._name, input_type=_KINDS[kind], texts=list(piece), embedding_types=["float"]
                ),
                lambda answer: _vectors(answer, len(piece)),
            )

        pieces = [texts[start : start + _TEXTS] for start in range(0, len(texts), _TEXTS)]
        parts = self._together(ask, pieces) or [np.empty((0, max(self.dimensions, default=0)), np.float32)]
        lengths = {part.shape[1] for part in parts} | set(self.dimensions)
        if len(lengths) > 1:
            raise SourceError(f"{self._url} gave vectors of different lengths: {', '.join(map(str, sorted(lengths)))}")
        vectors = np.concatenate(parts)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(norms > 0, norms, 1), np.float32)

    def ranges(self, dimension: int) -> Any:
        return None

    def scores(self, query: str, documents: Sequence[str]) -> npt.NDArray[np.float64]:
        def ask(piece: Sequence[str]) -> npt.NDArray[np.float64]:
            return self._asked(
                lambda: self._client.rerank(model=self._name, query=query, documents=list(piece)),
                lambda answer: _scores(answer, len(piece)),
            )

        pieces = [documents[start : start + _DOCUMENTS] for start in range(0, len(documents), _DOCUMENTS)]
        return np.concatenate([np.empty(0), *self._together(ask, pieces)])

    def generate(self, prompts: Sequence[str], limits: GenerationLimits) -> list[Generation]:
        import cohere

        def ask(prompt: str) -> Generation:
            return self._asked(
                lambda: self._client.chat(
                    model=self._name,
                    messages=[cohere.UserChatMessageV2(content=prompt)],
                    max_tokens=limits.max_tokens,
                    temperature=limits.temperature,
                    seed=limits.seed,
                ),
                _generation,
            )

        return self._together(ask, list(prompts))

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        raise cannot(self._spec, "chat", "Cohere's API does not tell how likely a given answer is")

    def _together(self, ask: Callable[[Any], T], asked: Sequence[Any]) -> list[T]:
        with ThreadPoolExecutor(_CALLS) as pool:
            return list(pool.map(ask, asked))

    def _asked(self, call: Callable[[], Any], read: Callable[[Any], T]) -> T:
        """What `read` makes of an answer; SourceError where the answer has another shape."""
        try:
            return read(self._call(call))
        except _Misshapen as error:
            why = str(error)
        except (AttributeError, TypeError, ValueError):  # Cohere's client stumbles over what is no object
            why = "what Cohere's client cannot read"
        raise SourceError(f"{self._url} gave {why}; expected an answer of Cohere's API v2")

    def _call(self, call: Callable[[], Any]) -> Any:
        """An answer; a connection that breaks is tried again. What is refused for a while, the client tries again."""
        import httpx
        from cohere.core.api_error import ApiError

        for pause in (*_PAUSES, None):
            try:
                return call()
            except ApiError as error:
                body = error.body.get("message", error.body) if isinstance(error.body, dict) else error.body
                why = " ".join(str(body).split())[:200]
                raise SourceError(f"{self._url} answered {error.status_code}: {why}") from None
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                broken = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
                if pause is None or not broken:
                    why = " ".join(str(error).split())[:200] or type(error).__name__
                    raise SourceError(f"{self._url} cannot be reached: {why}") from None
                time.sleep(pause)
        raise AssertionError


class _Misshapen(Exception):
    """What an answer has that Cohere's API has not."""


def _vectors(answer: Any, count: int) -> Vectors:
    """The vectors [count, D] of an answer of embed; _Misshapen says what is there instead."""
    found = getattr(getattr(answer, "embeddings", None), "float_", None)
    rows = found if isinstance(found, list) else []
    if len(rows) != count:
        raise _Misshapen(f"{len(rows)} vectors for {count} texts")
    lengths = {len(row) if isinstance(row, list) else 0 for row in rows}
    if len(lengths) != 1 or 0 in lengths:
        raise _Misshapen(f"vectors of different or no length: {', '.join(map(str, sorted(lengths)))}")
    if not all(map(_is_number, itertools.chain.from_iterable(rows))):
        raise _Misshapen("vectors with something that is no number")
    return np.array(rows, np.float32)


def _scores(answer: Any, count: int) -> npt.NDArray[np.float64]:
    """The scores [count] of an answer of rerank, in the order of the documents; _Misshapen where one has none."""
    results = getattr(answer, "results", None)
    found = np.full(count, np.nan)
    for one in results if isinstance(results, list) else ():
        place, score = getattr(one, "index", None), getattr(one, "relevance_score", None)
        if not isinstance(place, int) or not 0 <= place < count:
            raise _Misshapen(f"a score to the document {place!r} of {count}")
        if not np.isnan(found[place]):
            raise _Misshapen(f"two scores to the document {place}")
        if not _is_number(score):
            raise _Misshapen(f"the document {place} a score that is no number: {score!r}")
        found[place] = score
    if missing := int(np.isnan(found).sum()):
        raise _Misshapen(f"no score to {missing} of {count} documents")
    return found


def _generation(answer: Any) -> Generation:
    """The text of an answer of chat; _Misshapen where it has none. No content is an empty answer."""
    message, reason = getattr(answer, "message", None), getattr(answer, "finish_reason", None)
    if message is None or not isinstance(reason, str):
        raise _Misshapen("no message, or no reason why it ended")
    content = getattr(message, "content", None)
    parts = [] if content is None else content
    if not isinstance(parts, list) or isinstance(message, dict):
        raise _Misshapen("a message whose content is no list")
    # What a model thinks comes in parts of another type.
    texts = [getattr(part, "text", None) for part in parts if getattr(part, "type", None) == "text"]
    if not all(isinstance(text, str) for text in texts) or any(not hasattr(part, "type") for part in parts):
        raise _Misshapen("a message with a part that has no text")
    return Generation("".join(map(str, texts)), reason == "MAX_TOKENS")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def load(spec: str, argument: str, suite: str, options: Options) -> Loaded:
    """`http:URL` or `http:URL#MODEL`; the URL may leave out its own `http:`."""
    url, _, name = argument.partition("#")
    if "://" not in url:
        url = f"http://{url.lstrip('/')}"
    server = Server(spec, url, name or "default", options)
    if suite == "embed":
        try:
            server.measure()
        except BaseException:
            server.close()
            raise
    # A server's weights cannot be looked at: it is known by its address and the model's name.
    makes: dict[str, Any] = {"embed": "vectors", "rerank": "scores", "chat": "text"}
    return Loaded(Identity(spec, name or url, f"{url}#{name}"), server, makes[suite])
