"""Contamination: is a row made of an item of an evaluation set? By n-grams that fit every script.

A text is cut into pieces of eight words, or, in scripts without spaces, of as many characters as stand for them. A row
holds an item if half of the item's pieces are in it. An item of five to seven words is one piece, which a row holds or
not; what is shorter is anybody's phrase, and cannot be told.

    index = Index.of([Item("xquad.sw", "17", "Nani aligundua penisilini mwaka wa 1928 huko London?")])
    [Hit(row=0, item=0, share=1.0)] == find(["Swali: nani aligundua penisilini mwaka wa 1928 huko London"], index)
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collection.scripts import SCRIPTS, dominant_script
from collection.shingles import Hashes, Shape, Shingles, comparable, n_grams
from glotmill.errors import ConfigError

WORDS: Final = 8
FEWEST_WORDS: Final = 5


@dataclass(frozen=True)
class ContaminationConfig:
    """What counts as an item of an evaluation set in a row."""

    share: float = 0.5  # of an item's pieces of eight words that a row must hold

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ConfigError(f"decontaminate.share is {self.share}: expected a share above 0, up to 1")


class Item(NamedTuple):
    """A text of an evaluation set. Several may have one id: a question, its choices, its answer."""

    set: str
    id: str
    text: str


class Hit(NamedTuple):
    """A row that holds an item, by their places, and the share of the item's pieces that it holds."""

    row: int
    item: int
    share: float


class _Way(NamedTuple):
    """How texts are cut: so many words, or characters of one script that stand for so many."""

    words: int
    script: str  # "" for words


