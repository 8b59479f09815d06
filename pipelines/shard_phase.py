"""Run the shard tasks of a plan that are not done yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from collection.manifest import Tally
from collection.stage import RunState
from core.progress import Progress
from pipelines import runner
from pipelines.runner import Phase, RunConfig
from pipelines.shards import Plan


def run_shard_phase(
    name: str,
    function: Callable[..., Tally | None],
    planned: Plan,
    state: RunState,
    run: RunConfig,
    beam_args: Sequence[str],
    progress: Progress,
    *,
    work_per_byte: int = 1,
) -> None:
    """Run `function` on every shard task that has no marker, and show the progress.

    Args:
        name: the phase's name, in Beam's metrics.
        function: what a worker does with a task; it is called with the task and `place`, the state of the run.
        planned: all shard tasks of the run.
        state: the state of the run, which knows the tasks that are done.
        run: where and how the job runs.
        beam_args: arguments that go to Beam.
        progress: shows rows and time left.
        work_per_byte: the cost of a byte of input, as a multiple of that of `ingest`.
    """
    tasks = [task for task in planned.tasks if not state.is_done(task.name)]
    if len(tasks) < len(planned.tasks):
        progress.note(f"resuming: {len(planned.tasks) - len(tasks)} of {len(planned.tasks)} shards are done")
    phase = Phase(name, partial(function, place=state), tasks)
    with progress.watch(state.beats, planned.weight):
        weight = sum(shard.weight for task in tasks for shard in task.slices) * work_per_byte
        runner.run([phase], run, weight, beam_args, state)
