"""What a user can set about an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.errors import ConfigError, UnknownNameError
from finetune.model.quantize import PRECISIONS


@dataclass(frozen=True)
class EmbedSettings:
    """Embeddings: cut to what dimensions, held in what precisions, beside the whole vectors, always judged."""

    dimensions: tuple[int, ...] = ()
    precisions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.precisions:
            if name not in PRECISIONS:
                raise UnknownNameError("precision", name, PRECISIONS)
        if any(dimension < 8 for dimension in self.dimensions):
            raise ConfigError(f"embed.dimensions is {list(self.dimensions)}: expected 8 or more each")


@dataclass(frozen=True)
class RerankSettings:
    """Reranking: of what a first stage found."""

    first: str = "bm25"  # bm25, or a model that makes embeddings, as --model has it
    depth: int = 50  # documents that are put in order

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise ConfigError(f"rerank.depth is {self.depth}: expected 1 or more")


@dataclass(frozen=True)
class ChatSettings:
    """Answers: how many examples stand before a question, and what is compared with what."""

    shots: int | None = None  # None: as many as the task says
    max_tokens: int | None = None  # of an answer; None: as the task says
    temperature: float = 0.0
    detector: str = "vote"  # of languages, for answers in the wrong one
    against: str = ""  # open questions: a model whose answers these are compared with, as --model has it
    judge: str = ""  # http:URL#MODEL, which compares them

    def __post_init__(self) -> None:
        if bool(self.against) != bool(self.judge):
            raise ConfigError("chat.against and chat.judge go together: a judge compares the answers of two models")
        if self.shots is not None and self.shots < 0:
            raise ConfigError(f"chat.shots is {self.shots}: expected 0 or more")


@dataclass(frozen=True)
class EvalConfig:
    """Everything but the model, the data and the tasks."""

    limit: int = 0  # items of a task in a language; 0: all
    seed: int = 0  # of bootstraps, examples before a question, and drawn answers
    batch: int = 16  # prompts that a checkpoint answers together
    max_input: int = 1024  # ids of a prompt; a longer one is cut at its end and named in the notes
    dtype: str = "float32"  # of a checkpoint
    timeout: float = 120.0  # seconds that a server may take
    embed: EmbedSettings = field(default_factory=EmbedSettings)
    rerank: RerankSettings = field(default_factory=RerankSettings)
    chat: ChatSettings = field(default_factory=ChatSettings)

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ConfigError(f"limit is {self.limit}: expected 0 (all) or more")
