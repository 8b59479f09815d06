"""Stream the training data of a run: endless packed batches, resumable to the row.

The stream is one sequence of rows, block after block. Batch n of R rows is rows n * R to (n + 1) * R of it, over all
hosts; process p of P takes the p-th of P equal parts. So neither the number of hosts nor a restart changes the stream.
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
from finetune.data.config import DataConfig
from finetune.data.examples import Pair
from finetune.data.features import Batch, features
from finetune.data.packing_plan import PackingPlan, PackingPlanner
from finetune.data.report import BatchCounts, DataReport, length_notes, passes, repeat_notes
from finetune.data.sources import DataSources
from finetune.data.special_ids import SpecialIds

FORMAT: Final = 1  # of the state


@dataclass
class StreamPosition:
    """The next row of a stream, and the counts of the rows before it."""

    block: int = 0
    row: int = 0  # of the block
    batches: int = 0
    tally: BatchCounts = field(default_factory=BatchCounts)

    def to_json(self) -> dict[str, Any]:
        return {"block": self.block, "row": self.row, "batches": self.batches, "tally": self.tally.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> StreamPosition:
        return cls(values["block"], values["row"], values["batches"], BatchCounts.from_json(values["tally"]))


class TrainingData:
    """An endless iterator of the batches of one host.

    data = TrainingData.open(config, tokenizer, process=0, processes=1)
    batch = next(data)      # Batch of [rows / processes, inputs] and [.., targets]
    state = data.state()    # small, JSON, the same on every host
    data.restore(state)     # the next batch is the one after `batch`
    """

    def __init__(self, sources: DataSources, process: int = 0, processes: int = 1) -> None:
        """Begin the stream; ConfigError where the rows of a step cannot be split evenly among the processes."""
        rows = sources.config.rows
        if rows % processes:
            raise ConfigError(f"data.rows is {rows}: expected a multiple of the {processes} processes")
        self.sources = sources
        self.planner = PackingPlanner(sources)
        dataset: grain.IterDataset[Batch] = _Stream(self.planner, process, processes)
        if sources.config.prefetch:
            dataset = ThreadPrefetchIterDataset(dataset, prefetch_buffer_size=sources.config.prefetch)
        self._iterator = iter(dataset)

    @classmethod
    def open(cls, config: DataConfig, tokenizer: Path, *, process: int = 0, processes: int = 1) -> TrainingData:
        """Open the data of a configuration for one of several processes; UserError where something is missing."""
        return cls(DataSources.open(config, SpecialIds.of(tokenizer)), process, processes)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        batch: Batch = next(self._iterator)
        return batch

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs to go on after the last batch."""
        return {
            "format": FORMAT,
            "seed": self.sources.config.seed,
            "fingerprint": self.sources.fingerprint,
            **self._iterator.get_state(),
        }

    def restore(self, state: dict[str, Any], *, changed: bool = False) -> None:
        """Go on where a state was taken.

        Args:
            state: from `state`, of any host.
            changed: go on even if data or configuration have changed since; the stream is then another one.

        Raises:
            SourceError: data or configuration have changed and `changed` is False, or the state has another format.
        """
        if state.get("format") != FORMAT:
            raise SourceError(f"the checkpoint's data state has the format {state.get('format')!r}: expected {FORMAT}")
        if state["fingerprint"] != self.sources.fingerprint and not changed:
            raise SourceError(
                "the checkpoint was made with other training data: sources, mixture, lengths, seed or tokenizer "
                "have changed. Set them back, or begin a new run from the checkpoint's weights"
            )
        self._iterator.set_state({name: state[name] for name in ("block", "row", "batches", "tally")})

    def close(self) -> None:
        """End the thread that reads ahead."""
        self._iterator.close()

    def report(self) -> DataReport:
        """Return what the batches so far were made of."""
        position = StreamPosition.from_json(self._iterator.get_state())
        drawn = self.sources.mixture.given(position.block)
        if position.row:
            plan = self.planner.plan(position.block)
            drawn = drawn + np.bincount(plan.group[: plan.row_starts[position.row]], minlength=len(drawn))
        return DataReport.of(self.sources.config, position.tally, passes(self.sources.mixture, drawn))

    def expected(self, steps: int) -> DataReport:
        """Estimate what a number of steps will be made of, from the first block."""
        plan = self._first
        tally = BatchCounts()
        tally.add(self.sources, plan, 0, plan.rows)
        wanted = steps * self.sources.config.rows / max(plan.rows, 1)
        drawn = np.round(self.sources.mixture.shares * len(plan.examples) * wanted).astype(np.int64)
        return DataReport.of(self.sources.config, tally.times(wanted), passes(self.sources.mixture, drawn))

    @cached_property
    def _first(self) -> PackingPlan:
        return self.planner.plan(0)

    def notes(self, steps: int) -> list[str]:
        """Return sentences on what a user should know before this number of steps is run."""
        expected = self.expected(steps)
        longest = self._first.lengths
        return [
            *self.sources.notes(),
            *length_notes(self.sources.config, expected, int(longest.inputs.max()), int(longest.targets.max())),
            *repeat_notes(expected),
        ]


class _Stream(grain.IterDataset[Batch]):
    """The rows of one process, as Grain iterates over them."""

    def __init__(self, planner: PackingPlanner, process: int, processes: int) -> None:
        super().__init__()
        self._arguments = (planner, process, processes)

    def __iter__(self) -> _StreamIterator:
        return _StreamIterator(*self._arguments)


class _StreamIterator(grain.DatasetIterator[Batch]):
    def __init__(self, planner: PackingPlanner, process: int, processes: int) -> None:
        super().__init__()
        self._planner = planner
        self._rows = planner.sources.config.rows
        share = self._rows // processes
        self._own = range(process * share, (process + 1) * share)
        self._at = StreamPosition()
        self._plan: PackingPlan | None = None

    def __next__(self) -> Batch:
        config = self._planner.sources.config
        pairs: list[list[Pair]] = []
        filled = 0
        while filled < self._rows:
            plan = self._next_plan()
            end = min(plan.rows, self._at.row + self._rows - filled)
            # Of these rows of the block, those that fall into this process's part of the batch.
            shift = filled - self._at.row
            first, last = (min(max(edge - shift, self._at.row), end) for edge in (self._own.start, self._own.stop))
            pairs += [self._planner.pairs(plan, row) for row in range(first, last)]
            self._at.tally.add(self._planner.sources, plan, self._at.row, end)
            filled += end - self._at.row
            self._at.row = end
            if end == plan.rows:
                self._at.block, self._at.row = self._at.block + 1, 0
        self._at.batches += 1
        batch = features(pairs, config.inputs, config.targets)
        self._planner.sources.special_ids.check(batch.encoder_input_tokens, batch.decoder_target_tokens)
        return batch

    def _next_plan(self) -> PackingPlan:
        if self._plan is None or self._plan.block != self._at.block:
            self._plan = self._planner.plan(self._at.block)
        return self._plan

    def get_state(self) -> dict[str, Any]:
        return self._at.to_json()

    def set_state(self, state: dict[str, Any]) -> None:
        self._at = StreamPosition.from_json(state)
