"""Define what an estimate says, and how the cost of a sample is scaled up.

An estimate puts some rows of the run through the real work. Time is CPU time, because wall time depends on what else
the machine does. On an idle machine, wall time is about CPU time divided by the number of processes.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipelines.shards import SourceSlice

_SLICES: Final = 16
# A job, and each of its processes, begins with importing Beam.
START_SECONDS: Final = 1.5


@dataclass(frozen=True)
class Estimate:
    """What a run would read and cost. Sizes are in bytes; memory is that of all processes together."""

    command: str
    files: int
    bytes_in: int
    shards: int
    processes: int
    rows: int
    rows_are_counted: bool  # otherwise estimated from the bytes of the sample
    sampled_rows: int
    cpu_seconds: float
    seconds: float
    memory: int
    disk: int  # of the output
    disk_while_running: int  # in addition to the output


def spread(pieces: Sequence[SourceSlice]) -> list[SourceSlice]:
    """Return up to 16 of the pieces, evenly spread over all."""
    count = min(_SLICES, len(pieces))
    return [pieces[len(pieces) * index // count] for index in range(count)]


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the child processes that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def costs(cpu: float, processes: int) -> dict[str, Any]:
    """Return time and memory of some CPU seconds of work on some processes and the process that drives them."""
    several = processes > 1
    starts = START_SECONDS * (processes + 1 if several else 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "processes": processes,
        "cpu_seconds": round(cpu + starts, 1),
        "seconds": round(cpu / processes + 2 * START_SECONDS * several + START_SECONDS, 1),
        "memory": peak * (processes + 1 if several else 1),
    }
