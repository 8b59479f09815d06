"""Define what every task of a build uses: the input parts, the paths of files between phases, and how a task runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le

from collection.contamination import ContaminationConfig
from collection.manifest import Tally
from collection.splits import SplitConfig
from collection.stage import RunState, WorkUnit
from pipelines.build.near_duplicates.clusters import Clusters
from pipelines.runner import Phase


@dataclass(frozen=True)
class DuplicateConfig:
    """Which duplicates are dropped."""

    exact: bool = True  # of the same conversation
    near: bool = True  # of nearly the same one: similar as a whole, and in their answers
    threshold: Annotated[float, Ge(0.5), Le(1)] = 0.8  # share of shingles in common; below 0.5 few pairs would be found
    across_templates: bool = False  # also near ones from different templates of one data set


@dataclass(frozen=True, slots=True)
class InputPart:
    """One file of an earlier stage or, if it `was_there`, of a collection that rows are only compared with.

    `start` is the number of its first row among the rows of all parts; `given` is its path as the user wrote it.
    """

    index: int
    path: str
    given: str
    name: str
    rows: int
    hash: str
    start: int
    was_there: bool = False


@dataclass(frozen=True, slots=True)
class BuildJob:
    """The settings and inputs of a build, as every task gets them."""

    state: RunState
    splits: SplitConfig
    duplicates: DuplicateConfig
    contamination: ContaminationConfig | None
    raw_limit: int
    parts: tuple[InputPart, ...]

    @property
    def rows(self) -> int:
        """The number of rows of all parts, including those of collections that rows are compared with."""
        return sum(part.rows for part in self.parts)

    @property
    def own(self) -> tuple[InputPart, ...]:
        """The parts whose rows the collection is made of."""
        return tuple(part for part in self.parts if not part.was_there)

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """The number of the first row of each part."""
        return np.array([part.start for part in self.parts], np.int64)

    @property
    def clusters(self) -> Clusters:
        """Which rows are dropped as near duplicates, and which are kept instead."""
        return Clusters(self.state.folder / "clusters", self.rows)

    @property
    def index(self) -> Path:
        """The path of the index of the evaluation sets."""
        return self.state.folder / "contamination"

    def file(self, kind: str, index: int) -> Path:
        """Return the path of a file that one phase writes for the next."""
        return self.state.folder / kind / f"{index:05d}"

    def files(self, kind: str, count: int) -> list[Path]:
        """Return the paths of `count` such files: one for each part, or one for each bucket."""
        return [self.file(kind, index) for index in range(count)]


Work = Callable[[Any, BuildJob, WorkUnit], None]


def phase(name: str, work: Work, tasks: Sequence[Any] | Callable[[], Sequence[Any]], job: BuildJob) -> Phase:
    """Return a phase. Each of its tasks is a unit of work with a marker, so that a resumed run skips finished ones."""
    return Phase(name, partial(_run, name=name, work=work, job=job), tasks)


def unit_name(phase_name: str, task: Any) -> str:
    """Return the name of a task's unit of work. A task is the number of a bucket, or an object with an index."""
    return f"{phase_name}-{task if isinstance(task, int) else task.index:05d}"


def _run(task: Any, *, name: str, work: Work, job: BuildJob) -> Tally | None:
    unit = unit_name(name, task)
    if job.state.is_done(unit):
        return None
    with job.state.unit(unit) as done:
        work(task, job, done)
    return done.tally
