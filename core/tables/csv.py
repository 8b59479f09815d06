"""Read CSV and TSV."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TextIO

from core.paths import as_path
from core.tables.encoding import open_utf8
from core.tables.reader import MAX_ROW, Batch, TableReader, batched
from core.tables.row import BadRow, Row, RowFault, Slice, bad_row, has_undecodable, truncated


class _Record(NamedTuple):
    """The fields of a record, or its fault, and its text. `ended` says whether the text has its line end."""

    fields: list[str]
    fault: str
    text: str
    ended: bool


@dataclass(frozen=True)
class DelimitedReader(TableReader):
    """Reads tables whose fields are separated by a character.

    `columns` are those of a table without a header line. With `quoted`, a field may stand in quotation marks.
    """

    delimiter: str
    suffixes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    quoted: bool = True

    def with_layout(self, columns: Sequence[str], quoted: bool) -> DelimitedReader:
        return DelimitedReader(self.delimiter, columns=tuple(columns), quoted=quoted)

    def batches(self, part: Slice) -> Iterator[Batch]:
        return batched(self._rows(part))

    def _rows(self, part: Slice) -> Iterator[Row | BadRow]:
        csv.field_size_limit(min(sys.maxsize, MAX_ROW))
        file, stream = open_utf8(as_path(part.path), part.encoding)
        with io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="") as text:
            records = self._records(text)
            record = header = None if self.columns else next(records, None)
            row: Row | BadRow | None = _broken(part, 0, header) if header else None
            names = list(self.columns) or (None if row or not header else header.fields)
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
                row = truncated(part, number + (not half), stream.fault, rest)
            if row:
                yield row

    def _records(self, text: TextIO) -> Iterator[_Record]:
        """Yield every record that is not a blank line."""
        lines = _Lines(text)
        quoting: Any = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        reader = csv.reader(lines, delimiter=self.delimiter, quoting=quoting, strict=True)
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
    """The lines of a text, which keeps those it gave. A line over the limit is an error, and is not kept."""

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
    """Return the bad row for a record whose text is damaged; None for a sound one."""
    if record.fault:
        return bad_row(part, RowFault.NOT_A_ROW, number, record.fault, record.text)
    if has_undecodable(record.text):
        return bad_row(part, RowFault.INVALID_ENCODING, number, f"bytes that are not {part.encoding}", record.text)
    return None
