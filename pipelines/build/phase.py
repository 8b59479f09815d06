"""What every task of a build knows: the parts that it reads, where files between phases lie, how a task is run."""

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
    """Which copies are dropped."""

    exact: bool = True  # of the same conversation
    near: bool = True  # of nearly the same one: alike as a whole, and in their answers
    threshold: Annotated[float, Ge(0.5), Le(1)] = 0.8  # share of shingles in common; below 0.5 few pairs would be found
    across_templates: bool = False  # also near ones from different templates of one data set


@dataclass(frozen=True, slots=True)
class InputPart:
    """One file of an earlier stage; or, if it `was_there`, of a collection that is only compared with.

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
    """What every task of a build knows of the whole."""

    place: RunState
    splits: SplitConfig
    duplicates: DuplicateConfig
    contamination: ContaminationConfig | None
    raw_limit: int
    parts: tuple[InputPart, ...]

    @property
    def rows(self) -> int:
        """The rows of all parts, those that were there included."""
        return sum(part.rows for part in self.parts)

    @property
    def own(self) -> tuple[InputPart, ...]:
        """The parts that the collection is made of."""
        return tuple(part for part in self.parts if not part.was_there)

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """The number of the first row of each part."""
        return np.array([part.start for part in self.parts], np.int64)

    @property
    def clusters(self) -> Clusters:
        """Which rows go in favour of which, as near duplicates."""
        return Clusters(self.place.folder / "clusters", self.rows)

    @property
    def index(self) -> Path:
        """The index of the evaluation sets, where there are any."""
        return self.place.folder / "contamination"

    def file(self, kind: str, index: int) -> Path:
        """Where a phase leaves what the next one needs."""
        return self.place.folder / kind / f"{index:05d}"

    def files(self, kind: str, count: int) -> list[Path]:
        """The first so many of them: one a part, or one a bucket."""
        return [self.file(kind, index) for index in range(count)]


Work = Callable[[Any, BuildJob, WorkUnit], None]


def phase(name: str, work: Work, tasks: Sequence[Any] | Callable[[], Sequence[Any]], job: BuildJob) -> Phase:
    """A phase whose every task is a piece of work with a marker of its own, and is not done twice."""
    return Phase(name, partial(_run, name=name, work=work, job=job), tasks)


def unit_name(phase_name: str, task: Any) -> str:
    """The name of the piece of work that a task is: a bucket by its number, or something with an index."""
    return f"{phase_name}-{task if isinstance(task, int) else task.index:05d}"


def _run(task: Any, *, name: str, work: Work, job: BuildJob) -> Tally | None:
    piece = unit_name(name, task)
    if job.place.is_done(piece):
        return None
    with job.place.unit(piece) as done:
        work(task, job, done)
    return done.tally
