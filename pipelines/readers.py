"""Rows of a file, whatever its format: each is either a mapping or a reject that says what was wrong with it.

Rows come in small batches. A reader never raises for what stands in a file, and never ends early without a reject that
says so. JSON lines may be read from the middle of a file: a slice owns the lines that begin in it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from collection.reject import Reason, Reject
from pipelines import json_array
from pipelines.streams import COMPRESSIONS, LongLine, line_blocks, open_bytes, skip_line

# A row larger than this, in bytes or characters, is not one.
MAX_ROW: Final = 1 << 26
_BATCH_ROWS, _BATCH_BYTES = 1_000, 1 << 20


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


Reader = Callable[[Slice], Iterator[list[Row | Reject]]]


def read(part: Slice) -> Iterator[list[Row | Reject]]:
    """The rows of a slice, in their order, in batches of about a thousand rows or a megabyte."""
    try:
        yield from READERS[part.format](part)
    except OSError as error:
        yield [_reject(part, Reason.UNREADABLE_FILE, 0, f"{part.name}: {error.strerror or error}")]


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


def _batched(rows: Callable[[Slice], Iterator[Row | Reject]]) -> Reader:
    """A reader that gives batches, from one that gives rows."""

    def read_batches(part: Slice) -> Iterator[list[Row | Reject]]:
        batch: list[Row | Reject] = []
        size = 0
        for row in rows(part):
            batch.append(row)
            size += len(row.raw) if row.raw else 500
            if len(batch) >= _BATCH_ROWS or size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    return read_batches


def _json(part: Slice) -> Iterator[list[Row | Reject]]:
    """A `.json` file: an array if it begins with a bracket, JSON lines if not; one object on many lines is one row."""
    with open_bytes(Path(part.path))[0] as file:
        head = file.read(4096)
    first = head.decode(part.encoding, "ignore").lstrip("\ufeff \t\r\n")[:1]
    if first == "[":
        yield from _batched(_json_array)(part)
        return
    with open_bytes(Path(part.path))[0] as file:
        line = file.readline(MAX_ROW)
        more = file.read(1)
    if more and first == "{" and _parse(line.strip(), part.encoding)[1] is not None:
        with open_bytes(Path(part.path))[0] as file:
            whole = file.read(MAX_ROW)
        data, fault, _ = _parse(whole, part.encoding)
        if fault is None and isinstance(data, dict):
            yield [Row(data, whole, 1)]
            return
    yield from _json_lines(part)


def _json_lines(part: Slice) -> Iterator[list[Row | Reject]]:
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
            half = rows.pop().raw if rows and isinstance(rows[-1], Reject) and rows[-1].reason == Reason.INVALID_JSON else ""
            rows.append(_reject(part, Reason.TRUNCATED_FILE, number - bool(half), f"{part.name}: {stream.fault}", half))
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
            rows.append(_reject(part, Reason.TOO_LONG, index, f"a line of {line.bytes} bytes, over the limit of {MAX_ROW}", line.head))
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


def _parquet(part: Slice) -> Iterator[list[Row | Reject]]:
    try:
        file = pq.ParquetFile(part.path)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        yield [_reject(part, Reason.TRUNCATED_FILE, 0, f"{part.name}: {_first_line(error)}")]
        return
    number = 1
    with file:
        for group in range(part.start, part.end or file.num_row_groups):
            after = number + file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group]):
                    yield _batch_rows(part, batch, number)
                    number += batch.num_rows
            except (OSError, pa.ArrowException) as error:
                what = f"{part.name}: {after - number} rows cannot be read: {_first_line(error)}"
                yield [_reject(part, Reason.TRUNCATED_FILE, number, what)]
                number = after


def _batch_rows(part: Slice, batch: pa.RecordBatch, number: int) -> list[Row | Reject]:
    try:
        return [Row(data, None, index) for index, data in enumerate(batch.to_pylist(), number)]
    except UnicodeDecodeError:
        return [_one_row(part, batch.slice(index, 1), number + index) for index in range(batch.num_rows)]


def _one_row(part: Slice, batch: pa.RecordBatch, number: int) -> Row | Reject:
    try:
        return Row(batch.to_pylist()[0], None, number)
    except UnicodeDecodeError as error:
        return _reject(part, Reason.INVALID_ENCODING, number, f"not utf-8: {error.reason}")


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


READERS: Final[dict[str, Reader]] = {
    "jsonl": _json_lines,
    "json": _json,
    "parquet": _parquet,
    "csv": _batched(_table(",")),
    "tsv": _batched(_table("\t")),
    "hub": _batched(_hub),
    "unreadable": _batched(_unreadable),
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
