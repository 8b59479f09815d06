"""Define what a reader of one file format is."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from core.tables.row import BadRow, Row, Slice
from core.tables.streams import open_bytes

# A row larger than this, in bytes or characters, is a bad row.
MAX_ROW: Final = 1 << 26
BATCH_ROWS: Final = 1_000
BATCH_BYTES: Final = 1 << 20
# Bytes at the beginning of a text file in which `mentions` searches.
_HEAD: Final = 1 << 18
# About how many bytes a row has whose text is not known.
UNKNOWN_ROW: Final = 500

Batch = list[Row | BadRow]


class TableReader(ABC):
    """Reads the rows of one file format."""

    suffixes: tuple[str, ...] = ()  # of files that are read as this format
    is_text: bool = True  # in some encoding, which a byte order mark may name
    expansion: int = 1  # how many bytes of JSON lines one byte of such a file holds, about

    @abstractmethod
    def batches(self, part: Slice) -> Iterator[Batch]:
        """Yield the rows of a slice in their order, in batches of about a thousand rows or a megabyte."""

    def spans(self, path: Path, encoding: str, size: int, count: int) -> list[tuple[int, int]]:
        """Return `start` and `end` of up to `count` slices of a file; one slice of all if it cannot be cut.

        Args:
            path: The file.
            encoding: The encoding of its text.
            size: Its size in bytes.
            count: The number of slices that is wanted.
        """
        return [(0, 0)]

    def mentions(self, path: Path, words: Sequence[str]) -> bool:
        """Return whether all the words are in the first 256 KiB of the text of a file."""
        with open_bytes(path)[0] as file:
            head = file.read(_HEAD)
        return all(word.encode() in head for word in words)

    def with_layout(self, columns: Sequence[str], quoted: bool) -> TableReader:
        """Return the reader for tables with these columns and no header line, or without quotation marks.

        Only CSV and TSV have such layouts: other readers return themselves.
        """
        return self


def batched(rows: Iterable[Row | BadRow]) -> Iterator[Batch]:
    """Yield rows in batches."""
    batch: Batch = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row.raw) if row.raw else UNKNOWN_ROW
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def cut_evenly(total: int, count: int) -> list[tuple[int, int]]:
    """Return `count` neighbouring spans of 0 to `total`, of about the same length."""
    bounds = [total * index // count for index in range(count + 1)]
    return list(itertools.pairwise(bounds))
