"""Define what readers take and give: a slice of a file, its rows in batches, and rows that could not be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

# A row larger than this, in bytes or characters, is not one.
MAX_ROW: Final = 1 << 26
BATCH_ROWS: Final = 1_000
BATCH_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of one file: bytes from `start` to `end` of JSON lines, row groups of Parquet, the whole of all else.

    `name` is the path as the user knows it, below the source's root: it stands in locations and tells some sources the
    language. `end` of 0 means up to the end.
    """

    path: str
    name: str
    format: str
    start: int = 0
    end: int = 0
    encoding: str = "utf-8"


class Row(NamedTuple):
    """One row as it stood in the file. `raw` is its text where it had one; `number` is its line, or counts from 1."""

    data: dict[str, Any]
    raw: bytes | str | None
    number: int


class RowFault(StrEnum):
    """Why a row could not be read. The values are those of `collection.reject.Reason`."""

    UNREADABLE_FILE = "unreadable_file"
    TRUNCATED_FILE = "truncated_file"
    INVALID_ENCODING = "invalid_encoding"
    INVALID_JSON = "invalid_json"
    NOT_A_ROW = "not_a_row"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row, or the rest of a file, that could not be read. `raw` is its text as far as it is known."""

    fault: RowFault
    detail: str
    location: str
    raw: str = ""


Reader = Callable[[Slice], Iterator[list[Row | BadRow]]]


def batched(rows: Callable[[Slice], Iterator[Row | BadRow]]) -> Reader:
    """A reader that gives batches, from one that gives rows."""

    def read_batches(part: Slice) -> Iterator[list[Row | BadRow]]:
        batch: list[Row | BadRow] = []
        size = 0
        for row in rows(part):
            batch.append(row)
            size += len(row.raw) if row.raw else 500
            if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    return read_batches


def location(part: Slice, number: int) -> str:
    """Where a row stands: `file:row`, or `file@byte:row` in a slice that begins in the middle of its file."""
    return f"{part.name}@{part.start}:{number}" if part.start else f"{part.name}:{number}"


def raw_text(row: Row) -> str:
    """Return the row as text, for the log of rejects."""
    if isinstance(row.raw, bytes):
        return row.raw.decode("utf-8", "backslashreplace")
    if row.raw is not None:
        return row.raw
    try:
        return json.dumps(row.data, ensure_ascii=False, default=str)
    except (RecursionError, TypeError):  # nested too deeply, or keys that are no text
        return ", ".join(map(str, row.data))


def bad_row(part: Slice, fault: RowFault, number: int, detail: str, raw: bytes | str | None = "") -> BadRow:
    """Return the bad row with this number in a slice, with the text that could not be used."""
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    return BadRow(fault, detail, location(part, number), text or "")


def has_undecodable(text: str) -> bool:
    """Whether bytes that could not be decoded stand in the text, as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def first_line(error: Exception) -> str:
    """The first line of an error's words: libraries tell long stories."""
    return str(error).strip().split("\n")[0][:300]
