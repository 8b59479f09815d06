"""Rows of a file, whatever its format: each is either a mapping or a reject that says what was wrong with it.

A reader never raises for what stands in a file, and never ends early without a reject that says so. JSON lines may be
read from the middle of a file: a slice owns the lines that begin in it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from collection.reject import Reason, Reject
from pipelines import json_array
from pipelines.streams import COMPRESSIONS, open_bytes

# A row larger than this, in bytes or characters, is not one.
MAX_ROW: Final = 1 << 26


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
    """One row as it stood in the file. `raw` is its text where it had one; `number` counts from 1 in its slice."""

    data: dict[str, Any]
    raw: bytes | str | None
    number: int


def read(part: Slice) -> Iterator[Row | Reject]:
    """The rows of a slice, in their order."""
    try:
        yield from READERS[part.format](part)
    except OSError as error:
        yield _reject(part, Reason.UNREADABLE_FILE, 0, f"{part.name}: {error.strerror or error}")


def format_of(path: Path) -> str | None:
    """The format that a file's name speaks of; None for none that can be read. `.json` needs a look inside."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return _FORMATS.get(suffixes[-1]) if suffixes else None


def location(part: Slice, number: int) -> str:
    """Where a row stands: `file:row`, or `file@byte:row` in a slice that begins in the middle of its file."""
    return f"{part.name}@{part.start}:{number}" if part.start else f"{part.name}:{number}"


def raw_text(row: Row) -> str:
    """The row as text, for a reject."""
    if isinstance(row.raw, bytes):
        return row.raw.decode("utf-8", "backslashreplace")
    if row.raw is not None:
        return row.raw
    return json.dumps(row.data, ensure_ascii=False, default=str)


def _json(part: Slice) -> Iterator[Row | Reject]:
    """A `.json` file: an array if it begins with a bracket, JSON lines if not; one object on many lines is one row."""
    with open_bytes(Path(part.path))[0] as file:
        head = file.read(4096)
    try:
        first = head.decode(part.encoding, "ignore").lstrip("\ufeff \t\r\n")[:1]
    except LookupError:
        first = ""
    if first == "[":
        yield from _json_array(part)
        return
    with open_bytes(Path(part.path))[0] as file:
        line = file.readline(MAX_ROW)
        more = file.read(1)
    if more and first == "{" and _parse(line.strip(), part.encoding)[1] is not None:
        with open_bytes(Path(part.path))[0] as file:
            whole = file.read(MAX_ROW)
        data, fault, _ = _parse(whole, part.encoding)
        if fault is None and isinstance(data, dict):
            yield Row(data, whole, 1)
            return
    yield from _json_lines(part)


def _json_lines(part: Slice) -> Iterator[Row | Reject]:
    file, stream = open_bytes(Path(part.path))
    utf8 = part.encoding == "utf-8"
    with file:
        if part.encoding.startswith(("utf-16", "utf-32")):
            # Line ends are no single bytes there.
            file = io.BufferedReader(_Recoded(file, part.encoding))
            utf8 = True
        position = _to_first_line(file, part)
        number = 0
        while not part.end or position < part.end:
            line = file.readline(MAX_ROW)
            if not line:
                break
            position += len(line)
            number += 1
            if len(line) >= MAX_ROW and not line.endswith(b"\n"):
                position += (left := _skip_line(file))
                size = len(line) + left
                yield _reject(part, Reason.TOO_LONG, number, f"a line of {size} bytes, over the limit of {MAX_ROW}", line)
                continue
            if stream.fault and not line.endswith(b"\n"):
                yield _reject(part, Reason.TRUNCATED_FILE, number, f"{part.name}: {stream.fault}", line)
                return
            try:
                data = orjson.loads(line) if utf8 else None
            except ValueError:
                data = None
            if type(data) is dict:
                yield Row(data, line, number)
                continue
            if not line.strip():
                number -= 1  # an empty line is no row
                continue
            yield _row(part, number, line)
        if stream.fault:
            yield _reject(part, Reason.TRUNCATED_FILE, number + 1, f"{part.name}: {stream.fault}")


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
    with open(part.path, "rb") as raw:
        raw.seek(part.start - 1)
        position = part.start - 1 + _skip_line(raw)
    _discard(file, position)
    return position


def _skip_line(file: BinaryIO) -> int:
    """Reads to the end of the line; how many bytes that took."""
    skipped = 0
    while piece := file.readline(1 << 20):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped


def _discard(file: BinaryIO, count: int) -> None:
    while count and (piece := file.read(min(count, 1 << 20))):
        count -= len(piece)


def _row(part: Slice, number: int, line: bytes) -> Row | Reject:
    """A row, or what is wrong with it, from a line that the fast parser did not take."""
    data, fault, detail = _parse(line, part.encoding)
    if fault is None and isinstance(data, dict):
        return Row(data, line, number)
    if fault is None:
        fault, detail = Reason.NOT_A_ROW, f"JSON of type {_json_type(data)}, expected an object"
    return _reject(part, fault, number, detail, line)


def _parse(text: bytes, encoding: str) -> tuple[Any, Reason | None, str]:
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


def _json_array(part: Slice) -> Iterator[Row | Reject]:
    file, stream = open_bytes(Path(part.path))
    # Undecodable bytes come through as lone surrogates, so that they spoil their own row and no other.
    with io.TextIOWrapper(file, "utf-8-sig" if part.encoding == "utf-8" else part.encoding, errors="surrogateescape", newline="") as text:
        for number, element in enumerate(json_array.elements(text, MAX_ROW), 1):
            yield _array_row(part, number, element, stream.fault)


