"""Files that appear whole or not at all, are known by their content, and are written by one run at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xxhash

from glotmill.errors import OutputError, explain_os_error

_CHUNK = 1 << 20


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its place by one rename when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a small text file in one piece."""
    with appearing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def content_hash(path: Path, start: int = 0, end: int | None = None) -> str:
    """xxh3-128 of the bytes of a file from `start` up to, not including, `end`, as 32 hex digits."""
    digest = xxhash.xxh3_128()
    with open(path, "rb") as file:
        file.seek(start)
        left = (os.fstat(file.fileno()).st_size if end is None else end) - start
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds `folder` for this process; OutputError if another one holds it. The lock goes with the process."""
    handle = _take_lock(folder)
    try:
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield
        (folder / ".lock").unlink(missing_ok=True)
    finally:
        handle.close()


def _take_lock(folder: Path) -> Any:
    """The open, locked `.lock` of a folder."""
    path = folder / ".lock"
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
            raise OutputError(
                f"another run (process {holder}) is writing to {folder}: wait for it, or choose another --out"
            ) from None
        # The run before may have removed the file between its opening and its locking: a lock on it shuts nobody out.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), os.stat(path)):
                return handle
        handle.close()


def remove_leftovers(folder: Path) -> None:
    """Removes temporary files that a killed run left in a folder."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)
