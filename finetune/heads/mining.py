"""Documents that look like the right one and are not: hard negatives.

Two miners: `ngrams` ranks documents by BM25 over their character trigrams, which needs no words and no spaces; an
embedding model ranks them by cosine. Of what they find, these are passed over: documents that count as the right one,
or as right for the same query, and near-copies of the right one, by the share of trigrams in common.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from core.paths import as_path
from finetune.data.shuffle import mix
from finetune.heads.config import MINE_NGRAMS
from finetune.heads.embedder import Embedder
from finetune.heads.pair_store import Indexed, PairStore

Ints = npt.NDArray[np.int64]
_BUCKETS: Final = 1 << 20
_K1, _B = 1.2, 0.75
_NEAR: Final = 0.8  # share of trigrams in common from which two texts say the same
_SPARE: Final = 16  # candidates beyond those asked for, since some are passed over
_AT_ONCE: Final = 512


class Miner(Protocol):
    """Ranks documents by their likeness to queries."""

    def best(self, queries: Sequence[str], documents: Sequence[str], count: int) -> list[Ints]:
        """For each query the numbers of the most alike documents, most alike first."""


def miner(name: str) -> Miner:
    """By its name in head.miner; ConfigError or SourceError where a folder holds no embedding model."""
    return NgramMiner() if name == MINE_NGRAMS else ModelMiner(as_path(name))


def mine(store: PairStore, pairs: Sequence[Indexed], count: int, by: Miner) -> list[tuple[int, ...]]:
    """For each pair up to `count` texts of the store, in the language of its document, from the training documents."""
    pools: dict[str, list[int]] = defaultdict(list)
    for text in dict.fromkeys(text for pair in store.train for text in (pair.document, *pair.negatives)):
        pools[store.languages_T[text]].append(text)
    right: dict[int, set[int]] = defaultdict(set)
    for pair in (*store.train, *pairs):
        right[int(store.keys_T[pair.query])].add(int(store.keys_T[pair.document]))
    grams = functools.cache(lambda text: trigrams(store.texts[text]))
    found: list[tuple[int, ...]] = [()] * len(pairs)
    members: dict[str, list[int]] = defaultdict(list)
    for number, pair in enumerate(pairs):
        members[store.languages_T[pair.document]].append(number)
    for language, numbers in members.items():
        pool = pools[language]
        queries = [store.texts[pairs[number].query] for number in numbers]
        ranked = by.best(queries, [store.texts[text] for text in pool], count + _SPARE)
        for number, places in zip(numbers, ranked, strict=True):
            pair = pairs[number]
            passed = right[int(store.keys_T[pair.query])] | {int(store.keys_T[pair.query])}
            wrong = [pool[place] for place in places if int(store.keys_T[pool[place]]) not in passed]
            far = (text for text in wrong if in_common(grams(pair.document), grams(text)) < _NEAR)
            found[number] = tuple(itertools.islice(far, count))
    return found


def trigrams(text: str) -> Ints:
    """The distinct trigrams of a text's characters as sorted numbers; case and form of characters are no difference."""
    return np.unique(_all_trigrams(text))


def _all_trigrams(text: str) -> Ints:
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    points = np.frombuffer(f" {plain} ".encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    if len(points) < 3:
        return np.zeros(0, np.int64)
    joined = points[:-2] | points[1:-1] << np.uint64(21) | points[2:] << np.uint64(42)
    return (mix(joined) % np.uint64(_BUCKETS)).astype(np.int64)


def in_common(one: Ints, other: Ints) -> float:
    """Of the trigrams of the shorter text, the share that the other has, too."""
    least = min(len(one), len(other))
    return len(np.intersect1d(one, other, assume_unique=True)) / least if least else float(len(one) == len(other))


class NgramMiner:
    """BM25 over character trigrams."""

    def best(self, queries: Sequence[str], documents: Sequence[str], count: int) -> list[Ints]:
        index = _Index(documents)
        return [index.best(query, count) for query in queries]


@dataclass(frozen=True, eq=False)
class _Index:
    """Which documents hold a trigram, and how much it weighs there."""

    documents: Sequence[str]

    @cached_property
    def _postings(self) -> tuple[Ints, Ints, npt.NDArray[np.float32]]:
        """Where the entries of a trigram begin, [buckets + 1]; of each entry the document and its weight."""
        grams, owners, counts, lengths = [], [], [], np.ones(len(self.documents))
        for number, document in enumerate(self.documents):
            own, count = np.unique(_all_trigrams(document), return_counts=True)
            grams.append(own)
            counts.append(count)
            owners.append(np.full(len(own), number))
            lengths[number] = max(1, count.sum())
        gram, owner, count = (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (grams, owners, counts))
        order = np.argsort(gram, kind="stable")
        gram, owner, count = gram[order], owner[order], count[order]
        held = np.bincount(gram, minlength=_BUCKETS)
        rarity = np.log(1 + (len(self.documents) - held + 0.5) / (held + 0.5))
        relative = lengths[owner] / lengths.mean() if len(lengths) else lengths[owner]
        weight = rarity[gram] * count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * relative))
        return np.concatenate([[0], np.cumsum(held)]), owner, weight.astype(np.float32)

    def best(self, query: str, count: int) -> Ints:
        starts, owners, weights = self._postings
        scores = np.zeros(len(self.documents), np.float32)
        for gram in trigrams(query).tolist():
            here = slice(int(starts[gram]), int(starts[gram + 1]))
            scores[owners[here]] += weights[here]
        return _highest(scores, count)


class ModelMiner:
    """The cosine of an embedding model."""

    def __init__(self, folder: Path) -> None:
        self._embedder = Embedder.load(folder)

    def best(self, queries: Sequence[str], documents: Sequence[str], count: int) -> list[Ints]:
        vectors = self._embedder.embed(documents, "document")
        found: list[Ints] = []
        for start in range(0, len(queries), _AT_ONCE):
            scores = self._embedder.embed(queries[start : start + _AT_ONCE], "query") @ vectors.T
            found.extend(_highest(row, count) for row in scores)
        return found


def _highest(scores: npt.NDArray[np.float32], count: int) -> Ints:
    """The places of the highest values, highest first; of equal ones the first."""
    if count < len(scores):
        bound = np.partition(scores, -count)[-count]
        places = np.flatnonzero(scores >= bound)
    else:
        places = np.arange(len(scores))
    return places[np.argsort(-scores[places], kind="stable")][:count]
