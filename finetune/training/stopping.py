"""A request to stop: SIGTERM (from schedulers, and from machines about to be taken away) or Ctrl-C.

The step at work is finished, the run saved, and the command ends with STOPPED, after which the same command goes on.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Final

import jax

STOPPED: Final = 75  # EX_TEMPFAIL: to be tried again
_ASKED: Final = 10


class StopRequests:
    """Listens while its block runs. A second signal ends the process as it always would."""

    def __init__(self) -> None:
        self._heard = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequests:
        # Several processes hear of it through JAX's own service, which has its own handler.
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
        """Whether to stop after `step`: of several processes all get the same answer, some steps after the signal."""
        if jax.process_count() == 1:
            return self._heard
        from jax.experimental import multihost_utils

        return bool(multihost_utils.reached_preemption_sync_point(step))


def agreed(wish: bool, step: int) -> bool:
    """What the first process wishes, for all of them. Several are asked at every tenth step only: they must wait."""
    if jax.process_count() == 1:
        return wish
    if step % _ASKED:
        return False
    import numpy as np
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.asarray(wish)))
