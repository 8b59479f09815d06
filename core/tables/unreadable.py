"""Give the error of a file that could not be opened when the run was planned."""

from __future__ import annotations

from collections.abc import Iterator

from core.paths import as_path
from core.tables.reader import Batch, TableReader
from core.tables.row import RowFault, Slice, bad_row
from core.tables.streams import regular_size


class UnreadableReader(TableReader):
    """Gives one bad row, with the error that opening the file raises."""

    def batches(self, part: Slice) -> Iterator[Batch]:
        path = as_path(part.path)
        regular_size(path)
        path.open("rb").close()
        detail = f"{part.name}: could not be read at first, and now can: run again"
        yield [bad_row(part, RowFault.UNREADABLE_FILE, 0, detail)]
