"""Read the rows of a file in any known format: each is a mapping, or a bad row that says what is wrong with it.

Rows come in small batches. A reader never raises an error for the content of a file, and never ends early without a bad
row that says so.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from core.paths import as_path, is_remote
from core.tables.csv import table_reader
from core.tables.json import read_document
from core.tables.lines import read_lines
from core.tables.parquet import read_parquet
from core.tables.row import (
    MAX_ROW,
    BadRow,
    Reader,
    Row,
    RowFault,
    Slice,
    bad_row,
    batched,
    first_line,
    location,
    raw_text,
)
from core.tables.streams import COMPRESSIONS

__all__ = ["MAX_ROW", "BadRow", "Row", "RowFault", "Slice", "format_of", "location", "raw_text", "read", "regular_size"]


def read(part: Slice) -> Iterator[list[Row | BadRow]]:
    """The rows of a slice, in their order, in batches of about a thousand rows or a megabyte."""
    try:
        yield from READERS[part.format](part)
    except OSError as error:
        yield [bad_row(part, RowFault.UNREADABLE_FILE, 0, f"{part.name}: {error.strerror or error}")]


def format_of(path: Path) -> str | None:
    """The format that a file's name speaks of; None for none that can be read. `.json` needs a look inside."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return _FORMATS.get(suffixes[-1]) if suffixes else None


def _hub(part: Slice) -> Iterator[Row | BadRow]:
    from core.tables.hub import rows

    number = 0
    try:
        for data in rows(part.path, part.start, part.end):
            number += 1
            yield (
                Row(data, None, number)
                if isinstance(data, Mapping)
                else bad_row(part, RowFault.NOT_A_ROW, number, str(type(data)))
            )
    except Exception as error:
        # datasets passes on whatever its readers and its network raise.
        yield bad_row(
            part, RowFault.UNREADABLE_FILE, number + 1, f"{part.name}: {type(error).__name__}: {first_line(error)}"
        )


def regular_size(path: Path) -> int:
    """The size of a file; OSError for what is none, such as a device or a pipe, at which a reader would wait."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        if stat.S_ISDIR(found.st_mode) and not is_remote(path):
            os.listdir(path)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return found.st_size


def _unreadable(part: Slice) -> Iterator[Row | BadRow]:
    """What could not be looked at when the run was planned."""
    path = as_path(part.path)
    regular_size(path)
    path.open("rb").close()
    yield bad_row(part, RowFault.UNREADABLE_FILE, 0, f"{part.name}: could not be read at first, and now can: run again")


READERS: Final[dict[str, Reader]] = {
    "jsonl": read_lines,
    "json": read_document,
    "parquet": read_parquet,
    "csv": batched(table_reader(",")),
    "tsv": batched(table_reader("\t")),
    "hub": batched(_hub),
    "unreadable": batched(_unreadable),
}

_FORMATS: Final = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
}
