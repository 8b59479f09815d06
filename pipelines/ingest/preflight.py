"""Check some rows of each source before a run, so that a wrong kind fails at once and not after hours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from collection.reject import REASONS, Reason, Reject
from core.errors import SourceError
from core.tables import Row, Slice, location
from pipelines.ingest.sources.base import ParseFault, RowSource
from pipelines.rows import read_rows

_FILES, _ROWS = 20, 50


def check(path: str, kind: str, source: RowSource, slices: Sequence[Slice]) -> None:
    """Raise SourceError if no checked row is of this kind of source, or if there are no rows.

    The first rows of up to twenty files are checked, spread evenly over all files.
    """
    chosen = [slices[len(slices) * index // _FILES] for index in range(_FILES)] if len(slices) > _FILES else slices
    seen, first = 0, ""
    for part in chosen:
        for row in itertools.islice(itertools.chain.from_iterable(read_rows(part)), _ROWS):
            fault = _fault(row, source, part)
            if not fault:
                return
            seen, first = seen + 1, first or fault
    if not seen and len(chosen) < len(slices):
        return  # the checked files are empty; others may not be
    problem = f"none of the {seen} rows looked at is one, e.g. {first}" if seen else "it holds no rows at all"
    raise SourceError(f"{path} cannot be read as {kind}: {problem}")


def _fault(row: Row | Reject, source: RowSource, part: Slice) -> str:
    """Return why a row is not of this source; "" for one that is, even if it is not kept later."""
    if isinstance(row, Reject):
        return f"{row.location}: {REASONS[row.reason][1]} ({row.detail})"
    try:
        source.parse(row.data, part.name)
    except ParseFault as fault:
        if fault.reason == Reason.MISSING_FIELD:
            return f"{location(part, row.number)}: {fault.detail}"
    return ""