@dataclass(frozen=True)
class Index:
    """The pieces of all items. `pieces[way]` has the sorted hashes of one way of cutting, and the item of each."""

    sets: tuple[str, ...]
    ids: tuple[str, ...]
    set_of: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]  # distinct pieces of each item; 0 for one that is too short
    pieces: dict[_Way, tuple[Hashes, npt.NDArray[np.int64]]]

    @classmethod
    def of(cls, items: Iterable[Item]) -> Index:
        """The index of some items; texts of one set and id that are equal count once."""
        known = list(dict.fromkeys(items))
        sets = tuple(dict.fromkeys(item.set for item in known))
        texts = [plain(item.text) for item in known]
        ways: dict[_Way, list[int]] = {}
        for place, text in enumerate(texts):
            if way := _way_of(text):
                ways.setdefault(way, []).append(place)
        sizes = np.zeros(len(known), np.int64)
        pieces = {}
        for way, places in ways.items():
            cut = _cut([texts[place] for place in places], way)
            owners = np.repeat(np.array(places, np.int64), np.diff(cut.offsets))
            order = np.lexsort((owners, cut.hashes))
            hashes, owners = cut.hashes[order], owners[order]
            new = np.ones(len(hashes), bool)
            new[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
            pieces[way] = hashes[new], owners[new]
            sizes += np.bincount(owners[new], None, len(known))
        set_of = np.array([sets.index(item.set) for item in known], np.int64)
        return cls(sets, tuple(item.id for item in known), set_of, sizes, pieces)

    def name(self, item: int) -> tuple[str, str]:
        """The set and the id of an item."""
        return self.sets[self.set_of[item]], self.ids[item]

    def counts(self) -> dict[str, tuple[int, int]]:
        """Of each set, how many items there are, and of how many no text is long enough to be told."""
        all_of_them: dict[str, set[str]] = {name: set() for name in self.sets}
        told: dict[str, set[str]] = {name: set() for name in self.sets}
        for place, (name, size) in enumerate(zip(self.set_of.tolist(), self.sizes.tolist(), strict=True)):
            all_of_them[self.sets[name]].add(self.ids[place])
            if size:
                told[self.sets[name]].add(self.ids[place])
        return {name: (len(ids), len(ids - told[name])) for name, ids in all_of_them.items()}

    def save(self, path: Path) -> None:
        """Writes the index as one file."""
        arrays: dict[str, Any] = {"set_of": self.set_of, "sizes": self.sizes}
        arrays |= {"sets": np.array(self.sets, str), "ids": np.array(self.ids, str)}
        for way, (hashes, owners) in self.pieces.items():
            arrays |= {f"hashes {way.words} {way.script}": hashes, f"owners {way.words} {way.script}": owners}
        with open(path, "wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> Index:
        with np.load(path) as arrays:
            pieces = {}
            for name in arrays.files:
                if name.startswith("hashes "):
                    _, words, script = name.split(" ")
                    pieces[_Way(int(words), script)] = arrays[name], arrays[name.replace("hashes", "owners", 1)]
            sets, ids = (tuple(map(str, arrays[name])) for name in ("sets", "ids"))
            return cls(sets, ids, arrays["set_of"], arrays["sizes"], pieces)


def find(texts: Sequence[str], index: Index, config: ContaminationConfig | None = None) -> list[Hit]:
    """For each text that holds items, the one that it holds most of; of equals the first."""
    config = config or ContaminationConfig()
    plains = [plain(text) for text in texts]
    best: dict[int, Hit] = {}
    for way, (hashes, owners) in index.pieces.items():
        wanted = [row for row, text in enumerate(plains) if _has_script(text, way)]
        cut = _cut([plains[row] for row in wanted], way)
        for row, item, count in _counts(cut, hashes, owners):
            share = count / int(index.sizes[item])
            before = best.get(wanted[row])
            if share >= config.share and (before is None or (-share, item) < (-before.share, before.item)):
                best[wanted[row]] = Hit(wanted[row], item, share)
    return [best[row] for row in sorted(best)]


def plain(text: str) -> str:
    """A text without punctuation, case, or runs of blanks: what copies of it may differ in."""
    return comparable(_punctuation().sub(" ", text))


def _counts(cut: Shingles, hashes: Hashes, owners: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Row, item, and how many of the item's distinct pieces the row holds, for every row and item with any."""
    rows = np.repeat(np.arange(len(cut.offsets) - 1), np.diff(cut.offsets))
    # Nearly all pieces are in no item: a small table of bits turns them away before anything is searched.
    bits = np.zeros(1 << 22, bool)
    bits[hashes & np.uint64(len(bits) - 1)] = True
    maybe = bits[cut.hashes & np.uint64(len(bits) - 1)]
    found, rows = cut.hashes[maybe], rows[maybe]
    first, last = np.searchsorted(hashes, found), np.searchsorted(hashes, found, side="right")
    pairs = {
        (row, place)
        for row, begin, end in zip(rows.tolist(), first.tolist(), last.tolist(), strict=True)
        for place in range(begin, end)
    }
    counts: dict[tuple[int, int], int] = {}
    for row, place in pairs:
        key = row, int(owners[place])
        counts[key] = counts.get(key, 0) + 1
    return [(row, item, count) for (row, item), count in counts.items()]


def _way_of(text: str) -> _Way | None:
    """How an item is cut, by the script that most of it is written in; None where it is too short."""
    script = dominant_script(text) or ""
    if not script or SCRIPTS[script].spaced:
        words = text.count(" ") + 1 if text else 0
        return _Way(min(words, WORDS), "") if words >= FEWEST_WORDS else None
    for words in range(WORDS, FEWEST_WORDS - 1, -1):
        if len(text) >= _characters(_Way(words, script)):
            return _Way(words, script)
    return None


def _characters(way: _Way) -> int:
    return max(3, round(5 * SCRIPTS[way.script].density * way.words))


def _cut(texts: Sequence[str], way: _Way) -> Shingles:
    return n_grams(texts, Shape(_characters(way) if way.script else 0, not way.script), way.words)


def _has_script(text: str, way: _Way) -> bool:
    return not way.script or SCRIPTS[way.script].count(text) >= _characters(way) // 2


@functools.cache
def _punctuation() -> re.Pattern[str]:
    """All punctuation and symbols; not \\W, which takes the vowel signs of half of Asia."""
    signs = [chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point))[0] in "PS"]
    ranges, start = [], 0
    for place in range(1, len(signs) + 1):
        if place == len(signs) or ord(signs[place]) != ord(signs[place - 1]) + 1:
            ranges.append(f"{re.escape(signs[start])}-{re.escape(signs[place - 1])}")
            start = place
    return re.compile(f"[{''.join(ranges)}]+")
