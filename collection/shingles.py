"""Hash the shingles of texts, the overlapping n-grams by which two texts are compared, to 64 bits.

A shingle is five words if a text has enough words. Otherwise, or if its script has no spaces, it is the number of
characters that correspond to ten of English. Near the limit a text has both kinds, since its near copy may be shorter.

All texts of a batch are hashed together. An n-gram from character i to j has the hash (S[j] - S[i]) / B^i, where S sums
c * B^i over the characters c, modulo 2^64. Equal n-grams have equal hashes at every position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collection.languages import Language

Hashes = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]

WORDS: Final = 5  # a shingle of words
_CHARACTERS: Final = 10  # a shingle of characters, in characters of English
_ENOUGH_WORDS: Final = 20  # from which a text is compared by words
# Two texts that are 0.8 alike are no more than this apart in length.
_APART: Final = 1.25


@dataclass(frozen=True, slots=True)
class ShingleRule:
    """What a shingle is in one language."""

    characters: int
    spaced: bool


def shingle_rule(language: Language) -> ShingleRule:
    """How texts of a language are cut: by words where its script has spaces, and how long a piece of characters is."""
    script = language.script
    return ShingleRule(max(3, round(_CHARACTERS * script.density)), script.spaced)


def comparable(text: str) -> str:
    """Return the form in which texts are compared: without case, with each run of blanks as one blank."""
    return " ".join(text.casefold().split())


class Shingles(NamedTuple):
    """Hashes of many texts: those of text k are `hashes[offsets[k] : offsets[k + 1]]`, in order, with repetitions."""

    hashes: Hashes
    offsets: Counts


class TextShingles(NamedTuple):
    """The same texts cut in two ways; a text has no pieces where the way is not for it."""

    words: Shingles
    characters: Shingles


def cut(texts: Sequence[str], shapes: Sequence[ShingleRule]) -> TextShingles:
    """Shingles of texts that are `comparable`. One shorter than a shingle has none."""
    hashed = _Hashed(texts)
    spaced = np.array([shape.spaced for shape in shapes], bool)
    by_words = spaced & (hashed.words >= _ENOUGH_WORDS)
    by_characters = ~spaced | (hashed.words < _ENOUGH_WORDS * _APART)
    lengths = np.array([shape.characters for shape in shapes], np.int64)
    return TextShingles(hashed.word_shingles(WORDS, by_words), hashed.character_shingles(lengths, by_characters))


def n_grams(texts: Sequence[str], shape: ShingleRule, words: int) -> Shingles:
    """Return n-grams of words, or of characters for a shape without spaces. A shorter text has no n-grams."""
    hashed, all_of_them = _Hashed(texts), np.ones(len(texts), bool)
    if shape.spaced:
        return hashed.word_shingles(words, all_of_them)
    return hashed.character_shingles(np.full(len(texts), shape.characters, np.int64), all_of_them)


def jaccards(first: Shingles, second: Shingles) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """For each pair of texts the share of shingles that the two have in common, and whether both have any.

    Repetitions do not count; hashes are compared by their lower halves.
    """
    texts = len(first.offsets) - 1
    # Number of the text, lower half of the hash, and whose it is, in one number: one sort brings all together.
    keys = np.concatenate([_keys(first) << np.uint64(1), (_keys(second) << np.uint64(1)) | np.uint64(1)])
    keys.sort()
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    keys = keys[new]
    text_of = (keys >> np.uint64(33)).astype(np.int64)
    of_second = np.bincount(text_of[(keys & np.uint64(1)).astype(bool)], None, texts)
    of_first = np.bincount(text_of, None, texts) - of_second
    common = np.bincount(text_of[1:][keys[1:] >> np.uint64(1) == keys[:-1] >> np.uint64(1)], None, texts)
    either = of_first + of_second - common
    return (common / np.maximum(either, 1)).astype(np.float32), (of_first > 0) & (of_second > 0)


def _keys(shingles: Shingles) -> Hashes:
    texts = np.repeat(np.arange(len(shingles.offsets) - 1, dtype=np.uint64), np.diff(shingles.offsets))
    return (texts << np.uint64(32)) | (shingles.hashes & np.uint64(0xFFFFFFFF))


class _Hashed:
    """A batch of texts, one behind the other with a blank between, ready to give the hash of any piece."""

    def __init__(self, texts: Sequence[str]) -> None:
        codes = np.frombuffer("".join([text + " " for text in texts]).encode("utf-32-le", "surrogatepass"), "<u4")
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        self._ends = np.cumsum(lengths + 1) - 1  # of each text
        self._starts = self._ends - lengths
        mixed = _mix(codes.astype(np.uint64) + np.uint64(1))
        self._inverse, powers = _powers(len(codes))
        self._sums = np.zeros(len(codes) + 1, np.uint64)
        np.cumsum(mixed * powers, out=self._sums[1:])

        blank = codes == 32
        after_blank = np.ones(len(codes), bool)
        after_blank[1:] = blank[:-1]
        self._word_starts = np.flatnonzero(after_blank & ~blank)
        self._word_ends = np.flatnonzero(~after_blank & blank)
        self._first_words = np.searchsorted(self._word_starts, self._starts)
        self.words = np.searchsorted(self._word_starts, self._ends) - self._first_words

    def word_shingles(self, size: int, wanted: npt.NDArray[np.bool_]) -> Shingles:
        """Pieces of `size` words of the wanted texts."""
        counts = np.where(wanted, np.maximum(self.words - size + 1, 0), 0)
        first = ranges(self._first_words, counts)
        return self._shingles(self._word_starts[first], self._word_ends[first + size - 1], counts)

    def character_shingles(self, sizes: Counts, wanted: npt.NDArray[np.bool_]) -> Shingles:
        """Return n-grams of characters of the wanted texts."""
        counts = np.where(wanted, np.maximum(self._ends - self._starts - sizes + 1, 0), 0)
        first = ranges(self._starts, counts)
        return self._shingles(first, first + np.repeat(sizes, counts), counts)

    def _shingles(self, starts: Counts, ends: Counts, counts: Counts) -> Shingles:
        hashes = _mix((self._sums[ends] - self._sums[starts]) * self._inverse[starts])
        return Shingles(hashes, np.concatenate([[0], np.cumsum(counts)]))


def ranges(starts: Counts, counts: Counts) -> Counts:
    """Return for each start a range of numbers from it on, concatenated."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)


_BASE: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_BASE, -1, 2**64)
_tables: list[tuple[Hashes, Hashes]] = []


def _powers(length: int) -> tuple[Hashes, Hashes]:
    """B^-i and B^i for every place in a batch; kept, as batches are much alike in size."""
    known = _tables[-1:]  # taken once: workers of one process may be threads
    if not known or len(known[0][0]) < length:
        size = max(length, 1 << 20)
        known = [(_geometric(_INVERSE, size), _geometric(_BASE, size))]
        _tables[:] = known
    inverse, powers = known[0]
    return inverse, powers[:length]


def _geometric(base: int, length: int) -> Hashes:
    powers = np.full(length, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _mix(values: Hashes) -> Hashes:
    """Every bit of the result depends on every bit given: the finaliser of MurmurHash3."""
    values = values ^ (values >> np.uint64(33))
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values
