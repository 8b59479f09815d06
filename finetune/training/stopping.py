"""Handle requests to stop: SIGTERM (from schedulers, or before a machine is reclaimed) and Ctrl-C.

The current step is finished, the run is saved, and the command exits with STOPPED. The same command resumes the run.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Final

import jax

STOPPED: Final = 75  # EX_TEMPFAIL: try again later
_SYNC_EVERY: Final = 10  # steps


class StopRequests:
    """A listener for signals while its block runs. A second signal has its usual effect."""

    def __init__(self) -> None:
        self._heard = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequests:
        # Several processes learn of it from JAX's preemption service, which has its own handler.
        if threading.current_thread() is threading.main_thread() and jax.process_count() == 1:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._heard = True
        signal.signal(number, self._before[number])

    def heard(self, step: int) -> bool:
        """Return whether to stop after `step`; several processes get the same answer, some steps after the signal."""
        if jax.process_count() == 1:
            return self._heard
        from jax.experimental import multihost_utils

        return bool(multihost_utils.reached_preemption_sync_point(step))


def agreed(wish: bool, step: int) -> bool:
    """Return what the first process wants, on all processes; several synchronise only at every tenth step."""
    if jax.process_count() == 1:
        return wish
    if step % _SYNC_EVERY:
        return False
    import numpy as np
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.asarray(wish)))
