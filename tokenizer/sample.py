"""The sample that a tokenizer is trained on: which lines of each language, and how much each language counts.

Lines are chosen by a hash of their text, each once, so that the sample depends on what the collections hold and not on
the order in which it stands there. How much a language counts (its `mass`) is apart from that: SentencePiece would have
lines written out again and again, our own trainer multiplies.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import xxhash

from collection.languages import find
from core.errors import ConfigError, SourceError
from tokenizer import density
from tokenizer.texts import Heard, TextCounts, TextFile

_ALPHA, _EPOCHS = 0.3, 4
# A language whose distinct lines are less than this share of what was asked of it is told of.
_SHORT: Final = 0.5


@dataclass(frozen=True)
class SampleConfig:
    """Which text a tokenizer is trained on."""

    rule: Literal["parity", "temperature", "unimax", "buckets"] = "parity"  # how much each language counts
    bytes: int = 60_000_000  # of text at most, over all languages
    alpha: float = _ALPHA  # of temperature and buckets: a language of n bytes counts as n to this power
    epochs: int = _EPOCHS  # of unimax: no language counts more than so many times its text
    prompts: bool = False  # also the turns of users, which are often in another language than the answer
    seed: int = 0  # another one draws other lines

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"sample.alpha is {self.alpha}: expected 0 (all languages alike) to 1 (as they come)")
        if self.bytes < 1 or self.epochs < 1:
            raise ConfigError("sample.bytes and sample.epochs must be at least 1")
        if self.alpha != _ALPHA and self.rule not in ("temperature", "buckets"):
            raise ConfigError(f"sample.alpha is for sample.rule=temperature and buckets, and the rule is {self.rule}")
        if self.epochs != _EPOCHS and self.rule != "unimax":
            raise ConfigError(f"sample.epochs is for sample.rule=unimax, and the rule is {self.rule}")


@dataclass(frozen=True)
class Sample:
    """Distinct lines of each language, in the order of their hashes, and the share of the whole that each counts.

    `asked` is how many bytes were to be taken of each language: those that repeat their lines have less.
    """

    lines: Mapping[str, Sequence[str]]
    mass: Mapping[str, float]
    found: TextCounts
    asked: Mapping[str, float] = field(default_factory=dict)

    @property
    def languages(self) -> list[str]:
        return sorted(self.lines)

    def weights(self) -> dict[str, float]:
        """How often each line of a language counts, so that the whole comes out as `mass` says; 1 on average."""
        total = sum(map(_size, self.lines.values()))
        return {code: self.mass[code] * total / _size(self.lines[code]) for code in self.languages}

    @property
    def short(self) -> list[str]:
        """Languages whose lines repeat so often that the distinct ones are far less than what was asked."""
        return [code for code in self.languages if _size(self.lines[code]) < _SHORT * self.asked.get(code, 0)]

    def manifest(self) -> dict[str, dict[str, Any]]:
        """What was there of each language, and what was taken, for the tokenizer's manifest."""
        return {
            code: {
                "bytes": self.found.bytes[code],
                "unreadable_lines": self.found.unreadable[code],
                "asked_bytes": round(self.asked.get(code, 0)),
                "sampled_lines": len(self.lines.get(code, ())),
                "sampled_bytes": _size(self.lines.get(code, ())),
                "share": round(self.mass.get(code, 0.0), 6),
            }
            for code in sorted(self.found.bytes)
        }


def draw(sources: Sequence[TextFile], config: SampleConfig, heard: Heard) -> Sample:
    """The sample of all files; SourceError where they hold no text. `heard` is told of bytes that were read."""
    found = TextCounts()
    for source in sources:
        source.measure(found, config.prompts)
        heard(0, source.path.stat().st_size)
    if not sum(found.bytes.values()):
        raise SourceError("there is no text to train on: all files are empty")
    budget = text_budget(found.bytes, config)
    taken: dict[str, _Lowest] = {}
    for source in sources:
        for language, line in source.lines(found, config.prompts):
            if language not in taken:
                taken[language] = _Lowest(budget[language])
            taken[language].add(xxhash.xxh3_64_intdigest(line.encode(), config.seed), line)
        heard(1, source.path.stat().st_size)
    lines = {code: one.lines() for code, one in sorted(taken.items())}
    if not lines:
        raise SourceError("there is no text to train on: no line of any file could be read as UTF-8 text")
    return Sample(lines, mass({code: found.bytes[code] for code in lines}, lines, config), found, budget)


