"""Read JSON lines, whole files or slices."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from core.paths import as_path
from core.tables.encoding import UTF_8, open_utf8
from core.tables.reader import MAX_ROW, Batch, TableReader, cut_evenly
from core.tables.row import BadRow, Row, RowFault, Slice, bad_row, truncated
from core.tables.streams import LongLine, is_compressed, line_blocks, skip_line


class JsonLinesReader(TableReader):
    """Reads an object a line. A slice holds the lines that begin in it."""

    suffixes = (".jsonl", ".ndjson")

    def batches(self, part: Slice) -> Iterator[Batch]:
        file, stream = open_utf8(as_path(part.path), part.encoding)
        with file:
            begin = _to_first_line(file, part)
            number = 1
            rows: Batch = []
            for lines in line_blocks(file, part.end - begin if part.end else None, MAX_ROW):
                yield rows
                rows = _line_rows(part, lines, number)
                number += len(lines)
            if stream.fault:
                # The last block is the line that has no end. If it is a bad row, it was cut in two.
                half = rows.pop() if rows and isinstance(rows[-1], BadRow) else None
                raw = half.raw if isinstance(half, BadRow) else ""
                rows.append(truncated(part, number - bool(half), stream.fault, raw))
            yield rows

    def spans(self, path: Path, encoding: str, size: int, count: int) -> list[tuple[int, int]]:
        """Return byte ranges of plain UTF-8; other text can only be read from its start."""
        can_cut = not is_compressed(path) and encoding == UTF_8 and count > 1
        return cut_evenly(size, count) if can_cut else [(0, 0)]


def _line_rows(part: Slice, lines: Sequence[bytes | LongLine], number: int) -> Batch:
    """Return the rows of some lines, the first of which has the number."""
    try:
        rows: Batch = []
        for index, data in enumerate(map(orjson.loads, lines)):  # type: ignore[arg-type]
            if type(data) is not dict:
                raise ValueError
            rows.append(Row(data, lines[index], number + index))  # type: ignore[arg-type]
        return rows
    except (ValueError, TypeError):
        pass  # one of them is not a plain row: look at each
    rows = []
    for index, line in enumerate(lines, number):
        if isinstance(line, LongLine):
            rows.append(bad_row(part, RowFault.TOO_LONG, index, line.describe(MAX_ROW), line.head))
        elif line.strip():  # an empty line is not a row
            rows.append(_row(part, index, line))
    return rows


def _to_first_line(file: io.BufferedReader, part: Slice) -> int:
    """Move to the first line that begins in the slice, and return its position."""
    if part.start == 0:
        mark = file.peek(3)[:3]
        return len(file.read(3)) if mark == b"\xef\xbb\xbf" else 0
    # The line that begins at `start` follows a line end at `start - 1`.
    file.seek(part.start - 1)
    return part.start - 1 + skip_line(file)


def _row(part: Slice, number: int, line: bytes) -> Row | BadRow:
    """Return a row, or what is wrong with it, for a line that the fast parser refused."""
    data, fault, detail = parse(line)
    if fault is None and isinstance(data, dict):
        return Row(data, line, number)
    if fault is RowFault.INVALID_ENCODING and part.encoding != UTF_8:
        detail = f"bytes that are not {part.encoding}"
    if fault is None:
        fault, detail = RowFault.NOT_A_ROW, f"JSON of type {json_type(data)}, expected an object"
    return bad_row(part, fault, number, detail, line)


def parse(text: bytes) -> tuple[Any, RowFault | None, str]:
    """Return the value of some UTF-8 text, its fault if it has one, and the details of the fault.

    Python's own parser also accepts lone surrogates and NaN.
    """
    try:
        return json.loads(text.decode("utf-8-sig")), None, ""
    except UnicodeDecodeError as error:
        return None, RowFault.INVALID_ENCODING, f"not utf-8: {error.reason} at byte {error.start}"
    except RecursionError:
        return None, RowFault.INVALID_JSON, "nested too deep"
    except ValueError as error:
        return None, RowFault.INVALID_JSON, str(error)


def json_type(value: Any) -> str:
    """Return the name that JSON has for the type of a value."""
    names = {str: "string", list: "array", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
