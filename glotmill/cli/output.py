"""Print results to stdout and everything else to stderr, with one line for an error."""

from __future__ import annotations

import functools
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from core.errors import DryRun, GlotmillError, MissingDependencyError, UserError, explain_os_error

# Packages whose errors concern a network, a name or a key.
_STORES = ("aiobotocore", "aiohttp", "botocore", "gcsfs", "google")
_EXTRAS = {
    "train": tuple("flax grain jax matplotlib optax orbax safetensors tensorboardX tensorstore tomli_w".split()),
    "eval": ("bm25s", "pytrec_eval", "rouge_score", "sacrebleu", "scipy", "sklearn"),
}
Command = TypeVar("Command", bound=Callable[..., Any])


def guarded(command: Command) -> Command:
    """Wrap a command so that an error becomes one line on stderr and an exit status: 2 if the user can fix it, else 1.

    Args:
        command: a function with a `debug` parameter, which adds the traceback.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except BrokenPipeError:
            # The reader of stdout closed it, as `head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except KeyboardInterrupt:
            print("stopped; the same command resumes the run", file=sys.stderr)
            sys.exit(130)
        except DryRun as message:
            print(message)
        except (UserError, OSError) as error:
            _explain(error, kwargs.get("debug", False))
            text = explain_os_error(error, str(error.filename or "")) if isinstance(error, OSError) else str(error)
            print(f"error: {' '.join(text.split())}", file=sys.stderr)
            sys.exit(2)
        except Exception as error:
            package = str(getattr(error, "name", "")).partition(".")[0]
            extra = next((extra for extra, packages in _EXTRAS.items() if package in packages), None)
            if isinstance(error, ModuleNotFoundError) and extra:
                print(f"error: {MissingDependencyError(package, extra, 'this command')}", file=sys.stderr)
                sys.exit(2)
            if type(error).__module__.partition(".")[0] in _STORES:
                _explain(error, kwargs.get("debug", False))
                print(f"error: the object store cannot be used: {' '.join(str(error).split())}", file=sys.stderr)
                sys.exit(2)
            _explain(error, kwargs.get("debug", False))
            what = str(error) if isinstance(error, GlotmillError) else f"{type(error).__name__}: {error}"
            print(
                f"bug: {what.splitlines()[0] if what else type(error).__name__}; "
                "please report it, with the output of the same command with --debug",
                file=sys.stderr,
            )
            sys.exit(1)

    return run  # type: ignore[return-value]


def _explain(error: BaseException, debug: bool) -> None:
    if debug:
        traceback.print_exception(error, file=sys.stderr)


def print_json(value: Any) -> None:
    """Print a value as JSON on one line, the last line of stdout."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_table(title: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table with numbers aligned right, or nothing if there are no rows."""
    rows = list(rows)
    if not rows:
        return
    from rich.console import Console
    from rich.table import Table

    numbers = [all(isinstance(row[index], int | float) for row in rows) for index in range(len(head))]
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for name, right in zip(head, numbers, strict=True):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    console.print(table)
    console.print()


def _cell(value: Any) -> str:
    from rich.markup import escape

    return (
        f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else escape(str(value))
    )


def folder_name(path: Path) -> str:
    """Return a folder as the user would type it, relative to the current folder if it is below it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (TypeError, ValueError):
        return str(path)
