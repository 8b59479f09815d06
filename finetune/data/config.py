"""The configuration of the training data: section `[data]` of a run's TOML file.

[data]
inputs = 1024
targets = 1024

[[data.sources]]
name = "xp3x"
path = "work/tokens"
of = ["xp3x"]           # a collection of several sources: these rows of it
weight = 15

[[data.sources]]
name = "translated"
path = "work/translated-tokens"
weight = 47.5
datasets = { dolly = 0.2 }
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.errors import ConfigError


@dataclass(frozen=True)
class SourceConfig:
    """One source of the mixture: a folder of token shards, or some of its rows."""

    name: str = ""  # as it is reported; "": the last part of the path
    path: str = ""  # a folder that `glotmill tokenizer encode` wrote
    of: tuple[str, ...] = ()  # only rows whose column `source` is one of these; empty: all
    weight: float = 1.0  # examples of this source, relative to the other sources' weights
    datasets: Mapping[str, float] = field(default_factory=dict)  # share of the source's examples, by data set
    by: Literal["size", "uniform"] = "size"  # how the rest of the source is shared out among its other data sets
    cap: int = 0  # a data set counts as so many examples at most before it is weighed by size; 0: no cap
    alpha: float = 1.0  # inside a data set a language of n examples is drawn in proportion to n^alpha
    spans_share: float | None = None  # share of examples that are span corruption; None: data.spans.share

    def __post_init__(self) -> None:
        at = f"data.sources {self.name or self.path!r}"
        if not self.path:
            raise ConfigError(f"{at}: no path: expected a folder that `glotmill tokenizer encode` wrote")
        if not 0 < self.weight < float("inf"):
            raise ConfigError(f"{at}: weight is {self.weight}: expected more than 0; leave out a source of no weight")
        for name, share in self.datasets.items():
            if not 0 <= share <= 1:
                raise ConfigError(f"{at}: datasets.{name} is {share}: expected a share, from 0 to 1")
        if sum(self.datasets.values()) > 1 + 1e-9:
            raise ConfigError(
                f"{at}: the shares of datasets add up to {sum(self.datasets.values()):g}: expected 1 at most"
            )
        if self.cap < 0:
            raise ConfigError(f"{at}: cap is {self.cap}: expected 0 (none) or more")
        if not 0 <= self.alpha <= 1:
            raise ConfigError(
                f"{at}: alpha is {self.alpha}: expected 0 (languages alike) to 1 (by size); "
                "mT5's is 0.3, a temperature of 1/0.3"
            )
        if self.spans_share is not None and not 0 <= self.spans_share <= 1:
            raise ConfigError(f"{at}: spans_share is {self.spans_share}: expected a share, from 0 to 1")

    @property
    def label(self) -> str:
        """The name as it is reported."""
        return self.name or self.path.rstrip("/").rsplit("/", 1)[-1]


@dataclass(frozen=True)
class SpansConfig:
    """Span corruption, T5's unsupervised task: all of a pretraining run, a small share of a finetuning run."""

    share: float = 0.0  # of the examples of every source that does not say its own
    density: float = 0.15  # share of the ids that are masked
    mean_length: float = 3.0  # ids in a masked span, in the mean

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(f"data.spans.share is {self.share}: expected a share, from 0 to 1")
        if not 0 < self.density < 1:
            raise ConfigError(
                f"data.spans.density is {self.density}: expected more than 0 and less than 1; T5's is 0.15"
            )
        if not 1 <= self.mean_length < float("inf"):
            raise ConfigError(f"data.spans.mean_length is {self.mean_length}: expected 1 or more; T5's is 3")


@dataclass(frozen=True)
class ValidationConfig:
    """What the validation loss is taken of."""

    examples: int = 100  # of each language at most; 0: no validation
    hold_out: float = 0.0  # share of the rows of a language without a validation split that training leaves out
    rows: int = 0  # examples in a batch; 0: as many as data.rows

    def __post_init__(self) -> None:
        if self.examples < 0:
            raise ConfigError(f"data.validation.examples is {self.examples}: expected 0 (no validation) or more")
        if not 0 <= self.hold_out < 1:
            raise ConfigError(f"data.validation.hold_out is {self.hold_out}: expected a share, from 0 to less than 1")
        if self.rows < 0:
            raise ConfigError(f"data.validation.rows is {self.rows}: expected 0 (as data.rows) or more")


@dataclass(frozen=True)
class DataConfig:
    """The mixture, the lengths, and how examples become rows."""

    sources: tuple[SourceConfig, ...] = ()
    languages: tuple[str, ...] = ()  # only these, such as "swh_Latn"; empty: all
    inputs: int = 1024  # ids in an encoder row
    targets: int = 1024  # ids in a decoder row
    rows: int = 256  # rows of a step, over all hosts
    pack: bool = True  # several examples in a row, kept apart by segment ids
    all_turns: bool = True  # an example for every assistant turn of a conversation, or for its last turn only
    seed: int = 0  # of the order
    block: int = 8192  # examples that are drawn, shuffled and packed together
    prefetch: int = 4  # batches made ahead of the step
    spans: SpansConfig = field(default_factory=SpansConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self) -> None:
        labels = [source.label for source in self.sources]
        for label in labels:
            if labels.count(label) > 1:
                raise ConfigError(f"data.sources: {label!r} stands there twice: give each source a name of its own")
        for name, least in (("inputs", 2), ("targets", 2), ("rows", 1), ("block", 1), ("prefetch", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"data.{name} is {getattr(self, name)}: expected {least} or more")

    def spans_share(self, source: SourceConfig) -> float:
        """The share of a source's examples that are span corruption."""
        return self.spans.share if source.spans_share is None else source.spans_share
