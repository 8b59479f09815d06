"""Show the progress of a long job: a Rich bar with rows/s and time left on a terminal, else a plain line every 10 s."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import rich.progress

_SECONDS_ON_TERMINAL, _SECONDS_ELSEWHERE = 0.5, 10.0  # between two lines
_BAR_WIDTH = 24


class Progress:
    """Progress of a job, written to `stream`. `Progress.silent()` writes nothing."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._terminal = stream is not None and stream.isatty()
        self._bar: rich.progress.Progress | None = None

    @classmethod
    def on_stderr(cls) -> Progress:
        """Return a progress that writes to standard error."""
        return cls(sys.stderr)

    @classmethod
    def silent(cls) -> Progress:
        """Return a progress that writes nothing."""
        return cls(None)

    def note(self, text: str) -> None:
        """Write one line, above the bar where there is one."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        elif self._stream is not None:
            print(text, file=self._stream, flush=True)

    def status(self, share: float, text: str) -> None:
        """Show the finished share of a job, from 0 to 1, with `text`. The bar closes at 1."""
        self._show(share, text)
        if share >= 1:
            self._close()

    @contextlib.contextmanager
    def watch(self, counts: Callable[[], Iterable[tuple[int, int]]], total: int) -> Iterator[None]:
        """Show the progress of work that runs inside the block.

        Args:
            counts: Returns (rows, weight) of each unit of work so far.
            total: The weight of all the work.
        """
        if self._stream is None:
            yield
            return
        stop = threading.Event()
        thread = threading.Thread(target=self._poll, args=(counts, total, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self._close()

    def _poll(self, counts: Callable[[], Iterable[tuple[int, int]]], total: int, stop: threading.Event) -> None:
        start = time.monotonic()
        first = _sum(counts())
        pause = _SECONDS_ON_TERMINAL if self._terminal else _SECONDS_ELSEWHERE
        poll_seconds = 0.0
        # Thousands of shards, or a distant store, take a while to poll: spend at most a twentieth of the time on it.
        while not stop.wait(max(pause, 20 * poll_seconds)):
            poll_start = time.monotonic()
            now = _sum(counts())
            poll_seconds = time.monotonic() - poll_start
            self._show(*_describe(first, now, total, time.monotonic() - start))
        if self._terminal:
            self._show(*_describe(first, _sum(counts()), total, time.monotonic() - start))

    def _show(self, share: float, text: str) -> None:
        if self._stream is None:
            return
        if not self._terminal:
            print(text, file=self._stream, flush=True)
            return
        if self._bar is None:
            self._bar = _start_bar(self._stream)
            atexit.register(self._close)  # a job that ends early must still give the cursor back
        self._bar.update(self._bar.task_ids[0], completed=share, description=text, refresh=True)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            atexit.unregister(self._close)


def _start_bar(stream: TextIO) -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    bar = RichProgress(
        BarColumn(_BAR_WIDTH),
        TextColumn("{task.description}", markup=False),
        console=Console(file=stream),
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("", total=1.0)
    bar.start()
    return bar


def _describe(first: tuple[int, int], now: tuple[int, int], total: int, seconds: float) -> tuple[float, str]:
    """Return the finished share and a line of text. Work finished before the start does not count in the speed."""
    rows, weight = now[0] - first[0], now[1] - first[1]
    share = now[1] / total if total else 1.0
    left = (total - now[1]) / (weight / seconds) if weight > 0 else None
    rate = rows / seconds if seconds else 0
    return share, f"{now[0]:,} rows · {rate:,.0f} rows/s · {share:.0%} · {time_left(left)}"


def _sum(counts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    rows = weight = 0
    for unit_rows, unit_weight in counts:
        rows += unit_rows
        weight += unit_weight
    return rows, weight


def time_left(seconds: float | None) -> str:
    """Return a time in hours, minutes or seconds, in words."""
    if seconds is None:
        return "time left unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min left"
    return f"{minutes} min {rest:02d} s left" if minutes else f"{rest} s left"
