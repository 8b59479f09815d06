"""Read a `.json` file: an array of rows, JSON lines under another name, or one row on many lines."""

from __future__ import annotations

import io
from collections.abc import Iterator

from core.paths import as_path
from core.tables import json_array
from core.tables.encoding import open_utf8
from core.tables.json_lines import JsonLinesReader, json_type, parse
from core.tables.reader import MAX_ROW, Batch, TableReader, batched
from core.tables.row import BadRow, Row, RowFault, Slice, bad_row, has_undecodable, truncated
from core.tables.streams import ByteStream


class JsonReader(TableReader):
    """Reads a `.json` file: an array of objects, one object on many lines, or JSON lines."""

    suffixes = (".json",)

    def batches(self, part: Slice) -> Iterator[Batch]:
        with _open_text(part)[0] as text:
            first = _first_character(text)
        if first == "[":
            yield from batched(_array(part))
        elif first == "{" and (rows := _one_object(part)):
            yield rows
        else:
            yield from JsonLinesReader().batches(part)


def _open_text(part: Slice) -> tuple[io.TextIOWrapper, ByteStream]:
    """Open the text. Undecodable bytes become lone surrogates, so that they spoil only their own row."""
    file, stream = open_utf8(as_path(part.path), part.encoding)
    return io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline=""), stream


def _first_character(text: io.TextIOWrapper) -> str:
    while block := text.read(4096):
        if begun := block.lstrip("\ufeff \t\r\n"):
            return begun[0]
    return ""


def _one_object(part: Slice) -> Batch:
    """Return the row of a file that is one object on many lines; nothing for any other file."""
    file, stream = open_utf8(as_path(part.path), part.encoding)
    with file:
        line = file.readline(MAX_ROW)
        if not file.peek(1) or parse(line.strip())[1] is None:
            return []
        whole = line + file.read(MAX_ROW)
    data, fault, _ = parse(whole)
    if fault is not None or not isinstance(data, dict):
        return []
    return [Row(data, whole, 1), *_end_of(part, stream, 2)]


def _array(part: Slice) -> Iterator[Row | BadRow]:
    text, stream = _open_text(part)
    number, cut = 0, False
    with text:
        for number, element in enumerate(json_array.elements(text, MAX_ROW), 1):
            cut = element.cut
            yield _array_row(part, number, element, stream.fault)
    if not cut:
        yield from _end_of(part, stream, number + 1)


def _end_of(part: Slice, stream: ByteStream, number: int) -> list[BadRow]:
    """Return the bad row for a file that ends too early, if it does."""
    return [truncated(part, number, stream.fault)] if stream.fault else []


def _array_row(part: Slice, number: int, element: json_array.Element, fault: str) -> Row | BadRow:
    if element.cut:
        return truncated(part, number, fault or element.fault, element.text)
    if element.fault and len(element.text) >= MAX_ROW:
        return bad_row(part, RowFault.TOO_LONG, number, element.fault, element.text)
    if has_undecodable(element.text):
        return bad_row(part, RowFault.INVALID_ENCODING, number, f"bytes that are not {part.encoding}", element.text)
    if element.fault:
        return bad_row(part, RowFault.INVALID_JSON, number, element.fault, element.text)
    if not isinstance(element.value, dict):
        detail = f"JSON of type {json_type(element.value)}, expected an object"
        return bad_row(part, RowFault.NOT_A_ROW, number, detail, element.text)
    return Row(element.value, element.text, number)
