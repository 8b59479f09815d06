"""What a model has answered already, so that a run that was stopped goes on, and nothing is paid for twice.

A key holds all that an answer depends on: the model's bytes, its tokenizer, the prompt, how it was decoded. So one
model never gets another's answers.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

from glotmill.errors import OutputError

_PIECE: Final = 500  # SQLite takes so many variables, and more


class Cache:
    """A file of answers by the hash of what was asked."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = sqlite3.connect(path, timeout=60)
            # An answer is in the file once it is written: a kill loses nothing, a power cut the last ones.
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            raise OutputError(
                f"the cache {path} cannot be used: {error}; remove it, or name another with --cache"
            ) from None
        self.hits = self.misses = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def all(
        self,
        context: Sequence[str],
        asked: Sequence[Any],
        answer: Callable[[list[Any]], list[bytes]],
        together: int,
    ) -> list[bytes]:
        """An answer to each of what is `asked` in a `context` (the model, how it is run).

        `answer` is given what is new, each once, at most `together` at a time; every lot is kept at once.
        """
        prefix = orjson.dumps(list(context))
        keys = [hashlib.blake2b(prefix + orjson.dumps(one), digest_size=16).digest() for one in asked]
        known = self._find(keys)
        new: dict[bytes, Any] = {key: one for key, one in zip(keys, asked, strict=True) if key not in known}
        self.hits += len(keys) - len(new)
        self.misses += len(new)
        items = list(new.items())
        for start in range(0, len(items), together):
            piece = items[start : start + together]
            values = answer([one for _, one in piece])
            rows = [(key, value) for (key, _), value in zip(piece, values, strict=True)]
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
            known.update(rows)
        return [known[key] for key in keys]

    def _find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _PIECE):
            piece = wanted[start : start + _PIECE]
            marks = ",".join("?" * len(piece))
            found.update(self._database.execute(f"SELECT key, value FROM answers WHERE key IN ({marks})", piece))
        return found
