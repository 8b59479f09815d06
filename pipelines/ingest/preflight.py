"""Is a source what it is said to be? A look at some of its rows, before hours are spent on it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from collection.reject import REASONS, Reason, Reject
from core.errors import SourceError
from core.tables import Row, Slice, location
from pipelines.ingest.sources.base import ParseFault, Source
from pipelines.rows import read_rows

_FILES, _ROWS = 20, 50


def check(path: str, kind: str, source: Source, slices: Sequence[Slice]) -> None:
    """SourceError where none of the rows looked at is one of this source, or where there are no rows at all.

    Looks at the first rows of up to twenty files, spread evenly over all.
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
        return  # the files looked at were empty; others may not be
    what = f"none of the {seen} rows looked at is one, e.g. {first}" if seen else "it holds no rows at all"
    raise SourceError(f"{path} cannot be read as {kind}: {what}")


def _fault(row: Row | Reject, source: Source, part: Slice) -> str:
    """What makes a row no row of this source; "" for one that is, though it may be one that nobody wants to keep."""
    if isinstance(row, Reject):
        return f"{row.location}: {REASONS[row.reason][1]} ({row.detail})"
    try:
        source.parse(row.data, part.name)
    except ParseFault as fault:
        if fault.reason == Reason.MISSING_FIELD:
            return f"{location(part, row.number)}: {fault.detail}"
    return ""
