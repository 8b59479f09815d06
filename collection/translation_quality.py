"""How good a translation seems to be, without a reference: faults that can be seen from outside.

Each look gives a share of 1: its length for the pair of languages, the language that it is written in, words copied
from the source, loops, words that the engine did not know, numbers. The score is their product. It finds translations
that went wrong, not the better one of two good ones; docs/translation.md says how well, language by language.
"""

from __future__ import annotations

import csv
import functools
import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Final, NamedTuple

from annotated_types import Ge, Le

from collection.detectors import Detector
from collection.language_id import are_related
from collection.languages import Language
from collection.quality import script_share
from core.errors import MissingDependencyError


@dataclass(frozen=True)
class TranslationQualityConfig:
    """What a translation must be to be kept."""

    min_score: Annotated[float, Ge(0), Le(1)] = 0.5  # 0 keeps all
    min_round_trip: Annotated[float, Ge(0), Le(100)] = 0.0  # chrF (0 to 100) of the text translated back; 0: off
    detector: str = "vote"  # vote | cld2 | fasttext:PATH | none: tells the language of a translation


class Quality(NamedTuple):
    """What each look gave, 1 where nothing is wrong."""

    length: float = 1.0
    language: float = 1.0
    copied: float = 1.0
    loops: float = 1.0
    unknown: float = 1.0
    numbers: float = 1.0

    @property
    def score(self) -> float:
        return math.prod(self)

    def __str__(self) -> str:
        faults = [f"{name} {share:.2f}" for name, share in zip(self._fields, self, strict=True) if share < 0.995]
        return f"{self.score:.2f}" + (f" ({', '.join(faults)})" if faults else "")


def estimate(
    source: str, translation: str, pair: tuple[Language, Language], detector: Detector | None = None, unknown: int = 0
) -> Quality:
    """The quality of a translation of prose; `unknown` is how many of its words the engine did not know."""
    return Quality(
        length=_length(source, translation, *pair),
        language=_language(translation, pair[1], detector),
        copied=_copied(source, translation, *pair),
        loops=_loops(source, translation, pair),
        unknown=max(0.0, 1 - 1.5 * unknown / max(1, len(translation.split()))) if unknown else 1.0,
        numbers=_numbers(source, translation),
    )


def _length(source: str, translation: str, from_: Language, to: Language) -> float:
    """How usual a translation of this length is for the two languages."""
    if not source.strip() or not translation.strip():
        return 0.0
    (ours, our_spread), (theirs, their_spread) = _lengths(to), _lengths(from_)
    # Short texts differ more: a word may have two letters here and nine there.
    english = len(source) / theirs
    spread = math.sqrt(our_spread**2 + their_spread**2 + _WORD / english)
    distance = abs(math.log(len(translation) / len(source) * theirs / ours)) / spread
    return math.exp(-(max(0.0, distance - 1) ** 2) / 8)


# The variance of the length of a text of one letter: a word's is a sixth of it, a sentence's next to nothing.
_WORD: Final = 2.0


def _language(text: str, language: Language, detector: Detector | None) -> float:
    """Whether the text is written in the script of the language and, if it is long enough to tell, in the language."""
    fitting = min(1.0, 2 * script_share(text, language))
    letters = sum(map(str.isalpha, text)) / language.script.density
    if detector is None or letters < _TELLING or not detector.knows(language):
        return fitting
    found = detector.detect(text, language)
    if found.language is None or found.language.group == language.group or language.group in found.groups:
        return fitting
    if are_related(found.language, language):
        return fitting  # detectors mix them up more often than engines do
    return fitting * max(0.0, 1 - found.score)


_TELLING: Final = 40


def _copied(source: str, translation: str, from_: Language, to: Language) -> float:
    """How little of the translation is words of the source: names and loans may be."""
    if from_.script is not to.script:
        return 1.0  # the script tells it
    theirs = set(_WORDS.findall(source.casefold()))
    ours = _WORDS.findall(translation.casefold())
    letters = sum(map(len, ours))
    if letters < _NAME:
        return 1.0
    share = sum([len(word) for word in ours if word in theirs]) / letters if letters else 0.0
    return 1 - max(0.0, share - _LOANS) / (1 - _LOANS)


_WORDS: Final = re.compile(r"[^\W\d_]{3,}")
_LOANS: Final = 0.5
_NAME: Final = 24  # so few letters may be a name, which is the same in both


def _loops(source: str, translation: str, pair: tuple[Language, Language]) -> float:
    """How little of the translation is one piece over and over, beyond what the source has."""
    return 1 - max(0.0, loop_share(translation, pair[1].spaced) - loop_share(source, pair[0].spaced))


def loop_share(text: str, spaced: bool = True) -> float:
    """The share of a text that is a piece of up to twenty words, or characters, at least three times in a row.

    >>> loop_share("so it goes and goes and goes and goes")
    0.888...
    """
    tokens = text.split() if spaced else [character for character in text if not character.isspace()]
    longest = 0
    for size in range(1, min(20, len(tokens) // 3) + 1):
        run = 0
        for index in range(size, len(tokens)):
            run = run + 1 if tokens[index] == tokens[index - size] else 0
            if run >= 2 * size:
                longest = max(longest, run + size)
    return longest / len(tokens) if tokens else 0.0


def _numbers(source: str, translation: str) -> float:
    """Half of the score hangs on the share of numbers that both have: some languages write them as words."""
    theirs, ours = numbers(source), numbers(translation)
    total = (theirs | ours).total()
    return 0.5 + 0.5 * (theirs & ours).total() / total if total else 1.0


def numbers(text: str) -> Counter[str]:
    """The numbers of two and more digits in a text, in ASCII digits, without what sets thousands apart.

    >>> numbers("١٬٢٠٠ and 1.200")
    Counter({'1200': 2})
    """
    if not any(map(str.isdigit, text)):
        return Counter()
    plain = "".join([_digit(character) for character in text])
    return Counter(number for number in _NUMBER.findall(_THOUSANDS.sub("", plain)) if len(number) > 1)


def _digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


_NUMBER: Final = re.compile(r"\d+")
_THOUSANDS: Final = re.compile(r"(?<=\d)[,.٬'’\u00a0\u202f ](?=\d{3}(?!\d))")


def round_trip(source: str, back: str) -> float:
    """The chrF, 0 to 100, of a text that was translated and translated back, against what it was."""
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingDependencyError("sacrebleu", "augment", "comparing a translation translated back") from error
    return float(CHRF().sentence_score(back, [source]).score)


@functools.cache
def _table() -> dict[str, tuple[float, float]]:
    text = resources.files("collection").joinpath("lengths.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["language"]: (float(row["ratio"]), float(row["spread"])) for row in rows}


def _lengths(language: Language) -> tuple[float, float]:
    """How long a text of this language is where English has one character, and how much that varies (in logarithms)."""
    if language.code == "eng_Latn":
        return 1.0, 0.0
    return _table().get(language.code, (language.script.density, _USUAL_SPREAD))


_USUAL_SPREAD: Final = 0.15
