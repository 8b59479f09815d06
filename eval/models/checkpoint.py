"""A model of ours, or of Hugging Face, in this process: the only place of this package that reaches JAX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from eval.data.sources import hashed
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

if TYPE_CHECKING:
    from finetune.model.head import EncoderHead

_SPARE = 33  # bits of a hash beyond the 31 that number a prompt


class CheckpointChat:
    """Answers and likelihoods of an encoder-decoder."""

    scores_choices = True

    def __init__(self, folder: Path, options: Options) -> None:
        from finetune.checkpoints import formats
        from finetune.decoding.decoder import ready
        from finetune.model.architecture import Execution

        model, self._run = formats.load(folder), Execution(options.dtype)
        # On the device once, however many ways of answering follow.
        self._model = replace(model, params=ready(model.params, self._run))
        self._shape: dict[str, Any] = {"rows": options.batch, "max_input": options.max_input}
        self._generators: dict[GenerationLimits, Any] = {}
        self._scorer: Any = None

    def generate(self, prompts: Sequence[str], limits: GenerationLimits) -> list[Generation]:
        from finetune.decoding.decoder import Decoding
        from finetune.decoding.generator import TextGenerator

        if limits not in self._generators:
            decoding = Decoding(max_tokens=limits.max_tokens, temperature=limits.temperature, seed=limits.seed)
            self._generators[limits] = TextGenerator(self._model, decoding, self._run, **self._shape)
        # What is drawn for a prompt is the same whatever else is asked with it, or is in the cache already.
        answers = self._generators[limits].answers(prompts, (hashed(prompt) >> _SPARE for prompt in prompts))
        return [Generation(one.text, one.truncated or one.finish_reason == "length") for one in answers]

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        from finetune.decoding.likelihood import Scorer

        if self._scorer is None:
            self._scorer = Scorer(self._model, self._run, **self._shape)
        found = self._scorer.log_likelihoods(pairs)
        return [LogLikelihood(one.log_probability, one.truncated) for one in found]


class Embeddings:
    """A model whose head makes vectors."""

    def __init__(self, folder: Path, head: Any, options: Options) -> None:
        self._embedder = head.load(folder, dtype=options.dtype)
        self.dimensions = tuple(self._embedder.dimensions)

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vectors:
        return np.asarray(self._embedder.embed(list(texts), kind), np.float32)

    def ranges(self, dimension: int) -> Any:
        return self._embedder.ranges.get(dimension)


class Reranking:
    """A model whose head scores a query and a document."""

    def __init__(self, folder: Path, head: Any, options: Options) -> None:
        self._reranker = head.load(folder, dtype=options.dtype)

    def scores(self, query: str, documents: Sequence[str]) -> npt.NDArray[np.float64]:
        return np.asarray(self._reranker.scores(query, list(documents)), np.float64)


_ADAPTERS: Final = {"vectors": Embeddings, "scores": Reranking}  # by the output of a head


def load(spec: str, argument: str, suite: str, options: Options) -> Loaded:
    """Load `checkpoint:DIR`. The rerank suite also takes a model that makes vectors, and compares by cosine."""
    folder = Path(argument)
    head: Any = _head(folder)
    identity = identify(spec, folder, options)
    if suite == "chat":
        if head:
            raise cannot(spec, suite, f"it is {head.name}, which generates no text")
        return Loaded(identity, CheckpointChat(folder, options), "text")
    if head is None:
        raise cannot(spec, suite, "it has no head for that; `glotmill finetune` with [head] trains one (docs/heads.md)")
    if suite == "embed" and head.output != "vectors":
        raise cannot(spec, suite, f"it is {head.name}, which makes no embeddings")
    return Loaded(identity, _ADAPTERS[head.output](folder, head, options), head.output)


def identify(spec: str, folder: Path, options: Options = Options()) -> Identity:
    """Of the weights that `formats.load` takes, whatever else stands beside them."""
    from finetune.checkpoints import model_folder

    told: dict[str, Any] = {"dtype": options.dtype}
    if not _head(folder):  # a head has a longest text of its own
        told["max_input"] = options.max_input
    if not model_folder.ModelFolderFormat().matches(folder):
        weights = [*sorted(folder.glob("*.safetensors")), folder / "config.json"]
        tokenizer = next(
            (path for path in (folder / "spiece.model", folder / "tokenizer.json") if path.is_file()), None
        )
        return Identity(spec, folder.name, file_hash(*weights), file_hash(tokenizer) if tokenizer else "", told)
    about = model_folder.read_about(folder)
    params, step = model_folder.find_params(folder, None)
    sha256 = about.tokenizer.sha256[:32] if about.tokenizer else ""
    told |= {"step": step} if step is not None else {}
    return Identity(spec, folder.name, file_hash(params, folder / model_folder.ABOUT), sha256, told)


def _head(folder: Path) -> EncoderHead | None:
    """Return the head of a model, None if it generates text; raise SourceError if there is no model."""
    from finetune.checkpoints import formats

    return formats.describe(folder).head
