"""Estimate what templates cost: some rows are rendered, and the cost is scaled up."""

from __future__ import annotations

import itertools
import resource
import tempfile
from pathlib import Path
from typing import Final

from collection import store
from collection.reject import Reject
from collection.store import PartWriter
from core.tables import Row
from pipelines import runner
from pipelines.augment.template import TemplateConfig, Workshop
from pipelines.plan.estimate import START_SECONDS, Estimate, cpu_seconds, spread
from pipelines.rows import read_rows, size_of
from pipelines.shards import SourceSlice, plan

_SAMPLED_ROWS: Final = 200


def of_template(config: TemplateConfig) -> Estimate:
    """Return what a run of templates would cost."""
    planned = plan([(data.data, data.encoding) for data in config.sets])
    pieces = [piece for task in planned.tasks for piece in task.slices if piece.weight]
    weight = sampled = 0
    with tempfile.TemporaryDirectory(prefix="glotmill-plan-") as temporary:
        folder = Path(temporary)
        with Workshop(config) as workshop, PartWriter(folder, 0, 1) as part:
            begun = cpu_seconds()
            for piece in spread(pieces):
                rows = list(itertools.islice(_rows(piece), _SAMPLED_ROWS))
                weight += size_of(rows)
                for outcomes in workshop.made(rows, piece):
                    part.write(outcomes)
            sampled = workshop.tally.rows_in
        spent = cpu_seconds() - begun
        disk = sum(path.stat().st_size for path in store.parts(folder) + store.parts(folder, "rejects"))
    scale = planned.weight / weight if weight else 0.0
    processes = runner.process_count(config.run, planned.weight, len(planned.tasks))
    cpu = spent * scale + START_SECONDS * processes
    return Estimate(
        "template",
        files=len(planned.inputs),
        bytes_in=sum(file.bytes for file in planned.inputs),
        shards=len(planned.tasks),
        processes=processes,
        rows=round(sampled * scale),
        rows_are_counted=False,
        sampled_rows=sampled,
        cpu_seconds=round(cpu, 1),
        seconds=round(cpu / processes + START_SECONDS, 1),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 * 2 * processes,
        disk=round(disk * scale),
        disk_while_running=0,
    )


def _rows(piece: SourceSlice) -> itertools.chain[Row | Reject]:
    return itertools.chain.from_iterable(read_rows(piece.slice))
