"""Run a command and measure its CPU seconds and peak memory, with those of all its child processes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil


@dataclass(frozen=True)
class Run:
    """`cpu` in seconds over the whole process tree, `peak` the largest sum of proportional set sizes, in MiB."""

    cpu: float
    wall: float
    peak: int
    result: dict[str, Any]


def run(command: Sequence[str]) -> Run:
    """Run a command to its end. Its last line of output is its result, as JSON. Raise RuntimeError if it fails."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.returncode is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    texts: dict[str, str] = {}
    readers = [
        threading.Thread(target=lambda n=n, f=f: texts.update({n: f.read()}))
        for n, f in (("out", process.stdout), ("err", process.stderr))
    ]
    for reader in readers:
        reader.start()
    # wait4 reports the time of the process and of all descendants that were waited for.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    for reader in readers:
        reader.join()
    watcher.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {texts['err'][-2000:]}")
    lines = [line for line in texts["out"].splitlines() if line.startswith("{")]
    return Run(usage.ru_utime + usage.ru_stime, time.monotonic() - begun, peak, json.loads(lines[-1]) if lines else {})


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _memory(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
    except psutil.Error:
        return 0
    return total >> 20
