"""The configuration of a head: sections `[head]` and `[[head.pairs]]` of a run's TOML file.

[head]
kind = "embed"
dimensions = [256, 512, 1024, 1536]
temperature = 0.05

[[head.pairs]]
path = "work/questions.jsonl"     # {"query": ..., "document": ..., "language": "swh_Latn", "negatives": [...]}

[[head.pairs]]
path = "tatoeba"
form = "tatoeba"
without = ["kat_Geor"]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from core.errors import ConfigError
from finetune.model.head import HEADS, head_class

Form = Literal["jsonl", "tsv", "tatoeba", "collection"]
MINE_NGRAMS: Final = "ngrams"


@dataclass(frozen=True)
class PairSource:
    """Pairs of a text and one that answers it, or means the same."""

    path: str = ""  # a file, or a folder, as `form` says
    name: str = ""  # as it is reported; "": the last part of the path
    form: Form = "jsonl"  # how path holds them: jsonl, tsv, tatoeba (a folder of files), collection
    query_language: str = ""  # tsv: of the first column; jsonl: of rows that say none
    document_language: str = ""  # of the second column; jsonl: "" the query's
    languages: tuple[str, ...] = ()  # only pairs with a side in one of these; empty: all
    without: tuple[str, ...] = ()  # no pairs with a side in one of these
    both_ways: bool | None = None  # either text may be the query; None: of tsv and tatoeba
    weight: float = 1.0  # steps with pairs of this source, relative to the other sources' weights
    alpha: float = 0.5  # a language of n pairs is drawn in proportion to n^alpha

    def __post_init__(self) -> None:
        at = f"head.pairs {self.name or self.path!r}"
        if not self.path:
            raise ConfigError(f"{at}: no path: expected a file of pairs, or a folder")
        if not 0 < self.weight < float("inf"):
            raise ConfigError(f"{at}: weight is {self.weight}: expected more than 0; leave out a source of no weight")
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"{at}: alpha is {self.alpha}: expected 0 (languages alike) to 1 (by size)")
        if self.form == "tsv" and not (self.query_language and self.document_language):
            raise ConfigError(f"{at}: a tsv does not say its languages: set query_language and document_language")
        if self.form in ("tatoeba", "collection") and (self.query_language or self.document_language):
            raise ConfigError(f"{at}: a {self.form} says its languages itself: leave query_language out")

    @property
    def label(self) -> str:
        """The name as it is reported."""
        return self.name or self.path.rstrip("/").rsplit("/", 1)[-1]

    @property
    def swaps(self) -> bool:
        return self.form in ("tsv", "tatoeba") if self.both_ways is None else self.both_ways


@dataclass(frozen=True)
class HeadConfig:
    """What the encoder is trained to do, and on which pairs."""

    kind: str = ""  # embed or rerank; "": no head: the whole model is trained to answer
    dimensions: tuple[int, ...] = (256, 512, 1024, 1536)  # embed: lengths that a vector may be cut to
    query_prefix: str = "query:"
    document_prefix: str = "document:"
    max_tokens: int = 512  # ids of a row, prefixes and end included; what is longer is cut in training
    query_tokens: int = 128  # rerank: ids of the query at most
    overlap: int = 64  # rerank: ids that neighbouring chunks of a long document share
    temperature: float = 0.05  # embed: what cosines are divided by; 0.02 to 0.05 is usual
    symmetric: bool = True  # embed: documents look for their queries, too
    int8: float = 0.1  # embed: weight of the same loss on vectors rounded to int8
    binary: float = 0.25  # embed: weight of the same loss on the signs of vectors
    cache_rows: int = 0  # embed: pairs encoded at a time, with gradients as if all were (gradient caching); 0: all
    calibrate_on: int = 10_000  # embed: training texts that the limits of int8 are taken from at the end
    calibration: float = 0.1  # rerank: weight of the binary cross entropy beside the listwise loss
    negatives: int = 0  # documents beside the right one that a pair brings with it; rerank needs some
    miner: str = (
        ""  # what finds negatives where pairs have too few: "ngrams", or an embedding model's folder; "": nothing
    )
    pairs: tuple[PairSource, ...] = ()

    def __post_init__(self) -> None:
        if not self.kind:
            self._refuse((name for name in self.__dataclass_fields__ if name != "kind"), "without head.kind")
            return
        own = head_options(self.kind)
        others = (name for kind in HEADS for name in head_options(kind) if name not in own)
        self._refuse(others, f"with head.kind {self.kind}")
        self._check_numbers()
        if not self.pairs:
            raise ConfigError("head.pairs is empty: expected at least one [[head.pairs]] with a path")
        labels = [source.label for source in self.pairs]
        for label in labels:
            if labels.count(label) > 1:
                raise ConfigError(f"head.pairs: two sources have the name {label!r}: give each its own name")
        if self.miner and not self.negatives:
            raise ConfigError(f"head.miner is {self.miner!r}, and head.negatives 0: nothing would be mined")
        kind_class: Any = head_class(self.kind)
        kind_class.of(self)  # raises ConfigError for options that do not fit

    def _refuse(self, names: Iterable[str], when: str) -> None:
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name in names:
            if getattr(self, name) != defaults[name]:
                raise ConfigError(f"head.{name} does nothing {when}: leave it out")

    def _check_numbers(self) -> None:
        if not 0.001 <= self.temperature <= 1:
            raise ConfigError(f"head.temperature is {self.temperature}: expected 0.001 to 1; 0.02 to 0.05 is usual")
        for name in ("int8", "binary", "calibration"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"head.{name} is {getattr(self, name)}: expected 0 (none) or more")
        for name, least in (("negatives", 0), ("cache_rows", 0), ("calibrate_on", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"head.{name} is {getattr(self, name)}: expected {least} or more")

    @property
    def miner_folder(self) -> str:
        """The folder of the embedding model that mines negatives; "" if none does."""
        return "" if self.miner == MINE_NGRAMS else self.miner

    @property
    def shared(self) -> dict[str, Any]:
        """The values that every head keeps in glotmill_model.json."""
        return {name: getattr(self, name) for name in ("query_prefix", "document_prefix", "max_tokens")}


def head_options(kind: str) -> tuple[str, ...]:
    """Return the keys of [head] that a kind reads and not every other kind does."""
    kind_class: Any = head_class(kind)
    options: tuple[str, ...] = kind_class.options
    return options
