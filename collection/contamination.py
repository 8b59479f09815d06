"""Find rows that contain an example of an evaluation set, by n-grams that fit every script.

A text is cut into n-grams of eight words, or, in scripts without spaces, of the equivalent number of characters. A row
holds an evaluation text if half of the text's n-grams are in it. A text of five to seven words is one n-gram. Shorter
texts are not checked, since anybody may write them. N-grams that many texts of a set share are not counted: they are
the wording of the set, not its questions.

    question = EvaluationText("xquad.sw", "17", "Nani aligundua penisilini mwaka wa 1928 huko London?")
    hits = find(["Swali: nani aligundua penisilini mwaka wa 1928 huko London"], ContaminationIndex.of([question]))
    assert hits == [ContaminationHit(row=0, item=0, share=1.0)]
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
from collection.shingles import Counts, Hashes, ShingleRule, Shingles, comparable, n_grams, ranges

WORDS: Final = 8
FEWEST_WORDS: Final = 5
# An n-gram counts if at most this share of a set's texts have it, within these bounds.
_MOST_SHARE, _MOST_AT_LEAST, _MOST = 0.05, 10, 1_000


@dataclass(frozen=True)
class ContaminationConfig:
    """When a row counts as holding a text of an evaluation set."""

    share: Annotated[float, Gt(0), Le(1)] = 0.5  # of an evaluation text's n-grams of eight words that a row must hold


class EvaluationText(NamedTuple):
    """A text of an evaluation set. Several texts may have one id: a question, its choices, its answer."""

    set: str
    id: str
    text: str


class ContaminationHit(NamedTuple):
    """The index of a row, the index of the evaluation text that it holds, and the share of n-grams that it holds."""

    row: int
    item: int
    share: float


class _Cutting(NamedTuple):
    """How texts are cut into n-grams: a number of words, or the equivalent number of characters of one script."""

    words: int
    script: str  # "" for words


class EvaluationSetSize(NamedTuple):
    """How many examples and different texts a set has, and how many of them are too short to check."""

    items: int
    short_items: int
    texts: int
    short_texts: int


@dataclass(frozen=True)
class ContaminationIndex:
    """The n-grams of all evaluation texts. `n_grams[cutting]` has sorted hashes, and the index of the text of each.

    A text that several examples of a set share is there once, for the first of them.
    """

    sets: tuple[str, ...]
    ids: tuple[str, ...]
    set_of: Counts
    sizes: Counts  # distinct n-grams of each text; 0 for one that is too short to check
    totals: tuple[EvaluationSetSize, ...]  # of each set
    n_grams: dict[_Cutting, tuple[Hashes, Counts]]

    @classmethod
    def of(cls, items: Iterable[EvaluationText]) -> ContaminationIndex:
        """Return the index of some evaluation texts."""
        index_of: dict[tuple[str, str], int] = {}  # by set and text
        texts_of: dict[tuple[str, str], set[int]] = {}  # by set and id
        known: list[EvaluationText] = []
        for item in items:
            text = plain(item.text)
            index = index_of.setdefault((item.set, text), len(known))
            if index == len(known):
                known.append(item._replace(text=text))
            texts_of.setdefault((item.set, item.id), set()).add(index)
        sets = tuple(dict.fromkeys(item.set for item in known))
        texts = [item.text for item in known]
        by_cutting: dict[_Cutting, list[int]] = {}
        for index, text in enumerate(texts):
            if cutting := _cutting_of(text):
                by_cutting.setdefault(cutting, []).append(index)
        numbers = {name: number for number, name in enumerate(sets)}
        set_of = np.array([numbers[item.set] for item in known], np.int64)
        sizes = np.zeros(len(known), np.int64)
        grams = {}
        for cutting, members in by_cutting.items():
            cut = _cut([texts[index] for index in members], cutting)
            owners = np.repeat(np.array(members, np.int64), np.diff(cut.offsets))
            grams[cutting] = _distinctive(cut.hashes, owners, set_of)
            sizes += np.bincount(grams[cutting][1], None, len(known))
        totals = _totals(len(sets), numbers, texts_of, set_of, sizes)
        return cls(sets, tuple(item.id for item in known), set_of, sizes, totals, grams)

    def name(self, item: int) -> tuple[str, str]:
        """Return the set and the id of an evaluation text."""
        return self.sets[self.set_of[item]], self.ids[item]

    def counts(self) -> dict[str, EvaluationSetSize]:
        """Return for each set how many examples and texts it has, and how many are too short to check."""
        return dict(zip(self.sets, self.totals, strict=True))

    def save(self, path: Path) -> None:
        """Write the index to one file."""
        names = orjson.dumps([self.sets, self.ids, [tuple(total) for total in self.totals]])
        arrays: dict[str, Any] = {"set_of": self.set_of, "sizes": self.sizes, "names": np.frombuffer(names, np.uint8)}
        for cutting, (hashes, owners) in self.n_grams.items():
            key = f"{cutting.words} {cutting.script}"
            arrays |= {f"hashes {key}": hashes, f"owners {key}": owners}
        with open(path, "wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> ContaminationIndex:
        """Read an index that `save` wrote."""
        with np.load(path) as arrays:
            grams = {}
            for name in arrays.files:
                if name.startswith("hashes "):
                    _, words, script = name.split(" ")
                    grams[_Cutting(int(words), script)] = arrays[name], arrays[name.replace("hashes", "owners", 1)]
            sets, ids, sizes = orjson.loads(arrays["names"].tobytes())
            totals = tuple(EvaluationSetSize(*size) for size in sizes)
            return cls(tuple(sets), tuple(ids), arrays["set_of"], arrays["sizes"], totals, grams)


def _totals(
    sets: int, numbers: dict[str, int], texts_of: dict[tuple[str, str], set[int]], set_of: Counts, sizes: Counts
) -> tuple[EvaluationSetSize, ...]:
    counts = [[0, 0, 0, 0] for _ in range(sets)]
    for (name, _), texts in texts_of.items():
        counts[numbers[name]][0] += 1
        counts[numbers[name]][1] += not any(sizes[text] for text in texts)
    for number, size in zip(set_of.tolist(), sizes.tolist(), strict=True):
        counts[number][2] += 1
        counts[number][3] += not size
    return tuple(EvaluationSetSize(*count) for count in counts)


def find(
    texts: Sequence[str], index: ContaminationIndex, config: ContaminationConfig | None = None
) -> list[ContaminationHit]:
    """Return for each text the evaluation text that it holds most of, the first of several that it holds equally."""
    every = _hits(texts, index, config or ContaminationConfig())
    _, first = np.unique(every["row"], return_index=True)
    return [ContaminationHit(*hit) for hit in every[first].tolist()]


def find_all(
    texts: Sequence[str], index: ContaminationIndex, config: ContaminationConfig | None = None
) -> list[ContaminationHit]:
    """Return for each text all evaluation texts that it holds, the one that it holds most of first."""
    return [ContaminationHit(*hit) for hit in _hits(texts, index, config or ContaminationConfig()).tolist()]


def _hits(texts: Sequence[str], index: ContaminationIndex, config: ContaminationConfig) -> Any:
    plain_texts = [plain(text) for text in texts]
    hits = [np.empty(0, _HIT)]
    for cutting, (hashes, owners) in index.n_grams.items():
        rows = [row for row, text in enumerate(plain_texts) if _has_script(text, cutting)]
        overlaps = _overlaps(_cut([plain_texts[row] for row in rows], cutting), hashes, owners)
        candidates = np.empty(len(overlaps.items), _HIT)
        candidates["row"], candidates["item"] = np.array(rows, np.int64)[overlaps.rows], overlaps.items
        candidates["share"] = overlaps.common / index.sizes[overlaps.items]
        hits.append(candidates[candidates["share"] >= config.share])
    every = np.concatenate(hits)
    return every[np.lexsort((every["item"], -every["share"], every["row"]))]


_HIT: Final = np.dtype([("row", "<i8"), ("item", "<i8"), ("share", "<f8")])


def plain(text: str) -> str:
    """Return a text without what its copies may differ in: punctuation, case, runs of blanks, invisible characters."""
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = _of_categories("Cf").sub("", text)
    return comparable(_of_categories("P", "S").sub(" ", text))


def _distinctive(hashes: Hashes, owners: Counts, set_of: Counts) -> tuple[Hashes, Counts]:
    """Return each n-gram of each text once, sorted, without those that too many texts of a set share."""
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


class _Overlaps(NamedTuple):
    """Rows and evaluation texts with common n-grams, and how many of the text's distinct n-grams the row holds."""

    rows: Counts
    items: Counts
    common: Counts


