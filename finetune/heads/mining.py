"""Mine hard negatives: documents that look like the right one and are wrong.

There are two miners. `ngrams` ranks documents by BM25 over character trigrams, which needs no words and no spaces. An
embedding model ranks them by cosine. These documents are skipped: those that count as the right one, those that are
right for the same query, and near-copies of the right one, by the share of common trigrams.
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
_NEAR: Final = 0.8  # share of common trigrams from which two texts are near-copies
_SPARE: Final = 16  # candidates beyond those asked for, since some are skipped
_QUERIES: Final = 512  # embedded together


class Miner(Protocol):
    """Ranks documents by their similarity to queries."""

    def best(self, queries: Sequence[str], documents: Sequence[str], count: int) -> list[Ints]:
        """Return for each query the numbers of the most similar documents, most similar first."""


def miner(name: str) -> Miner:
    """Return the miner that head.miner names; raise ConfigError or SourceError if its model cannot be used."""
    return NgramMiner() if name == MINE_NGRAMS else ModelMiner(as_path(name))


def mine(store: PairStore, pairs: Sequence[Indexed], count: int, by: Miner) -> list[tuple[int, ...]]:
    """Return for each pair up to `count` training documents, in the language of its document, as text numbers."""
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
    """Return the distinct character trigrams of a text as sorted numbers, after NFKC and case folding."""
    return np.unique(_all_trigrams(text))


def _all_trigrams(text: str) -> Ints:
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    points = np.frombuffer(f" {plain} ".encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    if len(points) < 3:
        return np.zeros(0, np.int64)
    joined = points[:-2] | points[1:-1] << np.uint64(21) | points[2:] << np.uint64(42)
    return (mix(joined) % np.uint64(_BUCKETS)).astype(np.int64)


def in_common(one: Ints, other: Ints) -> float:
    """Return the share of the shorter text's trigrams that the other text has, too."""
    least = min(len(one), len(other))
    return len(np.intersect1d(one, other, assume_unique=True)) / least if least else float(len(one) == len(other))


class NgramMiner:
    """A miner by BM25 over character trigrams."""

    def best(self, queries: Sequence[str], documents: Sequence[str], count: int) -> list[Ints]:
        index = _Index(documents)
        return [index.best(query, count) for query in queries]


@dataclass(frozen=True, eq=False)
class _Index:
    """An inverted index: which documents hold a trigram, and its weight there."""

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
    """A miner by the cosine of an embedding model."""

    def __init__(self, folder: Path) -> None:
        self._embedder = Embedder.load(folder)

    def best(self, queries: Sequence[str], documents: Sequence[str], count: int) -> list[Ints]:
        vectors = self._embedder.embed(documents, "document")
        found: list[Ints] = []
        for start in range(0, len(queries), _QUERIES):
            scores = self._embedder.embed(queries[start : start + _QUERIES], "query") @ vectors.T
            found.extend(_highest(row, count) for row in scores)
        return found


def _highest(scores: npt.NDArray[np.float32], count: int) -> Ints:
    """Return the positions of the highest values, highest first; of equal values the first."""
    if count < len(scores):
        bound = np.partition(scores, -count)[-count]
        places = np.flatnonzero(scores >= bound)
    else:
        places = np.arange(len(scores))
    return places[np.argsort(-scores[places], kind="stable")][:count]
