"""A `.json` file: an array of rows, or JSON lines under another name, or one row on many lines."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from collection.reject import Reason, Reject
from pipelines import json_array
from pipelines.readers.lines import json_type, parse, read_lines
from pipelines.readers.row import MAX_ROW, Row, Slice, batched, has_undecodable, reject_at
from pipelines.streams import open_bytes


def read_document(part: Slice) -> Iterator[list[Row | Reject]]:
    """A `.json` file: an array if it begins with a bracket, JSON lines if not; one object on many lines is one row."""
    with open_bytes(Path(part.path))[0] as file:
        head = file.read(4096)
    first = head.decode(part.encoding, "ignore").lstrip("\ufeff \t\r\n")[:1]
    if first == "[":
        yield from batched(_array)(part)
        return
    with open_bytes(Path(part.path))[0] as file:
        line = file.readline(MAX_ROW)
        more = file.read(1)
    if more and first == "{" and parse(line.strip(), part.encoding)[1] is not None:
        with open_bytes(Path(part.path))[0] as file:
            whole = file.read(MAX_ROW)
        data, fault, _ = parse(whole, part.encoding)
        if fault is None and isinstance(data, dict):
            yield [Row(data, whole, 1)]
            return
    yield from read_lines(part)


def _array(part: Slice) -> Iterator[Row | Reject]:
    file, stream = open_bytes(Path(part.path))
    # Undecodable bytes come through as lone surrogates, so that they spoil their own row and no other.
    with io.TextIOWrapper(
        file, "utf-8-sig" if part.encoding == "utf-8" else part.encoding, errors="surrogateescape", newline=""
    ) as text:
        for number, element in enumerate(json_array.elements(text, MAX_ROW), 1):
            yield _array_row(part, number, element, stream.fault)


def _array_row(part: Slice, number: int, element: json_array.Element, fault: str) -> Row | Reject:
    if element.cut:
        return reject_at(part, Reason.TRUNCATED_FILE, number, f"{part.name}: {fault or element.fault}", element.text)
    if element.fault:
        reason = Reason.TOO_LONG if len(element.text) >= MAX_ROW else Reason.INVALID_JSON
        return reject_at(part, reason, number, element.fault, element.text)
    if has_undecodable(element.text):
        return reject_at(part, Reason.INVALID_ENCODING, number, f"bytes that are not {part.encoding}", element.text)
    if not isinstance(element.value, dict):
        detail = f"JSON of type {json_type(element.value)}, expected an object"
        return reject_at(part, Reason.NOT_A_ROW, number, detail, element.text)
    return Row(element.value, element.text, number)
