"""Run phases of independent tasks on Beam: in one process, on all cores, or on the runner that the options name.

A task is a small description of work on files. Only tasks cross the runner.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import logging
import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

# At import, Beam warns about clients of clouds that are not in use.
logging.disable(logging.WARNING)
import apache_beam as beam  # noqa: E402
from annotated_types import Ge  # noqa: E402
from apache_beam.internal import pickler  # noqa: E402
from apache_beam.metrics import Metrics  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions  # noqa: E402
from apache_beam.runners.portability.fn_api_runner import FnApiRunner  # noqa: E402

from collection.manifest import Tally  # noqa: E402
from collection.stage import RunState, stage  # noqa: E402
from core import files  # noqa: E402
from core.errors import ConfigError, DryRun, MissingDependencyError  # noqa: E402
from core.paths import as_path, is_remote  # noqa: E402

logging.disable(logging.NOTSET)

# Starting worker processes costs about 3 CPU-seconds, and two of them on one core slow each other down. Below this many
# bytes of input, about half a minute of work, one process is as fast.
_ONE_PROCESS: Final = 128 << 20
_DASK_PARTITIONS: Final = 256


@dataclass(frozen=True)
class RunConfig:
    """Where and how a job runs. No option changes what the job makes."""

    mode: Literal["auto", "in_memory", "multi_processing"] = "auto"  # auto: by the size of the input
    workers: Annotated[int, Ge(0)] = 0  # processes; 0: all cores


@dataclass(frozen=True)
class Phase:
    """Tasks that can run in any order, on any worker, and the function that runs one.

    Tasks that are only known after the previous phase are given as a function that returns them.
    """

    name: str
    function: Callable[[Any], Tally | None]  # returns counts for Beam's metrics
    tasks: Sequence[Any] | Callable[[], Sequence[Any]]


def run(phases: Sequence[Phase], config: RunConfig, weight: int, beam_args: Sequence[str], place: RunState) -> Counts:
    """Run the phases one after the other, and return Beam's metrics.

    Args:
        phases: The phases; those without tasks are left out.
        config: Where and how the job runs.
        weight: About the number of bytes of input.
        beam_args: Arguments that go to Beam unchanged.
        place: The folder of the run.

    Raises:
        DryRun: The options ask for a dry run.
        Exception: The error of a worker, without Beam's wrapping.
    """
    phases = [phase for phase in phases if phase.tasks]
    if not phases:
        return {}
    runner, arguments, seeds = _engine(config, weight, phases, beam_args)
    options = _options(arguments)
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    try:
        pipeline = beam.Pipeline(runner=runner, options=options)
    except (ValueError, ImportError, AttributeError) as error:
        raise ConfigError(f"Beam cannot use {' '.join(arguments)}: {error}") from error
    gate = pipeline | "Start" >> beam.Create(range(seeds))
    for phase, path in zip(phases, _written(phases, place), strict=True):
        gate = _add(gate, phase.name, path)
    result: Any = None
    try:
        result = pipeline.run()
        result.wait_until_finish()
    except Exception as error:
        raise (place.error() or error) from error
    finally:
        # Otherwise Dask's client would look for its cluster until this process ends.
        if client := getattr(result, "client", None):
            client.close()
    if is_dry_run(beam_args):
        steps = len(pipeline.runner.proto_pipeline.components.transforms)
        raise DryRun(f"dry run: the job graph has {steps} steps in {len(phases)} phases; nothing was run or written")
    return _counts(result)


@contextlib.contextmanager
def workplace(out: Path, identity: Mapping[str, Any], fresh: bool, beam_args: Sequence[str]) -> Iterator[RunState]:
    """Open the stage, or a temporary folder for a dry run, which leaves the output unchanged."""
    if is_dry_run(beam_args):
        with tempfile.TemporaryDirectory(prefix="glotmill-dry-run-") as folder:
            yield RunState(folder)
    else:
        with stage(out, identity, fresh) as place:
            yield place


def is_dry_run(beam_args: Sequence[str]) -> bool:
    """Return whether the job is only built; ConfigError for a runner that would run it anyway."""
    named = [argument for argument in beam_args if argument.partition("=")[0] == "--dry_run"]
    dry = bool(named) and named[-1].partition("=")[2].casefold() not in ("false", "0")
    if dry and _runner_name(beam_args) != "DataflowRunner":
        raise ConfigError("--dry_run is for --runner=DataflowRunner: other runners would run the job")
    return dry


def check_paths(beam_args: Sequence[str], paths: Iterable[str]) -> None:
    """Raise ConfigError for local paths in a job whose workers run on other machines."""
    if _runner_name(beam_args) == "DataflowRunner":
        for path in paths:
            if not is_remote(as_path(path)):
                raise ConfigError(f"Dataflow's workers cannot see {path}: expected a path such as gs://BUCKET/FOLDER")


# Row counts by (phase, language, outcome), where the outcome is a reason or "kept".
Counts = dict[tuple[str, str, str], int]
_METRICS: Final = "glotmill"


def _counts(result: Any) -> Counts:
    counts: Counts = {}
    with contextlib.suppress(NotImplementedError):  # some runners have no metrics
        for counter in result.metrics().query()["counters"]:
            phase, _, rest = counter.key.metric.name.partition("/")
            if counter.key.metric.namespace == _METRICS:
                language, _, outcome = rest.partition("/")
                committed = counter.committed
                counts[phase, language, outcome] = committed if committed is not None else counter.attempted
    return counts


def _written(phases: Sequence[Phase], place: RunState) -> list[str]:
    """Write each phase to a file, and return the files: job graphs must be small, and there can be many tasks."""
    folder, paths = place.folder / "phases" / uuid.uuid4().hex, []
    for number, phase in enumerate(phases):
        with files.appearing(folder / f"{number}") as temporary:
            temporary.write_bytes(pickler.dumps(phase))
        paths.append(str(folder / f"{number}"))
    return paths


@functools.lru_cache(maxsize=2)
def _phase(path: str) -> Phase:
    """Return a phase from its file. Each worker reads it once."""
    return cast(Phase, pickler.loads(as_path(path).read_bytes()))


def _add(gate: Any, name: str, path: str) -> Any:
    """Add a phase, which starts when `gate` has its element, and gives one element when all its tasks are done.

    Grouping spreads the tasks over workers, and waits for all of them. Beam's own transforms for that have many steps,
    and each step costs time to set up.
    """
    return (
        gate
        | f"{name}: tasks" >> beam.ParDo(_Tasks(path))
        | f"{name}: spread" >> beam.GroupByKey()
        | f"{name}: run" >> beam.ParDo(_Run(path))
        | f"{name}: wait" >> beam.GroupByKey()
    )


class _Tasks(beam.DoFn):  # type: ignore[misc]
    """Gives the tasks with their numbers, and one empty task, so that a phase without tasks ends, too."""

    def __init__(self, path: str) -> None:
        self._path = path

    def process(self, gate: Any) -> Iterator[tuple[int, Any]]:
        if isinstance(gate, int) and gate > 0:
            return  # only the first element of a pipeline starts its tasks
        yield -1, None
        tasks = _phase(self._path).tasks
        yield from enumerate(tasks() if callable(tasks) else tasks)


class _Run(beam.DoFn):  # type: ignore[misc]
    """Runs the function of a task, and adds its counts to Beam's metrics."""

    def __init__(self, path: str) -> None:
        self._path = path

    def process(self, numbered: tuple[int, Sequence[Any]]) -> Iterator[tuple[int, int]]:
        number, tasks = numbered
        for task in tasks:
            if number >= 0:
                phase = _phase(self._path)
                self._count(phase.name, phase.function(task))
        yield 0, number

    def _count(self, name: str, tally: Tally | None) -> None:
        languages: Counter[tuple[str, str]] = Counter()
        for (_, language, outcome), count in tally.outcomes.items() if tally else ():
            languages[language, outcome] += count
        for (language, outcome), count in languages.items():
            Metrics.counter(_METRICS, f"{name}/{language}/{outcome}").inc(count)


