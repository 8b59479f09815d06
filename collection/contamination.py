"""Contamination: is a row made of an item of an evaluation set? By n-grams that fit every script.

A text is cut into pieces of eight words, or, in scripts without spaces, of as many characters as stand for them. A row
holds an item if half of the item's pieces are in it. An item of five to seven words is one piece, which a row holds or
not; what is shorter is anybody's phrase, and cannot be told. Nor can a piece that many items of a set have: it is what
the set is written in, not what it asks.

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
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import orjson
from annotated_types import Gt, Le

from collection.scripts import SCRIPTS, dominant_script
from collection.shingles import Counts, Hashes, Shape, Shingles, comparable, n_grams, ranges

WORDS: Final = 8
FEWEST_WORDS: Final = 5
# So many of a set's texts may share a piece that tells one of them: a share of all, within bounds.
_MOST_SHARE, _MOST_AT_LEAST, _MOST = 0.05, 10, 1_000


@dataclass(frozen=True)
class ContaminationConfig:
    """What counts as an item of an evaluation set in a row."""

    share: Annotated[float, Gt(0), Le(1)] = 0.5  # of an item's pieces of eight words that a row must hold


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


class Total(NamedTuple):
    """The items of a set and their different texts, and how many of either cannot be told."""

    items: int
    untold: int
    texts: int
    untold_texts: int


@dataclass(frozen=True)
class Index:
    """The pieces of all items. `pieces[way]` has the sorted hashes of one way of cutting, and the item of each.

    A text that several items of a set have stands there once, for the first of them.
    """

    sets: tuple[str, ...]
    ids: tuple[str, ...]
    set_of: Counts
    sizes: Counts  # distinct pieces of each text; 0 for one that cannot be told
    totals: tuple[Total, ...]  # of each set
    pieces: dict[_Way, tuple[Hashes, Counts]]

    @classmethod
    def of(cls, items: Iterable[Item]) -> Index:
        """The index of some items."""
        places: dict[tuple[str, str], int] = {}  # of each text of a set
        texts_of: dict[tuple[str, str], set[int]] = {}  # of each item
        known: list[Item] = []
        for item in items:
            text = plain(item.text)
            place = places.setdefault((item.set, text), len(known))
            if place == len(known):
                known.append(item._replace(text=text))
            texts_of.setdefault((item.set, item.id), set()).add(place)
        sets = tuple(dict.fromkeys(item.set for item in known))
        texts = [item.text for item in known]
        ways: dict[_Way, list[int]] = {}
        for place, text in enumerate(texts):
            if way := _way_of(text):
                ways.setdefault(way, []).append(place)
        numbers = {name: number for number, name in enumerate(sets)}
        set_of = np.array([numbers[item.set] for item in known], np.int64)
        sizes = np.zeros(len(known), np.int64)
        pieces = {}
        for way, members in ways.items():
            cut = _cut([texts[place] for place in members], way)
            pieces[way] = _telling(cut.hashes, np.repeat(np.array(members, np.int64), np.diff(cut.offsets)), set_of)
            sizes += np.bincount(pieces[way][1], None, len(known))
        counted = [[0, 0, 0, 0] for _ in sets]
        for (name, _), its in texts_of.items():
            counted[numbers[name]][0] += 1
            counted[numbers[name]][1] += not any(sizes[place] for place in its)
        for number, size in zip(set_of.tolist(), sizes.tolist(), strict=True):
            counted[number][2] += 1
            counted[number][3] += not size
        totals = tuple(Total(*one) for one in counted)
        return cls(sets, tuple(item.id for item in known), set_of, sizes, totals, pieces)

    def name(self, item: int) -> tuple[str, str]:
        """The set and the id of an item."""
        return self.sets[self.set_of[item]], self.ids[item]

    def counts(self) -> dict[str, Total]:
        """How many items and texts each set has, and how many of them cannot be told."""
        return dict(zip(self.sets, self.totals, strict=True))

    def save(self, path: Path) -> None:
        """Writes the index as one file."""
        names = orjson.dumps([self.sets, self.ids, [tuple(total) for total in self.totals]])
        arrays: dict[str, Any] = {"set_of": self.set_of, "sizes": self.sizes, "names": np.frombuffer(names, np.uint8)}
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
            sets, ids, totals = orjson.loads(arrays["names"].tobytes())
            counted = tuple(Total(*one) for one in totals)
            return cls(tuple(sets), tuple(ids), arrays["set_of"], arrays["sizes"], counted, pieces)


def find(texts: Sequence[str], index: Index, config: ContaminationConfig | None = None) -> list[Hit]:
    """For each text that holds items, the one that it holds most of; of equals the first."""
    every = _hits(texts, index, config or ContaminationConfig())
    _, first = np.unique(every["row"], return_index=True)
    return [Hit(*hit) for hit in every[first].tolist()]


def find_all(texts: Sequence[str], index: Index, config: ContaminationConfig | None = None) -> list[Hit]:
    """For each text that holds items, all of them, the one that it holds most of first."""
    return [Hit(*hit) for hit in _hits(texts, index, config or ContaminationConfig()).tolist()]


def _hits(texts: Sequence[str], index: Index, config: ContaminationConfig) -> Any:
    plains = [plain(text) for text in texts]
    found = [np.empty(0, _FOUND)]
    for way, (hashes, owners) in index.pieces.items():
        wanted = [row for row, text in enumerate(plains) if _has_script(text, way)]
        counted = _counts(_cut([plains[row] for row in wanted], way), hashes, owners)
        some = np.empty(len(counted.items), _FOUND)
        some["row"], some["item"] = np.array(wanted, np.int64)[counted.rows], counted.items
        some["share"] = counted.held / index.sizes[counted.items]
        found.append(some[some["share"] >= config.share])
    every = np.concatenate(found)
    return every[np.lexsort((every["item"], -every["share"], every["row"]))]


_FOUND: Final = np.dtype([("row", "<i8"), ("item", "<i8"), ("share", "<f8")])


def plain(text: str) -> str:
    """A text without punctuation, case, runs of blanks, or signs that nobody sees: what copies of it may differ in."""
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = _of_categories("Cf").sub("", text)
    return comparable(_of_categories("P", "S").sub(" ", text))


def _telling(hashes: Hashes, owners: Counts, set_of: Counts) -> tuple[Hashes, Counts]:
    """Each piece of each text once, sorted, without those that too many texts of a set have."""
    order = np.lexsort((owners, set_of[owners], hashes))
    hashes, owners = hashes[order], owners[order]
    new = np.ones(len(hashes), bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    hashes, owners = hashes[new], owners[new]
    sets = set_of[owners]
    begins = np.ones(len(hashes), bool)
    begins[1:] = (hashes[1:] != hashes[:-1]) | (sets[1:] != sets[:-1])
    sharing = np.diff(np.append(np.flatnonzero(begins), len(hashes)))
    most = np.clip(_MOST_SHARE * np.bincount(set_of), _MOST_AT_LEAST, _MOST)
    few = np.repeat(sharing <= most[sets[begins]], sharing)
    return hashes[few], owners[few]


class _Counted(NamedTuple):
    """Rows and items that have pieces in common, and how many of the item's distinct pieces the row holds."""

    rows: Counts
    items: Counts
    held: Counts


