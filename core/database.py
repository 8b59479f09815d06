"""Share a small SQLite file between processes. A kill at any moment leaves it consistent."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.errors import OutputError

_PATIENCE: Final = 60.0  # seconds to wait for locks of other processes
_PAUSE: Final = 0.02  # seconds between two tries where SQLite itself does not wait


class Database:
    """One connection, shared by the threads of a process, which take turns.

    Written ahead (WAL): what was committed outlives the process, and a half-written end is no part of the file.
    What goes wrong is an OutputError that names the file and ends with `remedy`.
    """

    def __init__(
        self, path: Path, schema: str, remedy: str = "it needs a local disk with room; move it away if it is damaged"
    ) -> None:
        self._path, self._remedy, self._turn = path, remedy, threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._explained():
            self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                self._write_ahead()
                self._connection.execute("PRAGMA synchronous=NORMAL")
                self._connection.executescript(schema)
            except sqlite3.Error:
                self._connection.close()
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Return the connection, for a single query."""
        with self._turn, self._explained():
            yield self._connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open a transaction that excludes other processes, and roll it back if the block raises an error."""
        with self._turn, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has rolled it back already
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._turn:
            self._connection.close()

    def _write_ahead(self) -> None:
        # SQLite waits for most locks, but not for this one: if two processes open a new file together, one fails
        # immediately.
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(_PAUSE)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputError(f"{self._path} cannot be used ({error}): {self._remedy}") from error
