"""Which characters get a piece of their own, so that no alphabet falls to bytes.

A small alphabet is taken whole, seen or not. Of the scripts with thousands of characters the rarest are left to bytes,
since each would cost a piece that all languages could use better.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from collection.languages import find
from collection.scripts import SCRIPTS
from tokenizer.normalizer import SPACE

ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))
# Characters beyond these are an alphabet's letters, however rare: the table of Han and Hangul has tens of thousands.
_LARGE: Final = ("Hani", "Hang")
_ALPHABET: Final = 128


@dataclass(frozen=True)
class Coverage:
    """The characters with a piece of their own, and what share of each language's running text they are."""

    characters: frozenset[str]
    by_language: Mapping[str, float]
    left_out: Mapping[str, str]

    def manifest(self) -> dict[str, Any]:
        """Coverage by script and by language, and the characters that are left to bytes (at most 50 a language)."""
        scripts: dict[str, list[float]] = {}
        for code, share in self.by_language.items():
            scripts.setdefault(code[4:], []).append(share)
        return {
            "characters": len(self.characters),
            "scripts": {script: round(min(shares), 6) for script, shares in sorted(scripts.items())},
            "languages": {code: round(share, 6) for code, share in self.by_language.items()},
            "left_to_bytes": {code: text[:50] for code, text in self.left_out.items() if text},
        }


def choose(lines: Mapping[str, Sequence[str]], share: float) -> Coverage:
    """The characters to keep: of Han and Hangul the most frequent that make up `share` of each language's text.

    Every other character stays that belongs to the language's script, or is seen twice.
    """
    counts = {code: _count(lines[code]) for code in sorted(lines)}
    kept = set(unseen(lines)) | {SPACE}
    for code, counted in counts.items():
        kept |= _chosen(code, counted, share)
    by_language, left_out = {}, {}
    for code, counted in counts.items():
        missing = {character: count for character, count in counted.items() if character not in kept}
        by_language[code] = 1 - sum(missing.values()) / max(sum(counted.values()), 1)
        left_out[code] = "".join(sorted(missing, key=lambda character: (-missing[character], character)))
    return Coverage(frozenset(kept), by_language, left_out)


def unseen(codes: Iterable[str]) -> str:
    """The characters that get a piece whether the sample has them or not: ASCII and small alphabets."""
    scripts = sorted({language.script.code for code in codes if (language := find(code))})
    return "".join(sorted({*ASCII, *itertools.chain.from_iterable(map(_alphabet, scripts))}))


@functools.cache
def _alphabet(script: str) -> str:
    """The letters, marks and digits of a script; none of one that has more than an alphabet's."""
    if script == "Zyyy" or SCRIPTS[script].characters == SCRIPTS["Hang"].characters:
        return ""
    found = []
    for point in range(0x370, 0x20000):  # Latin begins before, and is large
        character = chr(point)
        if unicodedata.category(character)[0] in "LMN" and SCRIPTS[script].count(character):
            found.append(character)
            if len(found) > _ALPHABET:
                return ""
    return "".join(character for character in found if unicodedata.normalize("NFKC", character) == character)


def _count(lines: Sequence[str]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for line in lines:
        counted.update(line if line.isascii() else unicodedata.normalize("NFKC", line))
    # Format characters stay: Khmer sets words apart by one of width zero, and joiners are letters of many scripts.
    for character in list(counted):
        if character.isspace() or unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn"):
            del counted[character]
    return counted


def _chosen(code: str, counted: Counter[str], share: float) -> set[str]:
    large = {character: count for character, count in counted.items() if any(map(_in(character), _LARGE))}
    kept, running, whole = set(), 0, sum(large.values())
    for character in sorted(large, key=lambda character: (-large[character], character)):
        if running >= share * whole:
            break
        kept.add(character)
        running += large[character]
    language = find(code)
    own = language.script if language else SCRIPTS["Zyyy"]
    for character, count in counted.items():
        if character not in large and (count > 1 or (own.code != "Zyyy" and own.count(character))):
            kept.add(character)
    return kept


def _in(character: str) -> Any:
    return lambda script: SCRIPTS[script].count(character)
