"""Store the answers of models, so that a stopped run can resume and pays for no answer twice.

A key holds all that an answer depends on: the model's bytes, its tokenizer, the prompt, the decoding settings, the
version of glotmill. A model never gets the answers of another model or of another version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

from core.database import Database
from core.version import VERSION

_PIECE: Final = 500  # variables in one query, below the limit of SQLite
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
_SUM: Final = 8  # bytes of the checksum before an answer


class AnswerCache:
    """A file of answers under the hash of each input."""

    def __init__(self, path: Path) -> None:
        # A kill loses no written answer; a power cut may lose the last ones.
        self._database = Database(path, _SCHEMA, "remove it, or name another with --cache")
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
        """Return the answer to each input in `asked`, in a `context` (the model and its settings).

        `answer` gets each new input once, at most `together` in a call; the answers of each call are stored first.
        """
        prefix = orjson.dumps([VERSION, *context])
        keys = [hashlib.blake2b(prefix + orjson.dumps(one), digest_size=16).digest() for one in asked]
        known = self._find(keys)
        new: dict[bytes, Any] = {key: one for key, one in zip(keys, asked, strict=True) if key not in known}
        self.hits += len(keys) - len(new)
        self.misses += len(new)
        items = list(new.items())
        for start in range(0, len(items), together):
            piece = items[start : start + together]
            values = answer([one for _, one in piece])
            made = {key: value for (key, _), value in zip(piece, values, strict=True)}
            rows = [(key, _sum(key, value) + value) for key, value in made.items()]
            with self._database.writing() as connection:
                connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
            known |= made
        return [known[key] for key in keys]

    def _find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the stored answers. Entries that fail their checksum count as missing."""
        found: dict[bytes, bytes] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), _PIECE):
            piece = wanted[start : start + _PIECE]
            marks = ",".join("?" * len(piece))
            with self._database.reading() as connection:
                rows = connection.execute(f"SELECT key, value FROM answers WHERE key IN ({marks})", piece).fetchall()
            for key, kept in rows:
                if isinstance(kept, bytes) and kept[:_SUM] == _sum(key, value := kept[_SUM:]):
                    found[key] = value
        return found


def _sum(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(value, key=key, digest_size=_SUM).digest()
