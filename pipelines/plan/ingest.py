"""Estimate what an ingest costs: some of its rows go through the real work, and the cost is scaled up."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collection import store
from collection.reject import Reject
from collection.store import PartWriter
from core.tables import Row
from pipelines import runner
from pipelines.ingest.clean import RowCleaner
from pipelines.ingest.config import IngestConfig
from pipelines.plan.estimate import Estimate, costs, spread
from pipelines.rows import read_rows, size_of
from pipelines.shards import SourceSlice, plan

_ROWS_A_SLICE: Final = 500


def of_ingest(config: IngestConfig) -> Estimate:
    """Return what an ingest would cost; SourceError for a source that cannot be read."""
    sources = config.make_sources()
    planned = plan(config.paths())
    pieces = [piece for task in planned.tasks for piece in task.slices if piece.weight]
    cleaner = RowCleaner(config)
    rows = weight = 0
    spent, started = 0.0, time.process_time()
    with tempfile.TemporaryDirectory(prefix="glotmill-plan-") as temporary:
        folder = Path(temporary)
        with PartWriter(folder, 0, 1) as part:
            for number, piece in enumerate(spread(pieces)):
                for batch in _first_rows(piece):
                    begun = time.process_time()
                    part.write(cleaner.clean(batch, sources[piece.source], piece.slice))
                    if number:  # the first one loads the models
                        spent += time.process_time() - begun
                        rows += len(batch)
                        weight += size_of(batch)
        disk = sum(path.stat().st_size for path in store.parts(folder) + store.parts(folder, "rejects"))
    cleaned = cleaner.tally.rows_in
    if not rows:  # one small slice: its time includes loading the models, which hardly matters for small input
        rows, weight, spent = cleaned, planned.weight, time.process_time() - started
    expected = round(planned.weight * rows / weight) if weight else 0
    processes = runner.process_count(config.run, planned.weight, len(planned.tasks))
    return Estimate(
        "ingest",
        files=len(planned.inputs),
        bytes_in=sum(file.bytes for file in planned.inputs),
        shards=len(planned.tasks),
        rows=expected,
        rows_are_counted=False,
        sampled_rows=cleaned,
        disk=disk * expected // max(cleaned, 1),
        disk_while_running=0,
        **costs(spent / max(rows, 1) * expected, processes),
    )


def _first_rows(piece: SourceSlice) -> Iterator[list[Row | Reject]]:
    rows = itertools.islice(itertools.chain.from_iterable(read_rows(piece.slice)), _ROWS_A_SLICE)
    while batch := list(itertools.islice(rows, 100)):
        yield batch