_PAIRS_AT_ONCE: Final = 1 << 20


def _overlaps(cut: Shingles, hashes: Hashes, owners: Counts) -> _Overlaps:
    """Return every row and evaluation text with a common n-gram. Memory holds about a million pairs at a time."""
    rows = np.repeat(np.arange(len(cut.offsets) - 1), np.diff(cut.offsets))
    # Nearly all n-grams are in no evaluation text: a small table of bits excludes them before the binary search.
    bits = np.zeros(1 << 22, bool)
    bits[hashes & np.uint64(len(bits) - 1)] = True
    maybe = bits[cut.hashes & np.uint64(len(bits) - 1)]
    candidates, rows = cut.hashes[maybe], rows[maybe]
    first, last = np.searchsorted(hashes, candidates), np.searchsorted(hashes, candidates, side="right")
    known = last > first
    # A row that repeats an n-gram holds it once: equal n-grams have the same first index among the sorted hashes.
    distinct = np.unique(np.stack([rows[known], first[known], last[known]]), axis=1)
    rows, first, many = distinct[0], distinct[1], distinct[2] - distinct[1]
    keys, common = np.empty(0, np.int64), np.empty(0, np.int64)
    width = int(owners.max()) + 1 if len(owners) else 1
    # An n-gram is in at most a thousand texts of a set, so a chunk is never much larger than it should be.
    for chunk in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(np.cumsum(many) // _PAIRS_AT_ONCE)) + 1):
        pairs = np.repeat(rows[chunk] * width, many[chunk]) + owners[ranges(first[chunk], many[chunk])]
        new, counts = np.unique(pairs, return_counts=True)
        joined, position = np.unique(np.concatenate([keys, new]), return_inverse=True)
        sums = np.bincount(position, np.concatenate([common, counts]), len(joined)).astype(np.int64)
        keys, common = joined, sums
    return _Overlaps(keys // width, keys % width, common)


def _cutting_of(text: str) -> _Cutting | None:
    """Return how a text is cut, by the script of most of its letters, or None if it is too short to check."""
    script = dominant_script(text) or ""
    if not script or SCRIPTS[script].spaced:
        words = text.count(" ") + 1 if text else 0
        return _Cutting(min(words, WORDS), "") if words >= FEWEST_WORDS else None
    for words in range(WORDS, FEWEST_WORDS - 1, -1):
        if len(text) >= _characters(_Cutting(words, script)):
            return _Cutting(words, script)
    return None


def _characters(cutting: _Cutting) -> int:
    return max(3, round(5 * SCRIPTS[cutting.script].density * cutting.words))


def _cut(texts: Sequence[str], cutting: _Cutting) -> Shingles:
    return n_grams(texts, ShingleRule(_characters(cutting) if cutting.script else 0, not cutting.script), cutting.words)


def _has_script(text: str, cutting: _Cutting) -> bool:
    return not cutting.script or SCRIPTS[cutting.script].count(text) > 0


@functools.cache
def _of_categories(*categories: str) -> re.Pattern[str]:
    """Return a pattern of Unicode categories. \\W would also match the vowel signs of half of Asia's scripts."""
    signs = [
        chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)).startswith(categories)
    ]
    ranges, start = [], 0
    for end in range(1, len(signs) + 1):
        if end == len(signs) or ord(signs[end]) != ord(signs[end - 1]) + 1:
            ranges.append(f"{re.escape(signs[start])}-{re.escape(signs[end - 1])}")
            start = end
    return re.compile(f"[{''.join(ranges)}]+")
