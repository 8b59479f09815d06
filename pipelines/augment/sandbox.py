"""The process in which templates are rendered: one of its own, with bounded memory and time.

Jinja's sandbox keeps a template from Python's internals, but not from counting to infinity or doubling a text thirty
times. What a process may use, the system bounds: whatever a template does costs it its own row, and nobody else's.

Run as `python -m pipelines.augment.sandbox`. It reads lines of JSON (templates and limits first, then rows) and
writes one line of JSON for each.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any

import orjson

from collection.templates import Template
from core.errors import GlotmillError


@dataclass(frozen=True)
class Limits:
    """What rendering one template over one row may use."""

    seconds: float = 2.0
    memory: int = 1 << 30  # bytes, of the whole process


@dataclass(frozen=True, slots=True)
class Job:
    """A row, and which templates are rendered over it. `seed` is what `choice` draws by."""

    row: Mapping[str, Any]
    seed: str
    templates: tuple[int, ...]


# The parts of what a template gave, or why it gave nothing.
Rendered = list[str] | str


class Sandbox:
    """Renders rows in a process of its own, which is started anew when a template has brought it down."""

    def __init__(self, templates: Sequence[Template], limits: Limits) -> None:
        self._limits = limits
        self._hello = _line({"templates": [asdict(one) for one in templates], "limits": asdict(limits)})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def render(self, jobs: Sequence[Job]) -> list[list[Rendered]]:
        """What each template of each job gave, in their order."""
        if not jobs:
            return []
        # A batch of sound templates takes far less than one second a row; one that does not is gone through again.
        rendered = self._asked(jobs, self._limits.seconds * 2 + len(jobs))
        if rendered is not None:
            return rendered
        if len(jobs) > 1:
            return [self.render([job])[0] for job in jobs]
        if len(jobs[0].templates) > 1:
            return [[self.render([Job(jobs[0].row, jobs[0].seed, (one,))])[0][0] for one in jobs[0].templates]]
        return [[f"it takes more than {self._limits.seconds:g} s, or more memory than it may"]]

    def _asked(self, jobs: Sequence[Job], seconds: float) -> list[list[Rendered]] | None:
        """The answer of the process; None where it gives none in time."""
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        question = _line([[job.row, job.seed, job.templates] for job in jobs])
        try:
            process.stdin.write(question)
            process.stdin.flush()
            answer = _read_line(process.stdout, seconds)
        except OSError:
            answer = b""
        if not answer.endswith(b"\n"):
            self._stop()
            return None
        found: list[list[Rendered]] = orjson.loads(answer)
        return found

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [sys.executable, "-P", "-m", "pipelines.augment.sandbox"]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
            )
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(self._hello)
            self._process.stdin.flush()
            if _read_line(self._process.stdout, _START_SECONDS) != _READY:
                self._stop()
                raise GlotmillError("the process that renders templates does not start")
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            process.wait()


_START_SECONDS = 60.0
_READY = b'"ready"\n'


def as_json(value: Any, option: int = 0) -> bytes:
    """A row of task data as JSON; whatever JSON does not know becomes text."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS | option)
    except TypeError:  # a number of more than 64 bits
        return json.dumps(_with_short_numbers(value), default=str, sort_keys=True, ensure_ascii=False).encode(
            "utf-8", "replace"
        )


def _with_short_numbers(value: Any) -> Any:
    """The same with numbers of more than 64 bits as text, digit by digit."""
    if isinstance(value, Mapping):
        return {str(name): _with_short_numbers(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_short_numbers(one) for one in value]
    return str(value) if isinstance(value, int) and not -(2**63) <= value < 2**64 else value


def _line(value: Any) -> bytes:
    return as_json(value) + b"\n"


def _read_line(pipe: IO[bytes], seconds: float) -> bytes:
    """All up to a line end, or what there is of it at the end of the time or of the pipe."""
    end = time.monotonic() + seconds
    line = bytearray()
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            break
        piece = os.read(pipe.fileno(), 1 << 20)
        if not piece:
            break
        line += piece
    return bytes(line)


class _TooLong(BaseException):
    """No error of a template's, so that no template can hold it up."""


def _serve() -> None:
    """Renders what comes in on stdin."""
    from collection.rendering import Renderer, RenderingError

    hello = orjson.loads(sys.stdin.buffer.readline())
    limits = Limits(**hello["limits"])
    renderer = Renderer([Template(**one) for one in hello["templates"]])
    _bound_memory(limits.memory)
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    answers.write(_READY)
    answers.flush()

    def rendered(index: int, row: Mapping[str, Any], seed: str) -> Rendered:
        try:
            with _alarm(limits.seconds):
                return renderer.render(index, row, seed)
        except RenderingError as error:
            return str(error)
        except MemoryError:
            return "it takes more memory than it may"
        except _TooLong:
            return f"it takes more than {limits.seconds:g} s"

    for line in sys.stdin.buffer:
        jobs = orjson.loads(line)
        answers.write(_line([[rendered(index, row, seed) for index in indexes] for row, seed, indexes in jobs]))
        answers.flush()


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise _TooLong

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _bound_memory(size: int) -> None:
    with contextlib.suppress(OSError, ValueError):  # a system that sets a lower limit keeps it
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _serve()
