"""Choose the examples of the validation loss: the same ones at every step, in every run, on any number of hosts.

From each language come the examples with the smallest hashes of their ids, up to a number. They are not packed: a row
is an example, so that the loss can be summed by language. A row goes into the shortest of a few shapes that holds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from finetune.data.examples import ExamplePointer, Ids, Pair, Use
from finetune.data.features import Batch, features
from finetune.data.shuffle import mix
from finetune.data.sources import DataSources
from finetune.data.token_store import TokenStore

_SHAPES: Final = (8, 4, 2, 1)  # a row of so many parts of data.inputs and data.targets
_ROUND: Final = 8  # lengths are multiples of this


class ValidationBatch(NamedTuple):
    """Rows of one length; `language` [rows] counts in `ValidationData.languages`; `weight` [rows] is 0 for padding."""

    features: Batch
    language: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ValidationExample:
    """One example: the prompt (with eos), and the expected answer (without)."""

    id: str  # of the record
    language: str
    dataset: str
    task: str
    inputs: Ids
    targets: Ids


class _Chosen(NamedTuple):
    """An example that was chosen to validate."""

    source: str
    use: Use
    dataset: str
    pointer: ExamplePointer
    key: int  # the hash that chose it


class ValidationData:
    """Of each language the examples that validate it.

    Attributes:
        languages: those that have examples, sorted.
        missing: languages that are trained on, but have no example here.
    """

    def __init__(self, sources: DataSources) -> None:
        self._sources = sources
        self._chosen = _choose(sources)
        self.languages = tuple(sorted(self._chosen))
        trained = {name.language for name in sources.mixture.groups}
        self.missing = tuple(sorted(trained - set(self.languages)))

    def __len__(self) -> int:
        return sum(map(len, self._chosen.values()))

    def notes(self) -> list[str]:
        """Return sentences on what is not validated."""
        if not self._sources.config.validation.examples or not self.missing:
            return []
        named = ", ".join(self.missing[:5]) + (f" and {len(self.missing) - 5} more" if len(self.missing) > 5 else "")
        advice = (
            "" if self._sources.config.validation.hold_out else "; data.validation.hold_out = 0.01 would set some apart"
        )
        return [f"no validation rows in {named}: their validation loss is not measured{advice}"]

    def batches(self, process: int = 0, processes: int = 1) -> Iterator[ValidationBatch]:
        """Yield all examples once, this process's part of each batch; every process gets batches of the same shapes."""
        config = self._sources.config
        rows = config.validation.rows or config.rows
        if rows % processes:
            raise ConfigError(f"data.validation.rows is {rows}: expected a multiple of the {processes} processes")
        share = rows // processes
        for shape, members in self._by_shape:
            for start in range(0, len(members), rows):
                own = members[start : start + rows][process * share : (process + 1) * share]
                yield self._batch(own, share, shape)

    def _batch(self, members: Sequence[tuple[int, _Chosen]], rows: int, shape: tuple[int, int]) -> ValidationBatch:
        language, weight = np.zeros(rows, np.int32), np.zeros(rows, np.float32)
        language[: len(members)] = [number for number, _ in members]
        weight[: len(members)] = 1
        pairs: list[list[Pair]] = [[self._pair(chosen)] for _, chosen in members]
        batch = features([*pairs, *([[]] * (rows - len(pairs)))], *shape)
        self._sources.special_ids.check(batch.encoder_input_tokens, batch.decoder_target_tokens)
        return ValidationBatch(batch, language, weight)

    def examples(self, each: int) -> list[ValidationExample]:
        """Return the first `each` examples of every language, for sample generations."""
        return [
            self._example(code, chosen)
            for code in self.languages
            for chosen in self._chosen[code][:each]
            if chosen.use == "answers"
        ]

    def _example(self, language: str, chosen: _Chosen) -> ValidationExample:
        store, pair = self._sources.stores[chosen.source], self._pair(chosen)
        targets = pair.targets[:-1] if pair.targets[-1] == self._sources.special_ids.eos else pair.targets
        batch, row = chosen.pointer.batch, chosen.pointer.row
        return ValidationExample(
            store.record_id(batch, row), language, chosen.dataset, store.kind(batch, row).task, pair.inputs, targets
        )

    def _pair(self, chosen: _Chosen) -> Pair:
        index = self._sources.indexes[chosen.source, chosen.use]
        return index.kind.render(index.store, chosen.pointer, chosen.key)

    @cached_property
    def _by_shape(self) -> list[tuple[tuple[int, int], list[tuple[int, _Chosen]]]]:
        """The examples of each shape that has some, with the number of their language."""
        config = self._sources.config
        shapes = sorted({tuple(_rounded(most, part) for most in (config.inputs, config.targets)) for part in _SHAPES})
        members: dict[tuple[int, ...], list[tuple[int, _Chosen]]] = {shape: [] for shape in shapes}
        for number, code in enumerate(self.languages):
            for chosen in self._chosen[code]:
                pair = self._pair(chosen)
                fitting = (shape for shape in shapes if len(pair.inputs) <= shape[0] and len(pair.targets) <= shape[1])
                members[next(fitting)].append((number, chosen))
        return [((shape[0], shape[1]), found) for shape, found in members.items() if found]


def _rounded(most: int, part: int) -> int:
    """A part of a length, as a multiple of 8, or the whole length."""
    return min(most, -(-most // part // _ROUND) * _ROUND)


def _choose(sources: DataSources) -> dict[str, list[_Chosen]]:
    """Return the examples of each language that has some, in the order of their hashes."""
    config = sources.config
    # A run that is span corruption only is validated by that.
    use: Use = "answers" if any(use == "answers" for _, use in sources.indexes) else "spans"
    chosen: dict[str, list[_Chosen]] = {}
    for name, group in sources.groups("validation"):
        wanted = not config.languages or name.language in config.languages
        if wanted and name.use == use and config.validation.examples:
            index = sources.indexes[name.source, name.use]
            examples = index.examples[group.start : group.start + group.size]
            keys = _keys(index.store, examples)
            first = np.argsort(keys, kind="stable")[: config.validation.examples]
            chosen.setdefault(name.language, []).extend(
                _Chosen(name.source, name.use, name.dataset, ExamplePointer(*values), int(key))
                for values, key in zip(examples[first].tolist(), keys[first], strict=True)
            )
    by_key = {code: sorted(examples, key=lambda example: example.key) for code, examples in chosen.items()}
    return {code: examples[: config.validation.examples] for code, examples in by_key.items()}


def _keys(store: TokenStore, examples: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Return the hash of each example: of its record's id, its turn in the record, and its piece."""
    out = np.empty(len(examples), np.uint64)
    # The examples of a group are in the order of their batches.
    numbers, starts = np.unique(examples["batch"], return_index=True)
    for number, start, end in zip(numbers, starts, [*starts[1:], len(examples)], strict=True):
        batch, own = store.batches[number], examples[start:end]
        turns = (own["turn"] - batch.row_turns[own["row"]]).astype(np.uint64)
        within = turns << np.uint64(20) | own["piece"].astype(np.uint64)
        out[start:end] = mix(batch.id_words(own["row"])[:, 0] ^ mix(within))
    return out
