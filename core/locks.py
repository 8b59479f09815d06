"""Lock a folder, so that only one run at a time writes to it."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from core.errors import OutputError, explain_os_error
from core.paths import is_remote, remove

# Seconds between two renewals of a lock in an object store, and seconds until a lock that is not renewed expires.
_RENEWED, _STALE = 20.0, 90.0
_NAME: Final = ".lock"
_TRIES: Final = 5
_lost: set[str] = set()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process. Raise OutputError if another process holds it. The lock ends with the process.

    In an object store, which knows no processes, the lock of a killed run on another machine counts for another minute
    and a half; and a run that was stopped for longer than that can lose its lock, which `check` tells.
    """
    with _held_remotely(folder) if is_remote(folder) else _held(folder):
        yield


def check(folder: Path) -> None:
    """Raise OutputError if another process took over the lock of this process."""
    if str(folder) in _lost:
        raise OutputError(
            f"another run took over {folder} while this run was suspended: this run ends; wait for the other one"
        )


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    handle = _take(folder)
    try:
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / _NAME).unlink(missing_ok=True)
        handle.close()


def _take(folder: Path) -> Any:
    """Return the open, locked `.lock` of a folder."""
    path = folder / _NAME
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = open(path, "a+")  # noqa: SIM115 - given to the caller
        except OSError as error:
            raise OutputError(explain_os_error(error, f"cannot write to {folder}")) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            with handle:
                handle.seek(0)
                holder = handle.read().strip() or "unknown"
            raise OutputError(_taken(folder, f"process {holder}")) from None
        # The previous run may have removed the file between open and flock. A lock on a removed file excludes nobody.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), os.stat(path)):
                return handle
        handle.close()


def _taken(folder: Path, holder: str) -> str:
    return f"another run ({holder}) is writing to {folder}: wait for it, or choose another --out"


@contextlib.contextmanager
def _held_remotely(folder: Path) -> Iterator[None]:
    path, own = folder / _NAME, uuid.uuid4().hex
    try:
        _claim(path, own, folder)
    except OSError as error:
        raise OutputError(explain_os_error(error, f"cannot write to {folder}")) from error
    _lost.discard(str(folder))
    stop = threading.Event()
    renewing = threading.Thread(target=_renew, args=(folder, own, stop), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        stop.set()
        renewing.join()
        with contextlib.suppress(OSError):
            if _read(path).get("token") == own:
                remove(path)


def _claim(path: Path, own: str, folder: Path) -> None:
    """Write the lock if the folder has no lock, or only an expired one."""
    try:
        with path.open("xb") as file:  # fails if the lock exists, so the store decides who was first
            file.write(_lock(own))
        return
    except FileExistsError:
        holder = _read(path)
    message = _taken(folder, f"process {holder.get('process', 'unknown')}")
    if _may_be_alive(path, holder):
        raise OutputError(message)
    # Several processes may see an expired lock. The first to create this file takes it.
    try:
        with (folder / ".work" / "locks" / str(holder.get("token", "none"))).open("xb") as file:
            file.write(own.encode())
    except FileExistsError:
        raise OutputError(message) from None
    path.write_bytes(_lock(own))


def _lock(own: str) -> bytes:
    values = {
        "token": own,
        "machine": _machine(),
        "process": os.getpid(),
        "started": _started(os.getpid()),
        "renewed": time.time(),
    }
    return json.dumps(values).encode()


def _read(path: Path) -> Mapping[str, Any]:
    """Return the content of a lock, or nothing if it is missing or was not written by glotmill."""
    for _ in range(_TRIES):
        try:
            values = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        except OSError:  # the lock was renewed between listing and reading
            time.sleep(0.1)
            continue
        return values if isinstance(values, dict) else {}
    raise OSError(f"{path} cannot be read")


def _may_be_alive(path: Path, holder: Mapping[str, Any]) -> bool:
    if holder.get("machine") == _machine():
        return bool(_started(int(holder["process"])) == holder["started"])
    if time.time() - float(holder.get("renewed", 0)) <= _STALE:
        return True
    # The clocks of two machines may differ, so wait and see whether the lock is renewed.
    time.sleep(1.5 * _RENEWED)
    return _read(path) != holder


@functools.cache
def _machine() -> str:
    """Return an id of this machine, its last start, and its container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return uuid.uuid4().hex  # unknown: treat each process as its own machine


def _started(process: int) -> str:
    """Return the start time of a process in ticks since boot, or "" if there is no such process."""
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _renew(folder: Path, own: str, stop: threading.Event) -> None:
    path = folder / _NAME
    while not stop.wait(_RENEWED):
        with contextlib.suppress(OSError):
            if _read(path).get("token") != own:
                _lost.add(str(folder))
                return
            path.write_bytes(_lock(own))
