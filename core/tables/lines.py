"""Read plain text, a row a line."""

from __future__ import annotations

from collections.abc import Iterator

from core.paths import as_path
from core.tables.encoding import open_utf8
from core.tables.reader import MAX_ROW, Batch, TableReader
from core.tables.row import BadRow, Row, RowFault, Slice, bad_row, truncated
from core.tables.streams import LongLine, line_blocks


class LinesReader(TableReader):
    """Reads each line, also an empty one, as a row `{"text": line}`.

    Only a line feed, or a carriage return before it, ends a line: text may hold other breaks, such as U+2028.
    """

    def batches(self, part: Slice) -> Iterator[Batch]:
        file, stream = open_utf8(as_path(part.path), part.encoding)
        with file:
            if file.peek(3)[:3] == b"\xef\xbb\xbf":
                file.read(3)
            number = 1
            for lines in line_blocks(file, None, MAX_ROW):
                yield [_row(part, index, line) for index, line in enumerate(lines, number)]
                number += len(lines)
        if stream.fault:
            yield [truncated(part, number, stream.fault)]


def _row(part: Slice, number: int, line: bytes | LongLine) -> Row | BadRow:
    if isinstance(line, LongLine):
        return bad_row(part, RowFault.TOO_LONG, number, line.describe(MAX_ROW), line.head)
    try:
        return Row({"text": line.decode().removesuffix("\r")}, line, number)
    except UnicodeDecodeError as error:
        return bad_row(part, RowFault.INVALID_ENCODING, number, f"not {part.encoding}: {error.reason}", line)
