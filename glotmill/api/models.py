"""Train a model, and use one that was trained."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from glotmill.api.arguments import ConfigLike, Overrides, PathLike, configured, path_of, progress_of

if TYPE_CHECKING:
    import numpy as np

    from finetune.decoding.generator import TextGenerator
    from finetune.heads.embedder import Embedder
    from finetune.heads.reranker import Reranker
    from finetune.train import TrainingResult


def finetune(
    config: ConfigLike,
    out: PathLike,
    *,
    overrides: Overrides = None,
    fresh: bool = False,
    progress: bool = False,
) -> TrainingResult:
    """Train a model until the last step of its configuration, or resume training, as `glotmill finetune` does.

    Args:
        config: a TOML file, or its keys and values; docs/configuration.md lists them.
        out: the run folder to write.
        overrides: values by dotted key, such as `{"steps": 2000}`.
        fresh: discard what is in `out`.
        progress: print progress on stderr.

    Raises:
        UserError: the configuration, what it names, or `out` cannot be used.
    """
    from finetune.config import FinetuneConfig
    from finetune.train import train

    resolved = configured(FinetuneConfig, config, overrides)
    return train(resolved, path_of(out), fresh=fresh, progress=progress_of(progress))


class Model:
    """A trained model on disk, loaded into memory when it is first used.

    A whole model generates text. An encoder with an embedding head embeds, one with a reranking head reranks.
    """

    def __init__(self, path: Path, *, dtype: str, step: int | Literal["best", "last"] | None) -> None:
        self.path, self._dtype, self._step = path, dtype, step

    @classmethod
    def load(
        cls, path: PathLike, *, dtype: str = "float32", step: int | Literal["best", "last"] | None = None
    ) -> Model:
        """Open a model folder, a training run or a Hugging Face folder.

        Args:
            path: the folder.
            dtype: `float32`, or `bfloat16` for half the memory.
            step: of a run, a step other than the best or newest one.

        Raises:
            SourceError: there is no model in the folder.
        """
        from finetune.checkpoints import formats

        folder = path_of(path)
        formats.describe(folder)
        return cls(folder, dtype=dtype, step=step)

    @overload
    def generate(self, prompts: str, **options: Any) -> str: ...
    @overload
    def generate(self, prompts: Sequence[str], **options: Any) -> list[str]: ...
    def generate(self, prompts: str | Sequence[str], *, stop: Sequence[str] = (), **options: Any) -> str | list[str]:
        """Return an answer to a prompt, or to each of several, in order.

        Args:
            prompts: one text or several.
            stop: strings that end an answer.
            **options: the fields of `finetune.decoding.decoder.Decoding`: `max_tokens`, `beams`, `length_penalty`,
                `temperature`, `top_k`, `top_p`, `seed`.

        Raises:
            ConfigError: the model is an encoder with a head, or an option is out of range.
        """
        generator = self._generator(tuple(stop), **options)
        if isinstance(prompts, str):
            return next(generator.answers([prompts])).text
        return [answer.text for answer in generator.answers(prompts)]

    def embed(
        self, texts: Sequence[str], kind: Literal["query", "document"] = "document", **options: Any
    ) -> np.ndarray:
        """Return the vectors of texts, float32 [texts, dimension]; `Embedder.embed` has the options.

        Raises:
            ConfigError: the model has no embedding head.
        """
        return self._embedder.embed(texts, kind, **options)

    def rerank(self, query: str, documents: Sequence[str], **options: Any) -> np.ndarray:
        """Return a score from 0 to 1 for each document, float32 [documents]; `Reranker.scores` has the options.

        Raises:
            ConfigError: the model has no reranking head.
        """
        return self._reranker.scores(query, documents, **options)

    @functools.lru_cache(maxsize=4)  # noqa: B019 - a model and its few generators live and die together
    def _generator(self, stop: tuple[str, ...], **options: Any) -> TextGenerator:
        from finetune.decoding.decoder import Decoding
        from finetune.decoding.generator import TextGenerator
        from finetune.model.architecture import Execution

        return TextGenerator.load(self.path, Decoding(**options), Execution(self._dtype), step=self._step, stop=stop)

    @functools.cached_property
    def _embedder(self) -> Embedder:
        from finetune.heads.embedder import Embedder

        return Embedder.load(self.path, dtype=self._dtype, step=self._step)

    @functools.cached_property
    def _reranker(self) -> Reranker:
        from finetune.heads.reranker import Reranker

        return Reranker.load(self.path, dtype=self._dtype, step=self._step)
