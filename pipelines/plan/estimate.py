"""What a run would cost, before it is begun: some of its rows go through the real work, and the rest is multiplied.

Time is CPU time, as wall time depends on the neighbours; where the work is spread over processes, on a machine that has
them to itself, wall time is about CPU time by the number of processes.
"""

from __future__ import annotations

import itertools
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from collection import store
from collection.manifest import KEPT, Manifest, Tally
from collection.record import Record, from_batch
from collection.reject import Reject
from collection.store import PartWriter
from core.tables import Row
from pipelines import runner
from pipelines.build.job import BuildConfig, build
from pipelines.ingest.clean import Refiner
from pipelines.ingest.config import IngestConfig
from pipelines.rows import read_rows
from pipelines.shards import Piece, plan

_SLICES, _ROWS_A_SLICE, _BUILD_ROWS = 16, 500, 10_000
# A job, and each process of it, begins with importing Beam.
_START_SECONDS: Final = 1.5


@dataclass(frozen=True)
class Estimate:
    """What a run would read and cost. Sizes in bytes, memory for all processes together."""

    command: str
    files: int
    bytes_in: int
    shards: int
    processes: int
    rows: int
    rows_are_counted: bool  # else told from the bytes of the sample's rows
    sampled_rows: int
    cpu_seconds: float
    seconds: float
    memory: int
    disk: int  # of the output
    disk_while_running: int  # besides it


def of_ingest(config: IngestConfig) -> Estimate:
    """What an ingest would cost. SourceError for a source that cannot be read."""
    sources = config.make_sources()
    planned = plan(config.paths())
    pieces = [piece for task in planned.tasks for piece in task.pieces if piece.weight]
    refiner = Refiner(config)
    rows = weight = 0
    spent, started = 0.0, time.process_time()
    with tempfile.TemporaryDirectory(prefix="glotmill-plan-") as temporary:
        folder = Path(temporary)
        with PartWriter(folder, 0, 1) as part:
            for number, piece in enumerate(_spread(pieces)):
                for batch in _first_rows(piece):
                    begun = time.process_time()
                    part.write(refiner.refine(batch, sources[piece.source], piece.slice))
                    if number:  # the first one loads the models
                        spent += time.process_time() - begun
                        rows += len(batch)
                        weight += sum([len(row.raw) if row.raw else 500 for row in batch])
        disk = sum(path.stat().st_size for path in store.parts(folder) + store.parts(folder, "rejects"))
    refined = refiner.tally.rows_in
    if not rows:  # one small slice: its models were loaded by the clock, which small input can bear
        rows, weight, spent = refined, planned.weight, time.process_time() - started
    expected = round(planned.weight * rows / weight) if weight else 0
    processes = runner.process_count(config.run, planned.weight, len(planned.tasks))
    return Estimate(
        "ingest",
        files=len(planned.inputs),
        bytes_in=sum(file.bytes for file in planned.inputs),
        shards=len(planned.tasks),
        rows=expected,
        rows_are_counted=False,
        sampled_rows=refined,
        disk=disk * expected // max(refined, 1),
        disk_while_running=0,
        **_costs(spent / max(rows, 1) * expected, processes),
    )


def _spread(pieces: Sequence[Piece]) -> list[Piece]:
    """Some of the pieces, evenly spread over all."""
    if len(pieces) <= _SLICES:
        return list(pieces)
    return [pieces[len(pieces) * index // _SLICES] for index in range(_SLICES)]


def _first_rows(piece: Piece) -> Iterator[list[Row | Reject]]:
    rows = itertools.islice(itertools.chain.from_iterable(read_rows(piece.slice)), _ROWS_A_SLICE)
    while batch := list(itertools.islice(rows, 100)):
        yield batch


def of_build(inputs: Sequence[Path], config: BuildConfig, against: Sequence[Path] = ()) -> Estimate:
    """What a build would cost: a build of some of its rows, multiplied."""
    parts = [path for folder in inputs for path in store.parts(folder)]
    there = [path for folder in against for path in store.parts(folder)]
    for folder in (*inputs, *against):
        Manifest.read(folder)
    rows = sum(map(store.row_count, parts))
    looked_at = rows + sum(map(store.row_count, there))
    size = sum(path.stat().st_size for path in parts + there)
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
        files=len(parts) + len(there),
        bytes_in=size,
        shards=len(parts),
        rows=rows,
        rows_are_counted=True,
        sampled_rows=sampled,
        disk=round(disk * share * rows),
        # Rows lie unpacked between phases; beside them fingerprints, and bands and shingles of near duplicates.
        disk_while_running=round(text * share * rows) + looked_at * (41 + (14 * 13 + 300) * config.duplicates.near),
        **_costs(
            max(cpu - _BEAM_SECONDS, 0.2 * cpu) * share * looked_at,
            runner.process_count(config.run, size, len(parts)),
        ),
    )


# What Beam takes to set up and to begin the phases of a build, however small.
_BEAM_SECONDS: Final = 0.8


def _sample(parts: Sequence[Path], folder: Path) -> tuple[int, int]:
    """Some rows of all parts as a folder that a build can read; how many, and their size in memory."""
    share = max(1, _BUILD_ROWS // max(len(parts), 1))
    tally, size = Tally(), 0
    records: list[Record] = []
    for path in parts:
        batch = next(store.batches(path, rows=share), None)
        if batch is not None:
            size += batch.nbytes
            records += from_batch(batch)
    for one in records:
        tally.outcomes[one.source, one.language, KEPT] += 1
    with PartWriter(folder, 0, 1) as part:
        part.write(records)
    Manifest.of("sample", tally, 1, complete=True).write(folder)
    return len(records), size


def _costs(cpu: float, processes: int) -> dict[str, Any]:
    """Time and memory of so much work on so many processes, and the one that drives them."""
    several = processes > 1
    starts = _START_SECONDS * (processes + 1 if several else 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "processes": processes,
        "cpu_seconds": round(cpu + starts, 1),
        "seconds": round(cpu / processes + 2 * _START_SECONDS * several + _START_SECONDS, 1),
        "memory": peak * (processes + 1 if several else 1),
    }
