"""Store every answer on disk under the hash of its request."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson
import xxhash

from core.database import Database
from core.remote.answer import Answer

FILE: Final = "answers.sqlite"
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB NOT NULL, sum TEXT NOT NULL)"


class ResponseCache:
    """The answers in a folder. Several processes may share it; each entry is written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / FILE, _SCHEMA)

    def get(self, key: str) -> Answer | None:
        """Return the answer, or None if there is no entry or the entry fails its checksum."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT answer, sum FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None or xxhash.xxh3_64_hexdigest(row[0]) != row[1]:
            return None
        try:
            return Answer.from_bytes(row[0])
        except (orjson.JSONDecodeError, TypeError):  # written by another version
            return None

    def put(self, key: str, answer: Answer) -> None:
        """Store an answer; once this returns, the answer survives the end of the process."""
        data = answer.to_bytes()
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, data, xxhash.xxh3_64_hexdigest(data))
            )

    def close(self) -> None:
        self._database.close()
