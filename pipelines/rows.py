"""Read the rows of a slice of a file, with a reject for each row that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collection.reject import Reason, Reject
from core import tables
from core.tables import UNKNOWN_ROW, BadRow, Row, Slice


def read_rows(part: Slice) -> Iterator[list[Row | Reject]]:
    """Yield the rows of a slice in their order, in batches of about a thousand rows or a megabyte."""
    for batch in tables.read(part):
        yield [row if type(row) is Row else reject_of(row) for row in batch]  # type: ignore[arg-type]


def size_of(rows: Sequence[Row | Reject]) -> int:
    """Return about how many bytes the text of some rows has."""
    return sum([len(row.raw) if row.raw else UNKNOWN_ROW for row in rows])


def reject_of(row: BadRow) -> Reject:
    """Return the reject for a row that could not be read. A `RowFault` has the value of its `Reason`."""
    return Reject(Reason(row.fault.value), row.detail, location=row.location, raw=row.raw)
