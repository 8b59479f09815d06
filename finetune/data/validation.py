"""The examples that the validation loss is taken of: the same ones at every step, in every run, on any number of hosts.

From each language come the examples with the smallest hashes of their ids, up to a number. They are not packed: a row
is an example, so that the loss can be summed by language. A row goes into the shortest of a few shapes that holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from finetune.data.conversation import Ids, Pair
from finetune.data.example_index import Use
from finetune.data.features import Batch, features
from finetune.data.packing_plan import corrupted
from finetune.data.shuffle import mix
from finetune.data.sources import Corpus

_SHAPES: Final = (8, 4, 2, 1)  # a row of so many parts of data.inputs and data.targets
_ROUND: Final = 8  # lengths are multiples of this


class ValidationBatch(NamedTuple):
    """Rows of one length; `language` [rows] counts in `ValidationData.languages`; `weight` [rows] is 0 for padding."""

    features: Batch
    language: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """One example: what is asked (with eos), and what is to be answered (without)."""

    id: str  # of the record
    language: str
    dataset: str
    task: str
    inputs: Ids
    targets: Ids


class _Place(NamedTuple):
    """Where an example stands."""

    source: str
    use: Use
    dataset: str
    turn: int
    piece: int
    key: int


class ValidationData:
    """Of each language the examples that validate it.

    Attributes:
        languages: those that have examples, sorted.
        missing: languages that are trained on, but have no example here.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._chosen = _choose(corpus)
        self.languages = tuple(sorted(self._chosen))
        trained = {name.language for name in corpus.mixture.groups}
        self.missing = tuple(sorted(trained - set(self.languages)))

    def __len__(self) -> int:
        return sum(map(len, self._chosen.values()))

    def notes(self) -> list[str]:
        """Sentences on what is not validated."""
        if not self._corpus.config.validation.examples or not self.missing:
            return []
        named = ", ".join(self.missing[:5]) + (f" and {len(self.missing) - 5} more" if len(self.missing) > 5 else "")
        advice = (
            "" if self._corpus.config.validation.hold_out else "; data.validation.hold_out = 0.01 would set some apart"
        )
        return [f"no validation rows in {named}: their validation loss is not measured{advice}"]

    def batches(self, process: int = 0, processes: int = 1) -> Iterator[ValidationBatch]:
        """All examples once, this process's part of each batch. As many batches, of the same shapes, everywhere."""
        config = self._corpus.config
        rows = config.validation.rows or config.rows
        if rows % processes:
            raise ConfigError(f"data.validation.rows is {rows}: expected a multiple of the {processes} processes")
        share = rows // processes
        for shape, members in self._by_shape:
            for start in range(0, len(members), rows):
                own = members[start : start + rows][process * share : (process + 1) * share]
                yield self._batch(own, share, shape)

    def _batch(self, members: Sequence[tuple[int, _Place]], rows: int, shape: tuple[int, int]) -> ValidationBatch:
        language, weight = np.zeros(rows, np.int32), np.zeros(rows, np.float32)
        language[: len(members)] = [number for number, _ in members]
        weight[: len(members)] = 1
        pairs: list[list[Pair]] = [[self._pair(place)] for _, place in members]
        return ValidationBatch(features([*pairs, *([[]] * (rows - len(pairs)))], *shape), language, weight)

    def examples(self, each: int) -> list[Example]:
        """The first `each` examples of every language, for answers to be generated and compared."""
        return [
            self._example(code, place)
            for code in self.languages
            for place in self._chosen[code][:each]
            if place.use == "answers"
        ]

    def _example(self, language: str, place: _Place) -> Example:
        store = self._corpus.stores[place.source]
        pair = self._pair(place)
        targets = pair.targets[:-1] if pair.targets[-1] == self._corpus.vocabulary.eos else pair.targets
        return Example(
            store.record_id(place.turn), language, place.dataset, store.kind(place.turn).task, pair.inputs, targets
        )

    def _pair(self, place: _Place) -> Pair:
        store = self._corpus.stores[place.source]
        if place.use == "answers":
            return self._corpus.rendering.render(store, place.turn)
        return corrupted(self._corpus, store, place.turn, place.piece, place.key)

    @cached_property
    def _by_shape(self) -> list[tuple[tuple[int, int], list[tuple[int, _Place]]]]:
        """The examples of each shape that has some, with the number of their language."""
        config = self._corpus.config
        shapes = sorted({tuple(_rounded(most, part) for most in (config.inputs, config.targets)) for part in _SHAPES})
        members: dict[tuple[int, ...], list[tuple[int, _Place]]] = {shape: [] for shape in shapes}
        for number, code in enumerate(self.languages):
            for place in self._chosen[code]:
                pair = self._pair(place)
                fitting = (shape for shape in shapes if len(pair.inputs) <= shape[0] and len(pair.targets) <= shape[1])
                members[next(fitting)].append((number, place))
        return [((shape[0], shape[1]), found) for shape, found in members.items() if found]


def _rounded(most: int, part: int) -> int:
    """A part of a length, as a multiple of 8, or the whole length."""
    return min(most, -(-most // part // _ROUND) * _ROUND)


def _choose(corpus: Corpus) -> dict[str, list[_Place]]:
    """The examples of each language that has some, in the order of their hashes."""
    config = corpus.config
    answers = any(
        use == "answers" for _, use in corpus.indexes
    )  # what is measured in a pretraining run is its own task
    found: dict[str, list[_Place]] = {}
    for name, group in corpus.groups("validation"):
        wanted = not config.languages or name.language in config.languages
        if wanted and name.use == ("answers" if answers else "spans") and config.validation.examples:
            store, index = corpus.stores[name.source], corpus.indexes[name.source, name.use]
            pointers = index.pointers[group.start : group.start + group.size]
            turns, parts = pointers["turn"], pointers["piece"]
            ids = np.ascontiguousarray(store.row_ids[store.turn_rows[turns]][:, :8]).view("<u8").reshape(-1)
            within = turns - store.row_turns[store.turn_rows[turns]]
            keys = mix(ids ^ mix(within.astype(np.uint64) << np.uint64(20) | parts.astype(np.uint64)))
            first = np.argsort(keys, kind="stable")[: config.validation.examples]
            found.setdefault(name.language, []).extend(
                _Place(name.source, name.use, name.dataset, int(turns[item]), int(parts[item]), int(keys[item]))
                for item in first
            )
    by_key = {code: sorted(places, key=lambda place: place.key) for code, places in found.items()}
    return {code: places[: config.validation.examples] for code, places in by_key.items()}
