"""The training data of a run: an endless stream of packed batches, the same whoever reads it, resumable to the row.

The stream is one sequence of rows, block after block. Batch n of R rows is rows n * R to (n + 1) * R of it, over all
hosts; process p of P takes the p-th of P equal parts. So neither the number of hosts nor a restart changes what comes
next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import grain
import numpy as np
from grain.experimental import ThreadPrefetchIterDataset

from core.errors import ConfigError, SourceError
from core.progress import Progress
from finetune.data.config import DataConfig
from finetune.data.conversation import Pair
from finetune.data.features import Batch, features
from finetune.data.packing_plan import Block, Blocks
from finetune.data.report import DataReport, Tally, length_notes, passes, repeat_notes
from finetune.data.sources import Corpus
from finetune.data.special_ids import Vocabulary

FORMAT: Final = 1


@dataclass
class Position:
    """Where a stream stands, and what was counted on the way."""

    block: int = 0
    row: int = 0  # of the block
    batches: int = 0
    tally: Tally = field(default_factory=Tally)

    def to_json(self) -> dict[str, Any]:
        return {"block": self.block, "row": self.row, "batches": self.batches, "tally": self.tally.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Position:
        return cls(values["block"], values["row"], values["batches"], Tally.from_json(values["tally"]))


class TrainingData:
    """An endless iterator of the batches of one host.

    data = TrainingData.open(config, tokenizer, process=0, processes=1)
    batch = next(data)      # Batch of [rows / processes, inputs] and [.., targets]
    state = data.state()    # small, JSON, the same on every host
    data.restore(state)     # the next batch is the one after `batch`
    """

    def __init__(self, corpus: Corpus, process: int = 0, processes: int = 1) -> None:
        """ConfigError where the rows of a step cannot be shared out among the processes."""
        rows = corpus.config.rows
        if rows % processes:
            raise ConfigError(f"data.rows is {rows}: expected a multiple of the {processes} processes")
        self.corpus = corpus
        self.blocks = Blocks(corpus)
        dataset: grain.IterDataset[Batch] = _Stream(self.blocks, process, processes)
        if corpus.config.prefetch:
            dataset = ThreadPrefetchIterDataset(dataset, prefetch_buffer_size=corpus.config.prefetch)
        self._iterator = iter(dataset)

    @classmethod
    def open(
        cls,
        config: DataConfig,
        tokenizer: Path,
        *,
        process: int = 0,
        processes: int = 1,
        progress: Progress | None = None,
    ) -> TrainingData:
        """The data of a configuration, for one of some processes; UserError where it cannot be had."""
        return cls(Corpus.open(config, Vocabulary.of(tokenizer), progress), process, processes)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        batch: Batch = next(self._iterator)
        return batch

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on after the last batch that was given out."""
        return {
            "format": FORMAT,
            "seed": self.corpus.config.seed,
            "fingerprint": self.corpus.fingerprint,
            **self._iterator.get_state(),
        }

    def restore(self, state: dict[str, Any], *, changed: bool = False) -> None:
        """Goes on where a state was taken.

        Args:
            state: of `state`, on whatever host.
            changed: go on even if data or configuration are others than then; the stream is then another one.

        Raises:
            SourceError: they are others, and `changed` is not said; or the state is none.
        """
        if state.get("format") != FORMAT:
            raise SourceError(f"the checkpoint's data state has the format {state.get('format')!r}: expected {FORMAT}")
        if state["fingerprint"] != self.corpus.fingerprint and not changed:
            raise SourceError(
                "the checkpoint was made with other training data: sources, mixture, lengths, seed or tokenizer "
                "are not what they were. Set them back, or begin a new run from the checkpoint's weights"
            )
        self._iterator.set_state({name: state[name] for name in ("block", "row", "batches", "tally")})

    def close(self) -> None:
        """Ends the thread that reads ahead."""
        self._iterator.close()

    def report(self) -> DataReport:
        """What the batches given out so far were made of."""
        position = Position.from_json(self._iterator.get_state())
        drawn = self.corpus.mixture.given(position.block)
        if position.row:
            block = self.blocks.plan(position.block)
            drawn = drawn + np.bincount(block.group[: block.row_starts[position.row]], minlength=len(drawn))
        return DataReport.of(self.corpus, position.tally, passes(self.corpus.mixture, drawn))

    def expected(self, steps: int) -> DataReport:
        """What so many steps will be made of, judged by the first block."""
        block = self._first
        tally = Tally()
        tally.add(self.corpus, block, 0, block.rows)
        wanted = steps * self.corpus.config.rows / max(block.rows, 1)
        drawn = np.round(self.corpus.mixture.shares * len(block.turn) * wanted).astype(np.int64)
        return DataReport.of(self.corpus, tally.times(wanted), passes(self.corpus.mixture, drawn))

    @cached_property
    def _first(self) -> Block:
        return self.blocks.plan(0)

    def notes(self, steps: int) -> list[str]:
        """Sentences on what a user would want to know before so many steps are run."""
        expected = self.expected(steps)
        longest = self._first.lengths
        return [
            *self.corpus.notes(),
            *length_notes(self.corpus.config, expected, int(longest.inputs.max()), int(longest.targets.max())),
            *repeat_notes(expected),
        ]


class _Stream(grain.IterDataset[Batch]):
    """The rows of one process, as Grain iterates over them."""

    def __init__(self, blocks: Blocks, process: int, processes: int) -> None:
        super().__init__()
        self._arguments = (blocks, process, processes)

    def __iter__(self) -> _StreamIterator:
        return _StreamIterator(*self._arguments)


class _StreamIterator(grain.DatasetIterator[Batch]):
    def __init__(self, blocks: Blocks, process: int, processes: int) -> None:
        super().__init__()
        self._blocks = blocks
        self._rows = blocks.corpus.config.rows
        share = self._rows // processes
        self._own = range(process * share, (process + 1) * share)
        self._at = Position()
        self._block: Block | None = None

    def __next__(self) -> Batch:
        config = self._blocks.corpus.config
        pairs: list[list[Pair]] = []
        filled = 0
        while filled < self._rows:
            block = self._plan()
            end = min(block.rows, self._at.row + self._rows - filled)
            # Of these rows of the block, those that fall into this process's part of the batch.
            shift = filled - self._at.row
            first, last = (min(max(edge - shift, self._at.row), end) for edge in (self._own.start, self._own.stop))
            pairs += [self._blocks.pairs(block, row) for row in range(first, last)]
            self._at.tally.add(self._blocks.corpus, block, self._at.row, end)
            filled += end - self._at.row
            self._at.row = end
            if end == block.rows:
                self._at.block, self._at.row = self._at.block + 1, 0
        self._at.batches += 1
        return features(pairs, config.inputs, config.targets)

    def _plan(self) -> Block:
        if self._block is None or self._block.number != self._at.block:
            self._block = self._blocks.plan(self._at.block)
        return self._block

    def get_state(self) -> dict[str, Any]:
        return self._at.to_json()

    def set_state(self, state: dict[str, Any]) -> None:
        self._at = Position.from_json(state)