def _runner_name(beam_args: Sequence[str]) -> str | None:
    """Return the Beam name of the runner that the arguments ask for; None if they name no runner."""
    name = None
    for argument, after in itertools.zip_longest(beam_args, beam_args[1:], fillvalue=""):
        option, equals, value = argument.partition("=")
        if option == "--runner":
            name = value if equals else after
            if not name or name.startswith("--"):
                raise ConfigError("--runner: expected a name, such as --runner=DaskRunner")
    if name is None:
        return None
    short = name.rpartition(".")[2].casefold().removesuffix("runner")
    return {"dask": "DaskRunner", "dataflow": "DataflowRunner"}.get(short, name)


def _engine(
    config: RunConfig, weight: int, phases: Sequence[Phase], beam_args: Sequence[str]
) -> tuple[Any, list[str], int]:
    """Return the runner (None if Beam finds it by name), all arguments, and the number of first elements."""
    name = _runner_name(beam_args)
    if name is None:
        return FnApiRunner(), [*_local_arguments(config, weight, phases), *beam_args], 1
    if name != "DaskRunner":
        return None, list(beam_args), 1
    # Beam knows this runner and its options only after this import.
    try:
        from apache_beam.runners.dask.dask_runner import DaskRunner
    except ImportError as error:
        raise MissingDependencyError("apache-beam[dask]", "dask", "running on a Dask cluster") from error
    # On Dask, a grouping has as many partitions as its input: the number of first elements limits the parallelism.
    seeds = min(_DASK_PARTITIONS, _most_tasks(phases))
    spread = [] if any("partition" in argument for argument in beam_args) else [f"--dask_npartitions={seeds}"]
    return DaskRunner(), [*spread, *beam_args], seeds


