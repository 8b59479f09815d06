"""A server that speaks Cohere's API: embed, rerank and chat of version 2, by Cohere's own client."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from eval.model import Generation, Identity, Limits, Loaded, LogLikelihood, Options, TextKind, Vectors, cannot
from glotmill.errors import MissingDependencyError, SourceError

_TEXTS: Final = 96  # the most texts that a call of embed may have
_DOCUMENTS: Final = 1_000  # and documents of a call of rerank
_CALLS: Final = 4  # at a time
_KINDS: Final = {"query": "search_query", "document": "search_document"}
T = TypeVar("T")


class Server:
    """The three interfaces on one server. Its client tries again what is refused for a while; then it is an error."""

    scores_choices = False

    def __init__(self, spec: str, url: str, name: str, options: Options) -> None:
        try:
            import cohere
            import httpx
        except ImportError as error:
            raise MissingDependencyError(str(error.name), "augment", spec) from None
        key = options.key or os.environ.get("CO_API_KEY", "")
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
        def ask(piece: Sequence[str]) -> list[list[float]]:
            answer = self._call(
                lambda: self._client.embed(
                    model=self._name, input_type=_KINDS[kind], texts=list(piece), embedding_types=["float"]
                )
            )
            found = answer.embeddings.float_ or []
            if len(found) != len(piece):
                raise SourceError(f"{self._url} gave {len(found)} vectors for {len(piece)} texts")
            return found

        pieces = [texts[start : start + _TEXTS] for start in range(0, len(texts), _TEXTS)]
        rows = [row for part in self._together(ask, pieces) for row in part]
        vectors = np.array(rows, np.float32) if rows else np.empty((0, max(self.dimensions, default=0)), np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)

    def ranges(self, dimension: int) -> Any:
        return None

    def scores(self, query: str, documents: Sequence[str]) -> npt.NDArray[np.float64]:
        found = np.full(len(documents), np.nan)
        for start in range(0, len(documents), _DOCUMENTS):
            piece = list(documents[start : start + _DOCUMENTS])
            ask = functools.partial(self._client.rerank, model=self._name, query=query, documents=piece)
            answer = self._call(ask)
            for one in answer.results:
                found[start + one.index] = one.relevance_score
        return found

    def generate(self, prompts: Sequence[str], limits: Limits) -> list[Generation]:
        import cohere

        def ask(prompt: str) -> Generation:
            answer = self._call(
                lambda: self._client.chat(
                    model=self._name,
                    messages=[cohere.UserChatMessageV2(content=prompt)],
                    max_tokens=limits.max_tokens,
                    temperature=limits.temperature,
                    seed=limits.seed,
                )
            )
            text = "".join(getattr(part, "text", "") or "" for part in answer.message.content or ())
            return Generation(text, answer.finish_reason == "MAX_TOKENS")

        return self._together(ask, list(prompts))

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        raise cannot(self._spec, "chat", "Cohere's API does not tell how likely a given answer is")

    def _together(self, ask: Callable[[Any], T], asked: Sequence[Any]) -> list[T]:
        with ThreadPoolExecutor(_CALLS) as pool:
            return list(pool.map(ask, asked))

    def _call(self, call: Callable[[], Any]) -> Any:
        import httpx
        from cohere.core.api_error import ApiError

        try:
            return call()
        except ApiError as error:
            body = error.body.get("message", error.body) if isinstance(error.body, dict) else error.body
            raise SourceError(f"{self._url} answered {error.status_code}: {str(body)[:200]}") from None
        except (httpx.HTTPError, OSError) as error:
            raise SourceError(f"{self._url} cannot be reached: {str(error)[:200] or type(error).__name__}") from None


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