class _Lowest:
    """Of all distinct lines that are added, those of the lowest ranks that fit into a budget of bytes, at least one.

    No more than these and one beyond are held, however many are added, and in whatever order.
    """

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._held: dict[int, str] = {}
        self._ranks: list[int] = []  # a heap, the highest first: negative
        self._size = 0

    def add(self, rank: int, line: str) -> None:
        if rank in self._held or (self._size >= self._budget and rank > -self._ranks[0]):
            return
        self._held[rank] = line
        heapq.heappush(self._ranks, -rank)
        self._size += len(line.encode())
        while self._size - (last := len(self._held[-self._ranks[0]].encode())) >= self._budget:
            del self._held[-heapq.heappop(self._ranks)]
            self._size -= last

    def lines(self) -> list[str]:
        """In the order of their ranks."""
        kept = [self._held[rank] for rank in sorted(self._held)]
        if self._size > self._budget and len(kept) > 1:
            kept.pop()
        return kept


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) for line in lines)


def text_budget(sizes: Mapping[str, int], config: SampleConfig) -> dict[str, float]:
    """Bytes of text to take of each language.

    Where languages are balanced by their needs, all give alike, and those that have less give all they have;
    elsewhere by the share that they count.
    """
    sizes = {code: size for code, size in sizes.items() if size}
    if config.rule == "parity":
        return unimax(sizes, config.bytes, 1)
    total = min(config.bytes, sum(sizes.values()))
    return {code: min(sizes[code], share * total) for code, share in _shares(sizes, config).items()}


def mass(sizes: Mapping[str, int], lines: Mapping[str, Sequence[str]], config: SampleConfig) -> dict[str, float]:
    """The share of the whole that each language counts; they add up to 1.

    By `parity` all begin alike, measured in characters of English (rounds of training then shift them); one with very
    little text counts less, since its few words would fill the vocabulary.
    """
    if config.rule != "parity":
        return _shares(sizes, config)
    # In the same meaning, some languages have more bytes: alike are they in characters of English.
    said = {code: density.english_characters(code, lines[code]) for code in lines}
    enough = min(_ENOUGH, max(said.values()))
    raw = {code: _size(lines[code]) / said[code] * min(said[code], enough) if said[code] else 0.0 for code in lines}
    whole = sum(raw.values())
    return {code: one / whole for code, one in raw.items()}


_ENOUGH: Final = 5_000


def _shares(sizes: Mapping[str, int], config: SampleConfig) -> dict[str, float]:
    if config.rule == "unimax":
        taken = unimax(sizes, min(config.bytes, sum(sizes.values())), config.epochs)
    elif config.rule == "buckets":
        taken = _by_script(sizes, config.alpha)
    else:
        taken = {code: size**config.alpha for code, size in sizes.items()}
    whole = sum(taken.values())
    return {code: one / whole for code, one in taken.items()}


def unimax(sizes: Mapping[str, int], budget: float, epochs: int) -> dict[str, float]:
    """The budget shared alike, none getting more than so many times its size (UniMax, Chung et al. 2023).

    >>> unimax({"a": 100, "b": 10, "c": 1}, 50, 2)
    {'c': 2.0, 'b': 20.0, 'a': 28.0}
    """
    taken: dict[str, float] = {}
    left = float(budget)
    for place, (code, size) in enumerate(sorted(sizes.items(), key=lambda item: (item[1], item[0]))):
        taken[code] = min(left / (len(sizes) - place), float(size * epochs))
        left -= taken[code]
    return taken


def _by_script(sizes: Mapping[str, int], alpha: float) -> dict[str, float]:
    """Scripts share by the power of their sizes, and languages within a script likewise."""
    scripts: dict[str, dict[str, int]] = {}
    for code, size in sizes.items():
        language = find(code)
        scripts.setdefault(language.script.code if language else "Zzzz", {})[code] = size
    taken: dict[str, float] = {}
    for members in scripts.values():
        share = math.pow(sum(members.values()), alpha)
        within = {code: math.pow(size, alpha) for code, size in members.items()}
        whole = sum(within.values())
        taken |= {code: share * one / whole for code, one in within.items()}
    return taken
