"""Progress of a long job: a bar with rows/s and time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

_ON_TERMINAL, _ELSEWHERE = 0.5, 10.0


class Progress:
    """Speaks on `stream`. `Progress.silent()` says nothing."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._terminal = stream is not None and stream.isatty()

    @classmethod
    def on_stderr(cls) -> Progress:
        return cls(sys.stderr)

    @classmethod
    def silent(cls) -> Progress:
        return cls(None)

    def note(self, text: str) -> None:
        """One line."""
        if self._stream is not None:
            print(text, file=self._stream, flush=True)

    def status(self, share: float, text: str) -> None:
        """How far a job is that tells it itself: a bar that is drawn anew on a terminal, a line elsewhere."""
        if self._stream is None:
            return
        if self._terminal:
            print(f"\r{_bar(share)} {text}\x1b[K", end="" if share < 1 else "\n", file=self._stream, flush=True)
        else:
            print(text, file=self._stream, flush=True)

    @contextlib.contextmanager
    def watch(self, beats: Callable[[], Iterable[tuple[int, int]]], total: int) -> Iterator[None]:
        """While the block runs, shows the sum of `beats`: (rows, weight) of each piece of work, out of `total`."""
        if self._stream is None:
            yield
            return
        stop = threading.Event()
        thread = threading.Thread(target=self._show, args=(beats, total, stop), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _show(self, beats: Callable[[], Iterable[tuple[int, int]]], total: int, stop: threading.Event) -> None:
        begun = time.monotonic()
        first = _sum(beats())
        pause = _ON_TERMINAL if self._terminal else _ELSEWHERE
        took = 0.0
        # Thousands of pieces of work, or a store far away, take a while to be asked: a twentieth of the time is enough.
        while not stop.wait(max(pause, 20 * took)):
            asked = time.monotonic()
            now = _sum(beats())
            took = time.monotonic() - asked
            self._line(first, now, total, time.monotonic() - begun)
        if self._terminal and self._stream is not None:
            self._line(first, _sum(beats()), total, time.monotonic() - begun)
            print(file=self._stream, flush=True)

    def _line(self, first: tuple[int, int], now: tuple[int, int], total: int, seconds: float) -> None:
        assert self._stream is not None
        rows, done = now[0] - first[0], now[1] - first[1]
        share = now[1] / total if total else 1.0
        left = (total - now[1]) / (done / seconds) if done > 0 else None
        text = f"{now[0]:,} rows · {rows / seconds if seconds else 0:,.0f} rows/s · {share:.0%} · {time_left(left)}"
        if self._terminal:
            print(f"\r{_bar(share)} {text}\x1b[K", end="", file=self._stream, flush=True)
        else:
            print(text, file=self._stream, flush=True)


def _sum(beats: Iterable[tuple[int, int]]) -> tuple[int, int]:
    rows = weight = 0
    for a, b in beats:
        rows += a
        weight += b
    return rows, weight


def _bar(share: float) -> str:
    filled = round(24 * min(share, 1.0))
    return "━" * filled + "╌" * (24 - filled)


def time_left(seconds: float | None) -> str:
    """Hours, minutes or seconds, in words."""
    if seconds is None:
        return "time left unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min left"
        if hours
        else f"{minutes} min {rest:02d} s left"
        if minutes
        else f"{rest} s left"
    )
