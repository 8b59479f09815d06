"""JSON lines, read in slices."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from core.paths import as_path
from core.tables.encoding import UTF_8, open_utf8
from core.tables.row import MAX_ROW, BadRow, Row, RowFault, Slice, bad_row
from core.tables.streams import LongLine, line_blocks, skip_line


def read_lines(part: Slice) -> Iterator[list[Row | BadRow]]:
    """The rows of the lines that begin in the slice."""
    file, stream = open_utf8(as_path(part.path), part.encoding)
    with file:
        begin = _to_first_line(file, part)
        number = 1
        rows: list[Row | BadRow] = []
        for lines in line_blocks(file, part.end - begin if part.end else None, MAX_ROW):
            yield rows
            rows = _line_rows(part, lines, number)
            number += len(lines)
        if stream.fault:
            # The last block is the line that has no end. If it is no row, it was cut in two.
            half = rows.pop() if rows and isinstance(rows[-1], BadRow) else None
            what, raw = f"{part.name}: {stream.fault}", half.raw if isinstance(half, BadRow) else ""
            rows.append(bad_row(part, RowFault.TRUNCATED_FILE, number - bool(half), what, raw))
        yield rows


def _line_rows(part: Slice, lines: Sequence[bytes | LongLine], number: int) -> list[Row | BadRow]:
    """The rows of some lines, the first of which has the number."""
    try:
        rows: list[Row | BadRow] = []
        for index, data in enumerate(map(orjson.loads, lines)):  # type: ignore[arg-type]
            if type(data) is not dict:
                raise ValueError
            rows.append(Row(data, lines[index], number + index))  # type: ignore[arg-type]
        return rows
    except (ValueError, TypeError):
        pass  # one of them is no plain row: look at each
    rows = []
    for index, line in enumerate(lines, number):
        if isinstance(line, LongLine):
            detail = f"a line of {line.size} bytes, over the limit of {MAX_ROW}"
            rows.append(bad_row(part, RowFault.TOO_LONG, index, detail, line.head))
        elif line.strip():  # an empty line is no row
            rows.append(_row(part, index, line))
    return rows


def _to_first_line(file: io.BufferedReader, part: Slice) -> int:
    """Moves to the first line that begins in the slice; its position."""
    if part.start == 0:
        mark = file.peek(3)[:3]
        return len(file.read(3)) if mark == b"\xef\xbb\xbf" else 0
    # The line that begins at `start` follows a line end at `start - 1`.
    file.seek(part.start - 1)
    return part.start - 1 + skip_line(file)


def _row(part: Slice, number: int, line: bytes) -> Row | BadRow:
    """A row, or what is wrong with it, from a line that the fast parser did not take."""
    data, fault, detail = parse(line)
    if fault is None and isinstance(data, dict):
        return Row(data, line, number)
    if fault is RowFault.INVALID_ENCODING and part.encoding != UTF_8:
        detail = f"bytes that are not {part.encoding}"
    if fault is None:
        fault, detail = RowFault.NOT_A_ROW, f"JSON of type {json_type(data)}, expected an object"
    return bad_row(part, fault, number, detail, line)


def parse(text: bytes) -> tuple[Any, RowFault | None, str]:
    """The value of a piece of UTF-8, as Python's own parser has it, which also takes lone surrogates and NaN."""
    try:
        return json.loads(text.decode("utf-8-sig")), None, ""
    except UnicodeDecodeError as error:
        return None, RowFault.INVALID_ENCODING, f"not utf-8: {error.reason} at byte {error.start}"
    except RecursionError:
        return None, RowFault.INVALID_JSON, "nested too deep"
    except ValueError as error:
        return None, RowFault.INVALID_JSON, str(error)


def json_type(value: Any) -> str:
    """What JSON calls the type of a value."""
    names = {str: "string", list: "array", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
