"""JSON lines, read in slices."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from collection.reject import Reason, Reject
from pipelines.readers.row import MAX_ROW, Row, Slice, reject_at
from pipelines.streams import LongLine, line_blocks, open_bytes, skip_line


def read_lines(part: Slice) -> Iterator[list[Row | Reject]]:
    """The rows of the lines that begin in the slice."""
    file, stream = open_bytes(Path(part.path))
    utf8 = part.encoding == "utf-8"
    with file:
        if part.encoding.startswith(("utf-16", "utf-32")):
            # Line ends are no single bytes there.
            file = io.BufferedReader(_Recoded(file, part.encoding))
            utf8 = True
        left = part.end - _to_first_line(file, part) if part.end else None
        number = 1
        rows: list[Row | Reject] = []
        for lines in line_blocks(file, left, MAX_ROW):
            yield rows
            rows = _line_rows(part, lines, number, utf8)
            number += len(lines)
        if stream.fault:
            # The file was cut: in the middle of its last line, if that is no JSON.
            half = (
                rows.pop().raw
                if rows and isinstance(rows[-1], Reject) and rows[-1].reason == Reason.INVALID_JSON
                else ""
            )
            rows.append(
                reject_at(part, Reason.TRUNCATED_FILE, number - bool(half), f"{part.name}: {stream.fault}", half)
            )
        yield rows


def _line_rows(part: Slice, lines: Sequence[bytes | LongLine], number: int, utf8: bool) -> list[Row | Reject]:
    """The rows of some lines, the first of which has the number."""
    try:
        if utf8:
            rows: list[Row | Reject] = []
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
            rows.append(
                reject_at(
                    part, Reason.TOO_LONG, index, f"a line of {line.size} bytes, over the limit of {MAX_ROW}", line.head
                )
            )
        elif line.strip():  # an empty line is no row
            rows.append(_row(part, index, line))
    return rows


class _Recoded(io.RawIOBase):
    """The bytes of a text in another encoding, as UTF-8. What cannot be decoded becomes bytes that are not UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._ready:
            self._ready = self._text.read(1 << 18).replace("\ufffd", "\udcff").encode("utf-8", "surrogateescape")
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count


def _to_first_line(file: io.BufferedReader, part: Slice) -> int:
    """Moves to the first line that begins in the slice; its position."""
    if part.start == 0:
        mark = file.peek(3)[:3]
        return len(file.read(3)) if mark == b"\xef\xbb\xbf" else 0
    # The line that begins at `start` follows a line end at `start - 1`.
    file.seek(part.start - 1)
    return part.start - 1 + skip_line(file)


def _row(part: Slice, number: int, line: bytes) -> Row | Reject:
    """A row, or what is wrong with it, from a line that the fast parser did not take."""
    data, fault, detail = parse(line, part.encoding)
    if fault is None and isinstance(data, dict):
        return Row(data, line, number)
    if fault is None:
        fault, detail = Reason.NOT_A_ROW, f"JSON of type {json_type(data)}, expected an object"
    return reject_at(part, fault, number, detail, line)


def parse(text: bytes, encoding: str) -> tuple[Any, Reason | None, str]:
    """As Python's own parser has it, which also takes lone surrogates, NaN and very large numbers."""
    try:
        return json.loads(text.decode("utf-8-sig" if encoding == "utf-8" else encoding)), None, ""
    except UnicodeDecodeError as error:
        return None, Reason.INVALID_ENCODING, f"not {encoding}: {error.reason} at byte {error.start}"
    except LookupError:
        return None, Reason.INVALID_ENCODING, f"no encoding is called {encoding!r}"
    except RecursionError:
        return None, Reason.INVALID_JSON, "nested too deep"
    except ValueError as error:
        return None, Reason.INVALID_JSON, str(error)


def json_type(value: Any) -> str:
    """What JSON calls the type of a value."""
    names = {str: "string", list: "array", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
