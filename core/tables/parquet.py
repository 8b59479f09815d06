"""Parquet, read by row groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from core.paths import as_path, readable
from core.tables.row import BATCH_ROWS, BadRow, Row, RowFault, Slice, bad_row, first_line

# What Arrow raises for text that is not UTF-8, for dates out of range and for time zones of no known name.
_UNKNOWN_TO_PYTHON: Final = (ValueError, OverflowError, LookupError)


def read_parquet(part: Slice) -> Iterator[list[Row | BadRow]]:
    """Yield the rows of the row groups in the slice. A damaged group is one bad row with its row count."""
    with readable(as_path(part.path)) as source:
        yield from _read(part, source)


def _read(part: Slice, source: Any) -> Iterator[list[Row | BadRow]]:
    try:
        file = pq.ParquetFile(source)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        yield [bad_row(part, RowFault.TRUNCATED_FILE, 0, f"{part.name}: {first_line(error)}")]
        return
    number = 1
    with file:
        for group in range(part.start, part.end or file.num_row_groups):
            after = number + file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group]):
                    yield _batch_rows(part, batch, number)
                    number += batch.num_rows
            except (OSError, pa.ArrowException) as error:
                what = f"{part.name}: {after - number} rows cannot be read: {first_line(error)}"
                yield [bad_row(part, RowFault.TRUNCATED_FILE, number, what)]
                number = after


def _batch_rows(part: Slice, batch: pa.RecordBatch, number: int) -> list[Row | BadRow]:
    batch = _with_times_as_text(batch)
    try:
        return [Row(data, None, index) for index, data in enumerate(batch.to_pylist(), number)]
    except _UNKNOWN_TO_PYTHON:
        return [_one_row(part, batch.slice(index, 1), number + index) for index in range(batch.num_rows)]


def _with_times_as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Dates and times as text: Arrow has many that Python has none for, and a row must not be lost for one."""
    for index, column in enumerate(batch.schema):
        if pa.types.is_temporal(column.type) and not pa.types.is_interval(column.type):
            values = batch.column(index)
            if pa.types.is_timestamp(column.type):
                values = values.cast(pa.timestamp(column.type.unit))  # in UTC: its zone may be one of no known name
            batch = batch.set_column(index, column.name, values.cast(pa.string()))
    return batch


def _one_row(part: Slice, batch: pa.RecordBatch, number: int) -> Row | BadRow:
    try:
        return Row(batch.to_pylist()[0], None, number)
    except UnicodeDecodeError as error:
        return bad_row(part, RowFault.INVALID_ENCODING, number, f"not utf-8: {error.reason}")
    except _UNKNOWN_TO_PYTHON as error:
        return bad_row(part, RowFault.NOT_A_ROW, number, f"a value that cannot be read: {first_line(error)}")
