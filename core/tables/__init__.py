"""Read the rows of a file in any known format: each is a mapping, or a bad row that says what is wrong with it.

Rows come in small batches. A reader never raises an error for the content of a file, and never ends early without a bad
row that says so. Compressed files are decompressed by their suffix.

FORMATS is the table of formats. To add one, write a TableReader in a file of this folder and give it a row there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.errors import SourceError
from core.tables.csv import DelimitedReader
from core.tables.encoding import UTF_8, marked_encoding
from core.tables.hub import HubReader
from core.tables.json import JsonReader
from core.tables.json_lines import JsonLinesReader
from core.tables.lines import LinesReader
from core.tables.parquet import ParquetReader
from core.tables.reader import UNKNOWN_ROW, TableReader
from core.tables.row import BadRow, Row, RowFault, Slice, bad_row, location, raw_text
from core.tables.squad import SquadReader
from core.tables.streams import COMPRESSIONS
from core.tables.unreadable import UnreadableReader

__all__ = [
    "FORMATS",
    "UNKNOWN_ROW",
    "BadRow",
    "Row",
    "RowFault",
    "Slice",
    "TableReader",
    "format_of",
    "location",
    "raw_text",
    "read",
    "rows",
    "uncompressed_name",
]

FORMATS: Final[dict[str, TableReader]] = {
    "jsonl": JsonLinesReader(),
    "json": JsonReader(),
    "parquet": ParquetReader(),
    "csv": DelimitedReader(",", (".csv",)),
    "tsv": DelimitedReader("\t", (".tsv",)),
    "lines": LinesReader(),
    "squad": SquadReader(),
    "hub": HubReader(),
    "unreadable": UnreadableReader(),
}


def read(part: Slice) -> Iterator[list[Row | BadRow]]:
    """Yield the rows of a slice in their order, in batches of about a thousand rows or a megabyte."""
    try:
        yield from FORMATS[part.format].batches(part)
    except OSError as error:
        yield [bad_row(part, RowFault.UNREADABLE_FILE, 0, f"{part.name}: {error.strerror or error}")]


def rows(path: Path, format: str, reader: TableReader | None = None) -> Iterator[Row]:
    """Yield the rows of a whole file in which every row must be good.

    Args:
        path: The file. A byte order mark names its encoding; otherwise it is UTF-8.
        format: A name of FORMATS.
        reader: A reader to use in place of that of the format, for a table of another layout.

    Raises:
        SourceError: The file or one of its rows cannot be read. The message says where and why.
    """
    reader = reader or FORMATS[format]
    try:
        encoding = (reader.is_text and marked_encoding(path)) or UTF_8
        for batch in reader.batches(Slice(str(path), str(path), format, encoding=encoding)):
            for row in batch:
                if isinstance(row, BadRow):
                    where, detail = row.location.removesuffix(":0"), row.detail.removeprefix(f"{path}: ")
                    raise SourceError(f"{where} cannot be read as {format}: {detail}")
                yield row
    except OSError as error:
        raise SourceError(f"{path} cannot be read as {format}: {error.strerror or error}") from error


def format_of(path: Path) -> str | None:
    """Return the format that the suffix of a file names; None if it names no format."""
    return _BY_SUFFIX.get(Path(uncompressed_name(path)).suffix.lower())


def uncompressed_name(path: Path) -> str:
    """Return the name of a file without the suffix of its compression."""
    return path.name[: -len(path.suffix)] if path.suffix.lower() in COMPRESSIONS else path.name


_BY_SUFFIX: Final = {suffix: name for name, reader in FORMATS.items() for suffix in reader.suffixes}
