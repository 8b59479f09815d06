"""Define what readers take and give: a slice of a file, its rows, and rows that could not be read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of one file: bytes `start` to `end` of JSON lines, row groups of Parquet, otherwise the whole file.

    `name` is the path below the root of the source, as the user knows it. Locations begin with it, and some sources
    take the language from it. `format` is a name of `core.tables.FORMATS`. An `end` of 0 means the end of the file.
    """

    path: str
    name: str
    format: str
    start: int = 0
    end: int = 0
    encoding: str = "utf-8"


class Row(NamedTuple):
    """One row. `raw` is its text if the format has one; `number` is its line, or its position counted from 1."""

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


def location(part: Slice, number: int) -> str:
    """Return where a row is: `file:row`, or `file@byte:row` in a slice that begins in the middle of its file."""
    return f"{part.name}@{part.start}:{number}" if part.start else f"{part.name}:{number}"


def raw_text(row: Row) -> str:
    """Return the row as text, for the log of rejects."""
    if isinstance(row.raw, bytes):
        return row.raw.decode("utf-8", "backslashreplace")
    if row.raw is not None:
        return row.raw
    try:
        return json.dumps(row.data, ensure_ascii=False, default=str)
    except (RecursionError, TypeError):  # nested too deeply, or keys that are not text
        return ", ".join(map(str, row.data))


def bad_row(part: Slice, fault: RowFault, number: int, detail: str, raw: bytes | str | None = "") -> BadRow:
    """Return the bad row with this number in a slice, with the text that could not be used."""
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    return BadRow(fault, detail, location(part, number), text or "")


def truncated(part: Slice, number: int, fault: str, raw: bytes | str | None = "") -> BadRow:
    """Return the bad row for the end of a file that ends too early. `fault` is what the decoder says."""
    return bad_row(part, RowFault.TRUNCATED_FILE, number, f"{part.name}: {fault}", raw)


def has_undecodable(text: str) -> bool:
    """Return whether the text holds bytes that could not be decoded, as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def first_line(error: Exception) -> str:
    """Return the first line of an error's message: some libraries write many."""
    return str(error).strip().split("\n")[0][:300]