def _most_tasks(phases: Sequence[Phase]) -> int:
    return max(len(phase.tasks) if isinstance(phase.tasks, Sequence) else 1 for phase in phases)


def _options(arguments: Sequence[str]) -> PipelineOptions:
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):  # argparse prints all of Beam's options before it gives up
            options = PipelineOptions(arguments)
            # Everything is in installed modules: nothing of __main__ needs to travel.
            options.view_as(SetupOptions).save_main_session = False
            with _unknown_options() as unknown:
                options.get_all_options()
    except SystemExit:
        lines = stderr.getvalue().strip().splitlines()[-1:] or [""]
        raise ConfigError(f"Beam rejects {' '.join(arguments)}: {lines[0].partition('error: ')[2]}") from None
    if unknown:
        raise ConfigError(f"Beam does not know an argument after --: {unknown[0]}")
    return options


@contextlib.contextmanager
def _unknown_options() -> Iterator[list[str]]:
    """Collect Beam's warnings about unknown options, which it would otherwise ignore."""
    warnings: list[str] = []
    logger, handler = logging.getLogger("apache_beam.options.pipeline_options"), logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    handler.addFilter(lambda record: "unparseable" in record.getMessage())
    before, logger.propagate = logger.level, False
    logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield warnings
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        logger.propagate = True


def _local_arguments(config: RunConfig, weight: int, phases: Sequence[Phase]) -> list[str]:
    mode, workers = _mode(config, weight, _most_tasks(phases))
    return [f"--direct_running_mode={mode}", f"--direct_num_workers={workers}"]


def process_count(config: RunConfig, weight: int, tasks: int) -> int:
    """Return how many processes a local run uses for input of this weight and number of tasks."""
    return _mode(config, weight, tasks)[1]


def _mode(config: RunConfig, weight: int, tasks: int) -> tuple[str, int]:
    workers = min(config.workers or os.cpu_count() or 1, tasks)
    mode: str = config.mode
    if mode == "auto":
        mode = "multi_processing" if workers > 1 and weight > _ONE_PROCESS else "in_memory"
    return mode, workers if mode == "multi_processing" else 1
