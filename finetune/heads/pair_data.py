"""The batches of a run with a head: each of one source, and each a pure function of seed and number.

Which source a batch is of is drawn by weight; within it, languages by size^alpha, and each language's pairs in an order
that changes with every pass. Pairs of one source are of like lengths, and are harder negatives for one another than
those of different sources, which a model could tell apart by their kind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from core.errors import SourceError
from core.progress import Progress
from finetune.config import FinetuneConfig
from finetune.data.mixture import Mixture
from finetune.data.shuffle import key_of, order
from finetune.heads.inputs import HeadInputs, Ids, padded
from finetune.heads.mining import mine, miner
from finetune.heads.pair_store import Indexed, PairStore
from finetune.heads.step import HeadBatch

FORMAT: Final = 1
_SHAPES: Final = (8, 4, 2, 1)  # a row of so many parts of head.max_tokens
_FEW: Final = 2  # pairs of a source for each row of a batch, below which a batch is told to repeat itself
_NONE: Final = -1


@dataclass(frozen=True)
class PairReport:
    """What the batches so far were made of."""

    batches: Mapping[str, int]  # by source
    passes: Mapping[str, float]  # through the pairs of each
    left_out: Mapping[str, Mapping[str, int]]


class PairData:
    """An endless iterator of the batches of one host: rows `first` to `end` of each."""

    def __init__(
        self,
        store: PairStore,
        config: FinetuneConfig,
        inputs: HeadInputs,
        own: tuple[int, int],
        progress: Progress | None = None,
    ) -> None:
        self.store, self._config, self._inputs, self._own = store, config, inputs, own
        self._ids = inputs.ids(store.texts)
        self._batch = 0
        self._negatives = self.negatives(store.train, progress)

    def negatives(self, pairs: Sequence[Indexed], progress: Progress | None = None) -> list[tuple[int, ...]]:
        """Of each pair the texts that are wrong: its own, and what is mined where it brings too few."""
        head = self._config.head
        own = [pair.negatives for pair in pairs]
        if head.miner and any(len(texts) < head.negatives for texts in own):
            if progress:
                progress.note(f"looking for negatives of {len(pairs):,} pairs ({head.miner})")
            mined = mine(self.store, pairs, head.negatives, miner(head.miner))
            own = [
                tuple(dict.fromkeys((*texts, *more)))[: max(len(texts), head.negatives)]
                for texts, more in zip(own, mined, strict=True)
            ]
        return own

    def __iter__(self) -> Iterator[HeadBatch]:
        return self

    def __next__(self) -> HeadBatch:
        batch = self.batch(self._batch)
        self._batch += 1
        return batch

    def batch(self, number: int) -> HeadBatch:
        """This host's part of a batch, in a shape that holds all of it."""
        members = self.members(number)
        sides: list[tuple[int, int]] = []
        negatives: list[Sequence[int]] = []
        for row, member in enumerate(members):
            pair = self.store.train[member]
            if self._flips(pair, number, row):
                sides.append((pair.document, pair.query))
                negatives.append([])  # those that there are, are in the language of the document
            else:
                sides.append((pair.query, pair.document))
                negatives.append(self._drawn(member, number, row))
        return self.assembled(sides, negatives, self._own)

    def assembled(
        self, sides: Sequence[tuple[int, int]], negatives: Sequence[Sequence[int]], own: tuple[int, int]
    ) -> HeadBatch:
        """The rows `own` of a batch of such texts: query and document of each, and documents that are wrong."""
        each = 1 + self._config.head.negatives
        documents = [
            [right, *wrong, *[_NONE] * (each - 1 - len(wrong))]
            for (_, right), wrong in zip(sides, negatives, strict=True)
        ]
        single, empty = self._inputs.single, np.zeros(0, np.int32)
        if self._config.head.kind == "rerank":
            queries = [empty for _ in sides]
            rows = [
                self._inputs.pair(self._ids[query], self._ids[text]) if text >= 0 else empty
                for (query, _), texts in zip(sides, documents, strict=True)
                for text in texts
            ]
        else:
            queries = [single(self._ids[query], "query") for query, _ in sides]
            rows = [
                single(self._ids[text], "document") if text >= 0 else empty for texts in documents for text in texts
            ]
        first, end = own
        query_ids = padded(queries[first:end], end - first, self._length(queries) if len(queries[0]) else 0)
        document_ids = padded(rows[first * each : end * each], (end - first) * each, self._length(rows))
        keys = np.append(self.store.keys_T, np.int32(_NONE))  # text -1 has key -1
        return HeadBatch(
            query_ids,
            document_ids.reshape(end - first, each, -1),
            keys[[query for query, _ in sides]][first:end],
            keys[np.array(documents)][first:end],
        )

    def _length(self, rows: Sequence[Ids]) -> int:
        """The least of a few lengths that holds all rows: few shapes to compile."""
        most, longest = self._config.head.max_tokens, max(map(len, rows))
        return next(size for part in _SHAPES if (size := -(-most // part)) >= longest)

    def members(self, number: int) -> list[int]:
        """The pairs of a batch, by their number in the store."""
        source, before = self._source_of(number)
        rows = self._config.data.rows
        stream = self._streams[source]
        return stream.between(before * rows, (before + 1) * rows)

    @cached_property
    def _streams(self) -> list[_Stream]:
        return [_Stream.of(self.store, label, alpha, self._config) for label, _, alpha in self._sources]

    @cached_property
    def _sources(self) -> list[tuple[str, float, float]]:
        """Label, share and alpha of each source that has pairs."""
        there = {self.store.groups[pair.group].source for pair in self.store.train}
        sources = [source for source in self._config.head.pairs if source.label in there]
        total = sum(source.weight for source in sources)
        return [(source.label, source.weight / total, source.alpha) for source in sources]

    def _source_of(self, number: int) -> tuple[int, int]:
        """The source of a batch, and how many batches before it are of that source.

        Each time it is the source that lags furthest behind its share of the batches.
        """
        while len(self._choices) <= number:
            shares = [share for _, share, _ in self._sources]
            lag = [(len(self._choices) + 1) * share - count for share, count in zip(shares, self._given, strict=True)]
            source = max(range(len(lag)), key=lag.__getitem__)
            self._choices.append((source, self._given[source]))
            self._given[source] += 1
        return self._choices[number]

    @cached_property
    def _choices(self) -> list[tuple[int, int]]:
        return []

    @cached_property
    def _given(self) -> list[int]:
        """Of each source, how many of the batches in `_choices` it has."""
        return [0] * len(self._sources)

    def _drawn(self, member: int, number: int, row: int) -> list[int]:
        """The negatives of a pair in this batch. A reranker always has some: documents of other pairs if need be."""
        wanted, there = self._config.head.negatives, self._negatives[member]
        if not wanted:
            return []
        key = key_of("negatives", self._config.data.seed, number, row)
        chosen = [there[place] for place in order(len(there), key)[:wanted].tolist()]
        if self._config.head.kind == "rerank":
            chosen += self.others(self.store.train[member], wanted - len(chosen), key)
        return chosen

    def others(self, pair: Indexed, count: int, key: int) -> list[int]:
        """Documents of other training pairs at random: of the same language, where there are some, and always of the
        same source if it has another. Those of another source could be told by their kind, without the query."""
        source, language = self.store.groups[pair.group].source, self.store.languages_T[pair.document]
        near, far, everything = (self._pools.get(place, []) for place in ((source, language), (source, ""), ("", "")))
        pool = next((pool for pool in (near, far) if pool and pool != [pair.document]), everything)
        return [pool[key_of(key, number) % len(pool)] for number in range(count)]

    @cached_property
    def _pools(self) -> dict[tuple[str, str], list[int]]:
        """The documents of the training pairs by source and language; "" for all."""
        pools: dict[tuple[str, str], dict[int, None]] = defaultdict(dict)
        for pair in self.store.train:
            source, language = self.store.groups[pair.group].source, self.store.languages_T[pair.document]
            for place in ((source, language), (source, ""), ("", "")):
                pools[place][pair.document] = None
        return {place: list(texts) for place, texts in pools.items()}

    def _flips(self, pair: Indexed, number: int, row: int) -> bool:
        """Whether the document is the query this time: half of the time where either may be."""
        swaps = self._swaps[self.store.groups[pair.group].source]
        return swaps and bool(key_of("side", self._config.data.seed, number, row) & 1)

    @cached_property
    def _swaps(self) -> dict[str, bool]:
        return {source.label: source.swaps for source in self._config.head.pairs}

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on after the last batch that was given out."""
        return {"format": FORMAT, "fingerprint": self._fingerprint, "batch": self._batch}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where a state was taken; SourceError where the data or their order are others."""
        if state.get("format") != FORMAT:
            raise SourceError(f"the checkpoint's data state has the format {state.get('format')!r}: expected {FORMAT}")
        if state["fingerprint"] != self._fingerprint:
            raise SourceError(
                "the checkpoint was made with other pairs: sources, hold-out, seed or tokenizer are not what they "
                "were. Set them back, or begin a new run from the checkpoint's weights"
            )
        self._batch = state["batch"]

    @cached_property
    def _fingerprint(self) -> str:
        seed = self._config.data.seed
        return f"{key_of(self.store.fingerprint, seed, self._inputs.tokenizer.size, self._negatives):016x}"

    def report(self) -> PairReport:
        """What the batches given out so far were made of."""
        counts = Counter(self._source_of(number)[0] for number in range(self._batch))
        rows = self._config.data.rows
        batches = {label: counts[one] for one, (label, _, _) in enumerate(self._sources)}
        passes = {
            label: round(batches[label] * rows / stream.size, 2)
            for (label, _, _), stream in zip(self._sources, self._streams, strict=True)
        }
        return PairReport(batches, passes, self.store.left_out)

    def notes(self, steps: int) -> list[str]:
        """Sentences on what a user would want to know before so many steps are run."""
        rows = self._config.data.rows
        head = self._config.head
        beside = len(self._inputs.query_prefix) + head.query_tokens if head.kind == "rerank" else 0
        room = head.max_tokens - len(self._inputs.document_prefix) - 1 - beside
        notes = self.store.notes()
        for (label, share, _), stream in zip(self._sources, self._streams, strict=True):
            if stream.size < _FEW * rows:
                notes.append(f"{label}: {stream.size:,} pairs for batches of {rows}: a batch may hold a pair twice")
            passes = steps * share * rows / stream.size
            if passes > 20:
                notes.append(f"{label}: each of its {stream.size:,} pairs will be seen {passes:,.0f} times")
        for source in self._config.head.pairs:
            if source.label not in {label for label, _, _ in self._sources}:
                notes.append(f"{source.label}: no pair of it is trained on")
        cut = sum(len(self._ids[pair.document]) > room for pair in self.store.train)
        if cut:
            notes.append(f"{cut:,} of {len(self.store.train):,} documents are longer than {room} ids: their end is cut")
        return notes


@dataclass(frozen=True, eq=False)
class _Stream:
    """The pairs of one source in the order of training, without end."""

    mixture: Mixture
    members: Sequence[Sequence[int]]  # of each group of the mixture, the numbers of its pairs
    seed: int

    @classmethod
    def of(cls, store: PairStore, label: str, alpha: float, config: FinetuneConfig) -> _Stream:
        by_group: dict[int, list[int]] = {}
        for number, pair in enumerate(store.train):
            if store.groups[pair.group].source == label:
                by_group.setdefault(pair.group, []).append(number)
        names = sorted(by_group, key=lambda group: store.groups[group])
        sizes = np.array([len(by_group[group]) for group in names])
        weights = sizes.astype(np.float64) ** alpha
        groups = tuple(store.groups[group] for group in names)
        mixture = Mixture(groups, sizes, weights / weights.sum(), config.data.block, config.data.seed)
        return cls(mixture, [by_group[group] for group in names], config.data.seed)

    @property
    def size(self) -> int:
        return int(self.mixture.sizes.sum())

    def between(self, start: int, end: int) -> list[int]:
        """The pairs number `start` to `end` of the stream."""
        found: list[int] = []
        block = start // self.mixture.block
        while self._before(block) > start:
            block -= 1
        while self._before(block + 1) <= start:
            block += 1
        while len(found) < end - start:
            first = self._before(block)
            found.extend(self._block(block)[max(0, start - first) : end - first])
            block += 1
        return found

    def _before(self, block: int) -> int:
        """How many pairs come before a block."""
        return int(self.mixture.given(block).sum())

    def _block(self, block: int) -> list[int]:
        if block not in self._made:
            drawn = self.mixture.draw(block)
            places = order(len(drawn.group), key_of("rows", self.seed, self.mixture.groups[0].source, block))
            chosen = zip(drawn.group[places].tolist(), drawn.item[places].tolist(), strict=True)
            self._made.clear()  # batches go through the blocks one after the other
            self._made[block] = [self.members[group][item] for group, item in chosen]
        return self._made[block]

    @cached_property
    def _made(self) -> dict[int, list[int]]:
        return {}
