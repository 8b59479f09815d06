"""Make the batches of a run with a head: each from one source, and each a pure function of seed and number.

The source of a batch is chosen by weight. Within a source, languages are drawn by size^alpha, and each language's pairs
come in an order that changes with every pass. Pairs of one source have similar lengths and are hard negatives for each
other; a model could tell pairs of different sources apart by their style alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, cast

import numpy as np

from core.errors import SourceError
from core.progress import Progress
from finetune.data.config import DataConfig
from finetune.data.mixture import Mixture
from finetune.data.shuffle import key_of, order
from finetune.heads.base import HeadBatch, TrainableHead
from finetune.heads.config import HeadConfig
from finetune.heads.inputs import HeadInputs, Ids, padded
from finetune.heads.mining import mine, miner
from finetune.heads.pair_store import Indexed, PairStore

FORMAT: Final = 1
_SHAPES: Final = (8, 4, 2, 1)  # a row has head.max_tokens divided by one of these
_FEW: Final = 2  # pairs of a source for each row of a batch, below which a note warns of repeats
_NONE: Final = -1


@dataclass(frozen=True)
class PairReport:
    """Counts of the batches so far."""

    batches: Mapping[str, int]  # by source
    passes: Mapping[str, float]  # through the pairs of each source
    left_out: Mapping[str, Mapping[str, int]]


class PairData:
    """An endless iterator of the batches of one host: rows `first` to `end` of each."""

    def __init__(
        self,
        store: PairStore,
        data: DataConfig,
        head: HeadConfig,
        inputs: HeadInputs,
        own: tuple[int, int],
        progress: Progress | None = None,
    ) -> None:
        self.store, self._config, self._head_config, self._inputs, self._own = store, data, head, inputs, own
        self._head = cast(TrainableHead, inputs.head)
        self._ids = inputs.ids(store.texts)
        self._batch = 0
        self._negatives = self.negatives(store.train, progress)

    def negatives(self, pairs: Sequence[Indexed], progress: Progress | None = None) -> list[tuple[int, ...]]:
        """Return the wrong documents of each pair: its own, and mined ones if it has too few."""
        head = self._head_config
        own = [pair.negatives for pair in pairs]
        if head.miner and any(len(texts) < head.negatives for texts in own):
            if progress:
                progress.note(f"mining negatives for {len(pairs):,} pairs ({head.miner})")
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
        """Return this host's part of a batch, padded to the shape of the whole batch."""
        members = self.members(number)
        sides: list[tuple[int, int]] = []
        negatives: list[Sequence[int]] = []
        for row, member in enumerate(members):
            pair = self.store.train[member]
            if self._flips(pair, number, row):
                sides.append((pair.document, pair.query))
                negatives.append([])  # the pair's negatives are in the language of its document
            else:
                sides.append((pair.query, pair.document))
                negatives.append(self._drawn(member, number, row))
        return self.assembled(sides, negatives, self._own)

    def assembled(
        self, sides: Sequence[tuple[int, int]], negatives: Sequence[Sequence[int]], own: tuple[int, int]
    ) -> HeadBatch:
        """Return the rows `own` of a batch of queries, documents and wrong documents."""
        each = 1 + self._head_config.negatives
        documents = [
            [right, *wrong, *[_NONE] * (each - 1 - len(wrong))]
            for (_, right), wrong in zip(sides, negatives, strict=True)
        ]
        ids = [
            (self._ids[query], [self._ids[text] if text >= 0 else None for text in texts])
            for (query, _), texts in zip(sides, documents, strict=True)
        ]
        queries, rows = self._head.rows(self._inputs, ids)
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
        """Return the least of a few lengths that holds all rows, so that few shapes are compiled."""
        most, longest = self._head_config.max_tokens, max(map(len, rows))
        return next(size for part in _SHAPES if (size := -(-most // part)) >= longest)

    def members(self, number: int) -> list[int]:
        """Return the pairs of a batch, as their numbers in the store."""
        source, before = self._source_of(number)
        rows = self._config.rows
        stream = self._streams[source]
        return stream.between(before * rows, (before + 1) * rows)

    @cached_property
    def _streams(self) -> list[_Stream]:
        return [_Stream.of(self.store, label, alpha, self._config) for label, _, alpha in self._sources]

    @cached_property
    def _sources(self) -> list[tuple[str, float, float]]:
        """Label, share and alpha of each source that has pairs."""
        labels = {self.store.groups[pair.group].source for pair in self.store.train}
        sources = [source for source in self._head_config.pairs if source.label in labels]
        total = sum(source.weight for source in sources)
        return [(source.label, source.weight / total, source.alpha) for source in sources]

    def _source_of(self, number: int) -> tuple[int, int]:
        """Return the source of a batch, and how many earlier batches have that source.

        Each batch has the source that is furthest below its share of the batches.
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
        """How many of the batches in `_choices` each source has."""
        return [0] * len(self._sources)

    def _drawn(self, member: int, number: int, row: int) -> list[int]:
        """Return the negatives of a pair in this batch; some heads fill up with documents of other pairs."""
        wanted, own = self._head_config.negatives, self._negatives[member]
        if not wanted:
            return []
        key = key_of("negatives", self._config.seed, number, row)
        chosen = [own[number] for number in order(len(own), key)[:wanted].tolist()]
        if self._head.samples_negatives:
            chosen += self.others(self.store.train[member], wanted - len(chosen), key)
        return chosen

    def others(self, pair: Indexed, count: int, key: int) -> list[int]:
        """Return random documents of other training pairs, of the same source and, if there are some, language.

        A model could recognise documents of other sources without the query. They are used only for a source with a
        single document.
        """
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
        """Return whether the document serves as the query: in half of the draws, if the source allows it."""
        swaps = self._swaps[self.store.groups[pair.group].source]
        return swaps and bool(key_of("side", self._config.seed, number, row) & 1)

    @cached_property
    def _swaps(self) -> dict[str, bool]:
        return {source.label: source.swaps for source in self._head_config.pairs}

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to continue after the last batch."""
        return {"format": FORMAT, "fingerprint": self._fingerprint, "batch": self._batch}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where a state was taken; raise SourceError if the data or their order differ."""
        if state.get("format") != FORMAT:
            raise SourceError(f"the checkpoint's data state has the format {state.get('format')!r}: expected {FORMAT}")
        if state["fingerprint"] != self._fingerprint:
            raise SourceError(
                "the checkpoint was made with other pairs: sources, hold-out, seed or tokenizer have changed. Restore "
                "them, or begin a new run from the checkpoint's weights"
            )
        self._batch = state["batch"]

    @cached_property
    def _fingerprint(self) -> str:
        seed = self._config.seed
        return f"{key_of(self.store.fingerprint, seed, self._inputs.tokenizer.size, self._negatives):016x}"

    def report(self) -> PairReport:
        """Return counts of the batches so far."""
        counts = Counter(self._source_of(number)[0] for number in range(self._batch))
        rows = self._config.rows
        batches = {label: counts[one] for one, (label, _, _) in enumerate(self._sources)}
        passes = {
            label: round(batches[label] * rows / stream.size, 2)
            for (label, _, _), stream in zip(self._sources, self._streams, strict=True)
        }
        return PairReport(batches, passes, self.store.left_out)

    def notes(self, steps: int) -> list[str]:
        """Return what a user would want to know before training this many steps."""
        rows, query_room = self._config.rows, self._head.query_room
        taken = len(self._inputs.query_prefix) + query_room if query_room else 0
        room = self._head.max_tokens - len(self._inputs.document_prefix) - 1 - taken
        notes = self.store.notes()
        for (label, share, _), stream in zip(self._sources, self._streams, strict=True):
            if stream.size < _FEW * rows:
                notes.append(f"{label}: {stream.size:,} pairs for batches of {rows}: a batch may hold a pair twice")
            passes = steps * share * rows / stream.size
            if passes > 20:
                notes.append(f"{label}: each of its {stream.size:,} pairs will be seen {passes:,.0f} times")
        for source in self._head_config.pairs:
            if source.label not in {label for label, _, _ in self._sources}:
                notes.append(f"{source.label}: no pair of it is trained on")
        cut = sum(len(self._ids[pair.document]) > room for pair in self.store.train)
        if cut:
            notes.append(f"{cut:,} of {len(self.store.train):,} documents are longer than {room} ids: their end is cut")
        return notes


@dataclass(frozen=True, eq=False)
class _Stream:
    """The endless stream of the pairs of one source, in the order of training."""

    mixture: Mixture
    members: Sequence[Sequence[int]]  # of each group of the mixture, the numbers of its pairs
    seed: int

    @classmethod
    def of(cls, store: PairStore, label: str, alpha: float, config: DataConfig) -> _Stream:
        by_group: dict[int, list[int]] = {}
        for number, pair in enumerate(store.train):
            if store.groups[pair.group].source == label:
                by_group.setdefault(pair.group, []).append(number)
        names = sorted(by_group, key=lambda group: store.groups[group])
        sizes = np.array([len(by_group[group]) for group in names])
        weights = sizes.astype(np.float64) ** alpha
        groups = tuple(store.groups[group] for group in names)
        mixture = Mixture(groups, sizes, weights / weights.sum(), config.block, config.seed)
        return cls(mixture, [by_group[group] for group in names], config.seed)

    @property
    def size(self) -> int:
        return int(self.mixture.sizes.sum())

    def between(self, start: int, end: int) -> list[int]:
        """Return the pairs number `start` to `end` of the stream."""
        pairs: list[int] = []
        block = start // self.mixture.block
        while self._before(block) > start:
            block -= 1
        while self._before(block + 1) <= start:
            block += 1
        while len(pairs) < end - start:
            first = self._before(block)
            pairs.extend(self._block(block)[max(0, start - first) : end - first])
            block += 1
        return pairs

    def _before(self, block: int) -> int:
        """Return how many pairs come before a block."""
        return int(self.mixture.given(block).sum())

    def _block(self, block: int) -> list[int]:
        if block not in self._made:
            drawn = self.mixture.draw(block)
            places = order(len(drawn.group), key_of("rows", self.seed, self.mixture.groups[0].source, block))
            chosen = zip(drawn.group[places].tolist(), drawn.item[places].tolist(), strict=True)
            self._made.clear()  # batches read the blocks one after another
            self._made[block] = [self.members[group][item] for group, item in chosen]
        return self._made[block]

    @cached_property
    def _made(self) -> dict[int, list[int]]:
        return {}
