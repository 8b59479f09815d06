"""One run at a time writes to a folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from glotmill.errors import OutputError, explain_os_error
from glotmill.paths import is_remote

# The lock of an object store is renewed so often, and counts for so long after it was renewed.
_RENEWED, _STALE = 20.0, 90.0
_NAME: Final = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds `folder` for this process; OutputError if another one holds it. The lock goes with the process.

    In an object store, which knows no processes, the lock of a killed run on another machine counts for another minute
    and a half.
    """
    with _held_remotely(folder) if is_remote(folder) else _held(folder):
        yield


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
    """The open, locked `.lock` of a folder."""
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
        # The run before may have removed the file between its opening and its locking: a lock on it shuts nobody out.
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
    stop = threading.Event()
    renewing = threading.Thread(target=_renew, args=(path, own, stop), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        stop.set()
        renewing.join()
        if _read(path).get("token") == own:
            path.unlink(missing_ok=True)


def _claim(path: Path, own: str, folder: Path) -> None:
    """Writes the lock where there is none, or one that nobody holds any more."""
    for _ in range(3):
        try:
            with path.open("xb") as file:  # a store that can do it creates it only where there is none
                file.write(_lock(own))
        except FileExistsError:
            found = _read(path)
            if found and _is_alive(found):
                holder = f"process {found['process']} on {found['host']}"
                raise OutputError(_taken(folder, holder)) from None
            path.unlink(missing_ok=True)
            continue
        if _read(path).get("token") == own:
            return
    raise OutputError(_taken(folder, "one that began at the same moment"))


def _lock(own: str) -> bytes:
    values = {"token": own, "host": socket.gethostname(), "process": os.getpid(), "renewed": time.time()}
    return json.dumps(values).encode()


def _read(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _is_alive(found: Mapping[str, Any]) -> bool:
    if time.time() - float(found.get("renewed", 0)) > _STALE:
        return False
    if found.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(found["process"]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _renew(path: Path, own: str, stop: threading.Event) -> None:
    while not stop.wait(_RENEWED):
        with contextlib.suppress(OSError):
            if _read(path).get("token") == own:
                path.write_bytes(_lock(own))
