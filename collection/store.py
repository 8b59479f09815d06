"""The folder that every stage writes: `data/`, `rejects/`, and readers for both.

A part is written batch by batch, so memory does not grow with it, and appears by a rename when it is whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from collection import record, reject
from collection.record import Record
from collection.reject import Reject
from core import files
from core.errors import SourceError
from core.paths import files_below, readable

# A row group is closed at this many rows or bytes: small enough for flat memory, large enough to compress.
GROUP_ROWS: Final = 10_000
GROUP_BYTES: Final = 8 << 20
# A batch that is read holds about as much as this, however long its rows are.
BATCH_BYTES: Final = 24 << 20


def part_name(index: int, count: int) -> str:
    """`part-00000-of-00008.parquet`"""
    return f"part-{index:05d}-of-{count:05d}.parquet"


class PartWriter:
    """Writes one part of `data/` and, beside it, of `rejects/`. Both appear when the block ends without an error.

    Rows come in small batches that become columns at once, while they are still in the processor's cache: gathered as
    objects up to a whole row group, they cost three times as much to write.
    """

    def __init__(self, folder: Path, index: int, count: int) -> None:
        name = part_name(index, count)
        self._paths = (folder / "data" / name, folder / "rejects" / name)

    def __enter__(self) -> PartWriter:
        with contextlib.ExitStack() as stack:
            writers = [
                stack.enter_context(parquet_writer(path, schema))
                for path, schema in zip(self._paths, (record.SCHEMA, reject.SCHEMA), strict=True)
            ]
            # Entered last, closed first: the last rows of both are written before either file appears.
            self._data, self._refused = (stack.enter_context(_RowGroups(writer)) for writer in writers)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def write(self, outcomes: Sequence[Record | Reject]) -> None:
        """Write records to `data/` and rejects to `rejects/`, each in their order."""
        kept = [outcome for outcome in outcomes if isinstance(outcome, Record)]
        if kept:
            self._data.add(record.to_batch(kept))
        if len(kept) < len(outcomes):
            self._refused.add(reject.to_batch([outcome for outcome in outcomes if isinstance(outcome, Reject)]))


class _RowGroups:
    """Gathers small batches into row groups of one file; the last one is written when the block ends well."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> _RowGroups:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()

    def add(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self.close()

    def close(self) -> None:
        """Write the gathered batches as one row group."""
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=self._rows)
        self._batches, self._rows, self._bytes = [], 0, 0


@contextlib.contextmanager
def parquet_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Open a Parquet file (zstd, with checksums) that appears at `path` when the block ends without an error."""
    # Only columns with few values gain from a dictionary; for the others it costs time and room.
    few = [
        name
        for name in schema.names
        if name not in {"id", "messages", "parent_id", "lid_score", "detail", "location", "raw"}
    ]
    with (
        files.appearing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", use_dictionary=few, write_page_checksum=True) as writer,
    ):
        yield writer


def parts(folder: Path, kind: str = "data") -> list[Path]:
    """Return the Parquet files of `data/` or `rejects/` in a folder that a command wrote, in their order."""
    return [path for path in files_below(folder / kind) if path.suffix == ".parquet"]


def batches(
    path: Path, columns: list[str] | None = None, rows: int = 5_000, size: int = BATCH_BYTES
) -> Iterator[pa.RecordBatch]:
    """Yield batches of one part, of `rows` rows or about `size` bytes. Raise SourceError if a single bit is damaged."""
    try:
        with readable(path) as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
            most = max(1, min(rows, size // _row_bytes(file.metadata)))
            yield from file.iter_batches(batch_size=most, columns=columns)
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error


def row_count(path: Path) -> int:
    """How many rows a part has, as its end says."""
    with readable(path) as source:
        return int(pq.read_metadata(source).num_rows)


def _row_bytes(metadata: pq.FileMetaData) -> int:
    """Return the bytes of a row, in the row group with the largest rows."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    return max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0) or 1


def records(folder: Path, language: str = "", split: str = "") -> Iterator[Record]:
    """Every record of a folder, in the order of its parts.

    Of a finished collection, `language` and `split` choose files; other folders are not sorted by them.
    """
    for path in parts(folder):
        sorted_by_language = path.parent.name != "data"
        if sorted_by_language and (
            (language and path.parent.name != language) or (split and path.name.split("-")[0] != split)
        ):
            continue
        if split and not sorted_by_language:
            raise SourceError(f"{folder} has no splits: only a collection that `glotmill build` made has")
        for batch in batches(path):
            yield from record.from_batch(batch)


def rejects(folder: Path) -> Iterator[dict[str, Any]]:
    """Every line of a folder's decision log."""
    for path in parts(folder, "rejects"):
        for batch in batches(path):
            yield from batch.to_pylist()
