"""Load each model of an evaluation once, and put the answer cache in front of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.config import EvalConfig
from eval.models.answer_cache import AnswerCache
from eval.models.base import Loaded, Options, load
from eval.models.cached import CachedChat, CachedEmbedder, CachedReranker
from eval.suites.base import NamedModel
from eval.task import Suite


class ModelPool:
    """The model under evaluation and its helpers: first stages, opponents and judges."""

    def __init__(self, config: EvalConfig, cache: AnswerCache) -> None:
        self._options = Options(config.batch, config.max_input, config.dtype, config.timeout)
        self._cache = cache
        self._loaded: dict[str, Loaded] = {}
        self._named: dict[str, NamedModel] = {}

    def load(self, spec: str, suite: Suite) -> NamedModel:
        """Return a model for a suite, loaded once; ConfigError where the model lacks the suite's interface."""
        key = f"{suite} {spec}"
        if key not in self._named:
            loaded = self._loaded[key] = load(spec, suite, self._options)
            self._named[key] = NamedModel(loaded.identity, self._cached(loaded, spec), loaded.makes)
        return self._named[key]

    def _cached(self, loaded: Loaded, spec: str) -> Any:
        identity, model, makes = loaded
        if makes == "scores":
            # Scores of a reference ranker depend on the whole list, so lists are cached, not documents.
            return CachedReranker(identity, model, self._cache, apart=not spec.startswith("ranker:"))
        return {"text": CachedChat, "vectors": CachedEmbedder}[makes](identity, model, self._cache)

    def identities(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what answers depend on, for each model, by suite and name."""
        return {key: loaded.identity.to_json() for key, loaded in sorted(self._loaded.items())}

    def close(self) -> None:
        """Release what the models hold, such as connections."""
        for loaded in self._loaded.values():
            loaded.close()
