"""Every answer that was paid for, on disk, by the content of its question."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson
import xxhash

from core.database import Database
from core.remote.answer import Answer

FILE: Final = "answers.sqlite"
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB NOT NULL, sum TEXT NOT NULL)"


class Cache:
    """The answers in a folder. Several processes may use it at once; an entry is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / FILE, _SCHEMA)

    def get(self, key: str) -> Answer | None:
        """The answer, None where there is none, or one whose bytes are not what was written."""
        with self._database.reading() as connection:
            found = connection.execute("SELECT answer, sum FROM answers WHERE key = ?", (key,)).fetchone()
        if found is None or xxhash.xxh3_64_hexdigest(found[0]) != found[1]:
            return None
        try:
            return Answer.from_bytes(found[0])
        except (orjson.JSONDecodeError, TypeError):  # written by another version
            return None

    def put(self, key: str, answer: Answer) -> None:
        """Keeps an answer: once this returns it survives the end of the process."""
        data = answer.to_bytes()
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, data, xxhash.xxh3_64_hexdigest(data))
            )

    def close(self) -> None:
        self._database.close()
