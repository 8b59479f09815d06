"""A small SQLite file that several processes write at once and that a kill at any moment leaves whole."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from glotmill.errors import OutputError


class Database:
    """One connection, shared by the threads of a process, which take turns.

    Written ahead (WAL): what was committed outlives the process, and a half-written end is no part of the file.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._path, self._turn = path, threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._explained():
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=NORMAL")
                self._connection.executescript(schema)
            except sqlite3.Error:
                self._connection.close()
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for a single query."""
        with self._turn, self._explained():
            yield self._connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection in a transaction that no other process is in; undone where the block ends in an error."""
        with self._turn, self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        with self._turn:
            self._connection.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputError(
                f"{self._path} cannot be used ({error}): it needs a local disk with room; move it away if it is damaged"
            ) from error