_PAIRS_AT_ONCE: Final = 1 << 20


def _counts(cut: Shingles, hashes: Hashes, owners: Counts) -> _Counted:
    """Every row and item with a piece in common. Memory holds a million of their pieces, whatever they share."""
    rows = np.repeat(np.arange(len(cut.offsets) - 1), np.diff(cut.offsets))
    # Nearly all pieces are in no item: a small table of bits turns them away before anything is searched.
    bits = np.zeros(1 << 22, bool)
    bits[hashes & np.uint64(len(bits) - 1)] = True
    maybe = bits[cut.hashes & np.uint64(len(bits) - 1)]
    found, rows = cut.hashes[maybe], rows[maybe]
    first, last = np.searchsorted(hashes, found), np.searchsorted(hashes, found, side="right")
    there = last > first
    # A row that says a piece twice holds it once: a piece is known by where it stands among the sorted ones.
    once = np.unique(np.stack([rows[there], first[there], last[there]]), axis=1)
    rows, first, many = once[0], once[1], once[2] - once[1]
    keys, held = np.empty(0, np.int64), np.empty(0, np.int64)
    width = int(owners.max()) + 1 if len(owners) else 1
    # A piece is in no more than a thousand items of a set, so a part of them is never much larger than it should be.
    for part in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(np.cumsum(many) // _PAIRS_AT_ONCE)) + 1):
        pairs = np.repeat(rows[part] * width, many[part]) + owners[ranges(first[part], many[part])]
        new, counts = np.unique(pairs, return_counts=True)
        joined, place = np.unique(np.concatenate([keys, new]), return_inverse=True)
        sums = np.bincount(place, np.concatenate([held, counts]), len(joined)).astype(np.int64)
        keys, held = joined, sums
    return _Counted(keys // width, keys % width, held)


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
    return not way.script or SCRIPTS[way.script].count(text) > 0


@functools.cache
def _of_categories(*categories: str) -> re.Pattern[str]:
    """All characters of some categories of Unicode; not \\W, which takes the vowel signs of half of Asia."""
    signs = [
        chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)).startswith(categories)
    ]
    ranges, start = [], 0
    for place in range(1, len(signs) + 1):
        if place == len(signs) or ord(signs[place]) != ord(signs[place - 1]) + 1:
            ranges.append(f"{re.escape(signs[start])}-{re.escape(signs[place - 1])}")
            start = place
    return re.compile(f"[{''.join(ranges)}]+")
