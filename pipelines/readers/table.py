"""CSV and TSV with a line of column names."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from collection.reject import Reason, Reject
from pipelines.readers.row import MAX_ROW, Row, Slice, has_undecodable, reject_at
from pipelines.streams import open_bytes


def table_reader(delimiter: str) -> Callable[[Slice], Iterator[Row | Reject]]:
    """A reader of tables whose fields are set apart by the delimiter."""

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
                    yield reject_at(part, Reason.NOT_A_ROW, number, f"{error} (line {rows.line_num})")
                    continue
                yield _table_row(part, number, data)
            if stream.fault:
                yield reject_at(part, Reason.TRUNCATED_FILE, number, f"{part.name}: {stream.fault}")

    return read_table


def _table_row(part: Slice, number: int, data: dict[Any, Any]) -> Row | Reject:
    raw = json.dumps({str(key): value for key, value in data.items()}, ensure_ascii=False)
    if None in data or None in data.values():
        fields = len(data) - (None in data) + len(data.get(None) or ())
        missing = sum(value is None for value in data.values())
        return reject_at(
            part, Reason.NOT_A_ROW, number, f"{fields - missing} fields, expected {len(data) - (None in data)}", raw
        )
    if has_undecodable(raw):
        return reject_at(part, Reason.INVALID_ENCODING, number, f"bytes that are not {part.encoding}", raw)
    return Row(data, raw, number)