def _array_row(part: Slice, number: int, element: json_array.Element, fault: str) -> Row | Reject:
    if element.cut:
        return _reject(part, Reason.TRUNCATED_FILE, number, f"{part.name}: {fault or element.fault}", element.text)
    if element.fault:
        reason = Reason.TOO_LONG if len(element.text) >= MAX_ROW else Reason.INVALID_JSON
        return _reject(part, reason, number, element.fault, element.text)
    if _has_undecodable(element.text):
        return _reject(part, Reason.INVALID_ENCODING, number, f"bytes that are not {part.encoding}", element.text)
    if not isinstance(element.value, dict):
        detail = f"JSON of type {_json_type(element.value)}, expected an object"
        return _reject(part, Reason.NOT_A_ROW, number, detail, element.text)
    return Row(element.value, element.text, number)


def _parquet(part: Slice) -> Iterator[Row | Reject]:
    try:
        file = pq.ParquetFile(part.path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        yield _reject(part, Reason.TRUNCATED_FILE, 0, f"{part.name}: {_first_line(error)}")
        return
    number = 0
    with file:
        for group in range(part.start, part.end or file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            before = number
            try:
                for batch in file.iter_batches(batch_size=1_000, row_groups=[group]):
                    for row in _batch_rows(part, batch, number):
                        yield row
                        number += 1
            except (OSError, pa.ArrowException) as error:
                lost = rows - (number - before)
                yield _reject(part, Reason.TRUNCATED_FILE, number + 1, f"{part.name}: {lost} rows cannot be read: {_first_line(error)}")
                number = before + rows


def _batch_rows(part: Slice, batch: pa.RecordBatch, number: int) -> Iterator[Row | Reject]:
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                yield Row(batch.slice(index, 1).to_pylist()[0], None, number + index + 1)
            except UnicodeDecodeError as error:
                yield _reject(part, Reason.INVALID_ENCODING, number + index + 1, f"not utf-8: {error.reason}")
        return
    for index, data in enumerate(rows, number + 1):
        yield Row(data, None, index)


def _table(delimiter: str) -> Callable[[Slice], Iterator[Row | Reject]]:
    def read_table(part: Slice) -> Iterator[Row | Reject]:
        csv.field_size_limit(min(sys.maxsize, MAX_ROW))
        file, stream = open_bytes(Path(part.path))
        encoding = "utf-8-sig" if part.encoding == "utf-8" else part.encoding
        with io.TextIOWrapper(file, encoding, errors="surrogateescape", newline="") as text:
            rows = csv.DictReader(text, delimiter=delimiter, strict=True)
            number = 0
            while True:
                number += 1
                try:
                    data: dict[Any, Any] = next(rows)
                except StopIteration:
                    break
                except csv.Error as error:
                    yield _reject(part, Reason.NOT_A_ROW, number, f"{error} (line {rows.line_num})")
                    continue
                yield _table_row(part, number, data)
            if stream.fault:
                yield _reject(part, Reason.TRUNCATED_FILE, number, f"{part.name}: {stream.fault}")

    return read_table


def _table_row(part: Slice, number: int, data: dict[Any, Any]) -> Row | Reject:
    raw = json.dumps({str(key): value for key, value in data.items()}, ensure_ascii=False)
    if None in data or None in data.values():
        fields = len(data) - (None in data) + len(data.get(None) or ())
        missing = sum(value is None for value in data.values())
        return _reject(part, Reason.NOT_A_ROW, number, f"{fields - missing} fields, expected {len(data) - (None in data)}", raw)
    if _has_undecodable(raw):
        return _reject(part, Reason.INVALID_ENCODING, number, f"bytes that are not {part.encoding}", raw)
    return Row(data, raw, number)


def _hub(part: Slice) -> Iterator[Row | Reject]:
    from pipelines.hub import rows

    number = 0
    try:
        for data in rows(part.path, part.start, part.end):
            number += 1
            yield Row(data, None, number) if isinstance(data, Mapping) else _reject(part, Reason.NOT_A_ROW, number, str(type(data)))
    except Exception as error:
        # datasets passes on whatever its readers and its network raise.
        yield _reject(part, Reason.UNREADABLE_FILE, number + 1, f"{part.name}: {type(error).__name__}: {_first_line(error)}")


def _unreadable(part: Slice) -> Iterator[Row | Reject]:
    """What could not be looked at when the run was planned."""
    path = Path(part.path)
    path.stat()
    os.listdir(path) if path.is_dir() else path.open("rb").close()
    yield _reject(part, Reason.UNREADABLE_FILE, 0, f"{part.name}: could not be read at first, and now can: run again")


READERS: Final[dict[str, Callable[[Slice], Iterator[Row | Reject]]]] = {
    "jsonl": _json_lines,
    "json": _json,
    "parquet": _parquet,
    "csv": _table(","),
    "tsv": _table("\t"),
    "hub": _hub,
    "unreadable": _unreadable,
}

_FORMATS: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".parquet": "parquet", ".csv": "csv", ".tsv": "tsv"}


def _reject(part: Slice, reason: Reason, number: int, detail: str, raw: bytes | str = "") -> Reject:
    text = raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    return Reject(reason, detail, location=location(part, number), raw=text)


def _has_undecodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _json_type(value: Any) -> str:
    names = {str: "string", list: "array", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]
