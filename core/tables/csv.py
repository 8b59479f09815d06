"""CSV and TSV with a line of column names."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple, TextIO

from core.paths import as_path
from core.tables.encoding import open_utf8
from core.tables.row import MAX_ROW, BadRow, Row, RowFault, Slice, bad_row, has_undecodable


class _Record(NamedTuple):
    """The fields of a record, or its fault, and the text that it stands in. `ended` tells of its line end."""

    fields: list[str]
    fault: str
    text: str
    ended: bool


def table_reader(delimiter: str) -> Callable[[Slice], Iterator[Row | BadRow]]:
    """A reader of tables whose fields are set apart by the delimiter."""

    def read_table(part: Slice) -> Iterator[Row | BadRow]:
        csv.field_size_limit(min(sys.maxsize, MAX_ROW))
        file, stream = open_utf8(as_path(part.path), part.encoding)
        with io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="") as text:
            records = _records(text, delimiter)
            record = header = next(records, None)
            row: Row | BadRow | None = _broken(part, 0, header) if header else None
            names = None if row or not header else header.fields
            number = 0
            for number, record in enumerate(records, 1):
                if row:
                    yield row
                row = _row(part, number, record, names)
            if stream.fault:
                # A last record without its line end may be whole, but nobody can know.
                half = record is not None and not record.ended
                if row and not half:
                    yield row
                rest = record.text if record and half else ""
                row = bad_row(part, RowFault.TRUNCATED_FILE, number + (not half), f"{part.name}: {stream.fault}", rest)
            if row:
                yield row

    return read_table


def _records(text: TextIO, delimiter: str) -> Iterator[_Record]:
    """Every record but blank lines."""
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.taken.clear()
        try:
            fields, fault = next(reader), ""
        except StopIteration:
            return
        except csv.Error as error:
            fields, fault = [], f"{error} (line {lines.number})"
        if fields or fault:
            taken = "".join(lines.taken)
            yield _Record(fields, fault, taken, taken.endswith("\n") and not lines.at_end)


class _Lines:
    """The lines of a text; remembers those taken. A line over the limit is an error of its record, and is not held."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.taken: list[str] = []
        self.number = 0
        self.at_end = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_ROW)
        if not line:
            self.at_end = True
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        if len(line) == MAX_ROW and not line.endswith("\n"):
            while (rest := self._text.readline(MAX_ROW)) and not rest.endswith("\n"):
                pass
            raise csv.Error(f"a line over the limit of {MAX_ROW} characters")
        return line


def _row(part: Slice, number: int, record: _Record, names: list[str] | None) -> Row | BadRow:
    if names is None:
        return bad_row(part, RowFault.NOT_A_ROW, number, "its line of column names cannot be read", record.text)
    if broken := _broken(part, number, record):
        return broken
    if len(record.fields) != len(names):
        detail = f"{len(record.fields)} fields, expected {len(names)}"
        return bad_row(part, RowFault.NOT_A_ROW, number, detail, record.text)
    return Row(dict(zip(names, record.fields, strict=True)), record.text, number)


def _broken(part: Slice, number: int, record: _Record) -> BadRow | None:
    """What is wrong with the text of a record, if anything is."""
    if record.fault:
        return bad_row(part, RowFault.NOT_A_ROW, number, record.fault, record.text)
    if has_undecodable(record.text):
        return bad_row(part, RowFault.INVALID_ENCODING, number, f"bytes that are not {part.encoding}", record.text)
    return None
