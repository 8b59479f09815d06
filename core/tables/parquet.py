"""Read Parquet by row groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from core.paths import as_path, readable
from core.tables.reader import BATCH_ROWS, Batch, TableReader, cut_evenly
from core.tables.row import BadRow, Row, RowFault, Slice, bad_row, first_line, truncated

# Arrow raises these for text that is not UTF-8, for dates out of range and for unknown time zones.
_UNKNOWN_TO_PYTHON: Final = (ValueError, OverflowError, LookupError)


class ParquetReader(TableReader):
    """Reads the rows of row groups. A damaged group is one bad row that says how many rows it had."""

    suffixes = (".parquet",)
    is_text = False
    expansion = 3

    def batches(self, part: Slice) -> Iterator[Batch]:
        with readable(as_path(part.path)) as source:
            yield from _read(part, source)

    def spans(self, path: Path, encoding: str, size: int, count: int) -> list[tuple[int, int]]:
        """Return ranges of row groups."""
        groups = _row_groups(path) if count > 1 else 1
        return cut_evenly(groups, min(count, groups)) if groups > 1 else [(0, 0)]

    def mentions(self, path: Path, words: Sequence[str]) -> bool:
        """Return whether all the words are names of columns."""
        try:
            with readable(path) as source:
                return set(words) <= set(pq.read_schema(source).names)
        except (pa.ArrowException, OSError):
            return False


def _row_groups(path: Path) -> int:
    try:
        with readable(path) as source:
            return int(pq.ParquetFile(source).num_row_groups)
    except (OSError, pa.ArrowException):
        return 1


def _read(part: Slice, source: Any) -> Iterator[Batch]:
    try:
        file = pq.ParquetFile(source)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        yield [truncated(part, 0, first_line(error))]
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
                yield [truncated(part, number, f"{after - number} rows cannot be read: {first_line(error)}")]
                number = after


def _batch_rows(part: Slice, batch: pa.RecordBatch, number: int) -> Batch:
    batch = _with_times_as_text(batch)
    try:
        return [Row(data, None, index) for index, data in enumerate(batch.to_pylist(), number)]
    except _UNKNOWN_TO_PYTHON:
        return [_one_row(part, batch.slice(index, 1), number + index) for index in range(batch.num_rows)]


def _with_times_as_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with dates and times as text: Arrow has many that Python cannot hold, and no row may be lost."""
    for index, column in enumerate(batch.schema):
        if pa.types.is_temporal(column.type) and not pa.types.is_interval(column.type):
            values = batch.column(index)
            if pa.types.is_timestamp(column.type):
                values = values.cast(pa.timestamp(column.type.unit))  # in UTC: its zone may have no known name
            batch = batch.set_column(index, column.name, values.cast(pa.string()))
    return batch


def _one_row(part: Slice, batch: pa.RecordBatch, number: int) -> Row | BadRow:
    try:
        return Row(batch.to_pylist()[0], None, number)
    except UnicodeDecodeError as error:
        return bad_row(part, RowFault.INVALID_ENCODING, number, f"not utf-8: {error.reason}")
    except _UNKNOWN_TO_PYTHON as error:
        return bad_row(part, RowFault.NOT_A_ROW, number, f"a value that cannot be read: {first_line(error)}")
