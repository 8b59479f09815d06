"""Parity: what the same meaning costs in each language, and the weights that make it alike.

The cost of a language is its tokens for each character that the text has, or would have, in English. On parallel text
the English is there; without it the density of the language stands in (`density.tsv`), on lines that are held out.
After a round of training, languages that cost more than the mean come to count more, the others less, by a power.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import xxhash

from core.errors import ConfigError
from tokenizer import density
from tokenizer.parallel import ENGLISH, Parallel

# A weight never gets further than this from where it began, by factor: what costs no more pieces can mend.
_FARTHEST: Final = 16.0
# A language is measured on this many lines at least, and gives no more than a quarter of its lines for it.
_LEAST_LINES, _LARGEST_SHARE, _MOST_LINES = 5, 0.25, 500


@dataclass(frozen=True)
class ParityConfig:
    """How languages are brought to equal cost; for sample.rule=parity."""

    parallel: str = ""  # parallel sentences, as `glotmill tokenizer report` takes them; empty: lines held out
    rounds: int = 4  # of training, each with better weights
    strength: float = 2.0  # the power of cost by which weights change
    held_out: float = 0.1  # share of the lines of each language, where there is no parallel text

    def __post_init__(self) -> None:
        if self.rounds < 0 or not 0 < self.strength <= 10:
            raise ConfigError("parity.rounds must be 0 or more, and parity.strength between 0 and 10")
        if not 0 < self.held_out < 1:
            raise ConfigError(f"parity.held_out is {self.held_out}: expected a share between 0 and 1")


@dataclass(frozen=True)
class Measure:
    """Lines of each language, and their length in characters of English."""

    lines: Mapping[str, Sequence[str]]
    english: Mapping[str, float]

    def costs(self, processor: Any) -> dict[str, float]:
        """Tokens of each language for a character of English."""
        return {
            code: sum(map(len, processor.encode(list(lines), num_threads=4))) / self.english[code]
            for code, lines in self.lines.items()
        }


def from_parallel(texts: Parallel) -> Measure:
    """Measured on parallel sentences, each language on those that English has, too."""
    shared = {code: sorted(texts[code].keys() & texts[ENGLISH].keys()) for code in texts}
    return Measure(
        {code: [texts[code][key] for key in keys] for code, keys in shared.items() if keys},
        {code: sum(len(texts[ENGLISH][key]) for key in keys) for code, keys in shared.items() if keys},
    )


def hold_out(lines: Mapping[str, Sequence[str]], share: float) -> tuple[dict[str, list[str]], Measure]:
    """Lines to train on, and a measure of the others, chosen by their hash. A language of few lines gives none.

    ConfigError where all languages have so few.
    """
    kept: dict[str, list[str]] = {}
    held: dict[str, list[str]] = {}
    for code in sorted(lines):
        number = min(max(round(share * len(lines[code])), _LEAST_LINES), _MOST_LINES)
        if number > _LARGEST_SHARE * len(lines[code]):
            kept[code] = list(lines[code])
            continue
        ranked = sorted(lines[code], key=lambda line: (xxhash.xxh3_64_intdigest(line.encode(), 1), line))
        held[code], kept[code] = ranked[:number], ranked[number:]
    if not held:
        raise ConfigError(
            f"no language has lines enough for parity, which is measured on {share:.0%} of them, on {_LEAST_LINES} at "
            f"least and {_LARGEST_SHARE:.0%} at most: expected more text, parallel sentences (--parallel), or another "
            "rule, such as --set sample.rule=temperature"
        )
    return kept, Measure(held, {code: density.english_characters(code, held[code]) for code in held})


def adjusted(factors: Mapping[str, float], costs: Mapping[str, float], strength: float) -> dict[str, float]:
    """Better factors for the weights: those of languages that cost more than the mean rise.

    A language that was not measured gets the median factor of its script, or of all.
    """
    if not costs:
        return dict(factors)
    mean = statistics.fmean(costs.values())
    moved = {
        code: min(max(factors[code] * (costs[code] / mean) ** strength, 1 / _FARTHEST), _FARTHEST)
        for code in factors
        if code in costs
    }
    by_script: dict[str, list[float]] = {}
    for code, factor in moved.items():
        by_script.setdefault(code[4:], []).append(factor)
    middle = statistics.median(moved.values()) if moved else 1.0
    return {code: moved.get(code, statistics.median(by_script.get(code[4:], [middle]))) for code in factors}
