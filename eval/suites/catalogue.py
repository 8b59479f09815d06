"""Find evaluation tasks: those that come with glotmill, and TOML files of the user's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from core.config import build, read_toml
from core.errors import ConfigError, UnknownNameError
from eval.suites.table import checked
from eval.task import SUITES, Task


def built_in() -> dict[str, Task]:
    """Return the tasks that come with glotmill, by name."""
    folder = resources.files("eval").joinpath("tasks")
    with resources.as_file(folder) as path:
        return _by_name(read(file) for file in sorted(path.glob("*.toml")))


def read(path: Path) -> Task:
    """Return the task of a TOML file; ConfigError where the file does not describe a task."""
    try:
        return checked(build(Task, read_toml(path)))
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None


def chosen(suites: Sequence[str], names: Sequence[str] = (), files: Sequence[Path] = ()) -> list[Task]:
    """Return tasks of some suites: the named ones and those of `files`, or all where neither is given."""
    for suite in suites:
        if suite not in SUITES:
            raise UnknownNameError("suite", suite, SUITES, f"expected one or more of {', '.join(SUITES)}")
    own = _by_name(read(path) for path in files)
    tasks = built_in() | own
    for name in names:
        if name not in tasks:
            raise UnknownNameError("task", name, tasks, "`glotmill eval tasks` lists all")
    for name in (*names, *own):
        if tasks[name].suite not in suites:
            raise ConfigError(f"the task {name} is of the suite {tasks[name].suite}, which is not asked for")
    wanted = [*names, *own] or list(tasks)
    return [task for name, task in tasks.items() if name in wanted and task.suite in suites]


def _by_name(tasks: Iterable[Task]) -> dict[str, Task]:
    named: dict[str, Task] = {}
    for task in tasks:
        if task.name in named:
            raise ConfigError(f"two tasks are called {task.name}. Rename one of them")
        named[task.name] = task
    return named
