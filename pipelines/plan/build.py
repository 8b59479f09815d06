"""Estimate what a build costs: some of its rows are built, and the cost is scaled up."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from collection import store
from collection.manifest import KEPT, Manifest, Tally
from collection.record import Record, from_batch
from collection.store import PartWriter
from pipelines import runner
from pipelines.build.job import BuildConfig, build
from pipelines.plan.estimate import Estimate, costs

_BUILD_ROWS: Final = 10_000


def of_build(inputs: Sequence[Path], config: BuildConfig, against: Sequence[Path] = ()) -> Estimate:
    """Return what a build would cost."""
    parts = [path for folder in inputs for path in store.parts(folder)]
    against_parts = [path for folder in against for path in store.parts(folder)]
    for folder in (*inputs, *against):
        Manifest.read(folder)
    rows = sum(map(store.row_count, parts))
    compared = rows + sum(map(store.row_count, against_parts))
    size = sum(path.stat().st_size for path in parts + against_parts)
    with tempfile.TemporaryDirectory(prefix="glotmill-plan-") as temporary:
        folder = Path(temporary)
        sampled, text = _sample(parts, folder / "sample")
        begun = time.process_time()
        build([folder / "sample"], config, folder / "out")
        cpu = time.process_time() - begun
        disk = sum(path.stat().st_size for path in (folder / "out").rglob("*.parquet"))
    share = 1 / max(sampled, 1)
    return Estimate(
        "build",
        files=len(parts) + len(against_parts),
        bytes_in=size,
        shards=len(parts),
        rows=rows,
        rows_are_counted=True,
        sampled_rows=sampled,
        disk=round(disk * share * rows),
        # Between phases, rows are on disk uncompressed, with fingerprints, and bands and shingles of near duplicates.
        disk_while_running=round(text * share * rows) + compared * (41 + (14 * 13 + 300) * config.duplicates.near),
        **costs(
            max(cpu - _BEAM_SECONDS, 0.2 * cpu) * share * compared,
            runner.process_count(config.run, size, len(parts)),
        ),
    )


# Seconds that Beam takes to set up and start the phases of any build.
_BEAM_SECONDS: Final = 0.8


def _sample(parts: Sequence[Path], folder: Path) -> tuple[int, int]:
    """Write some rows of all parts to a folder that a build can read; return their number and their size in memory."""
    share = max(1, _BUILD_ROWS // max(len(parts), 1))
    tally, size = Tally(), 0
    records: list[Record] = []
    for path in parts:
        batch = next(store.batches(path, rows=share), None)
        if batch is not None:
            size += batch.nbytes
            records += from_batch(batch)
    for record in records:
        tally.outcomes[record.source, record.language, KEPT] += 1
    with PartWriter(folder, 0, 1) as part:
        part.write(records)
    Manifest.of("sample", tally, 1, complete=True).write(folder)
    return len(records), size
