"""Define the rows of token shards, write shards, and map them into memory.

A row is a record as token ids, message by message. A shard is an uncompressed Arrow IPC file: readers map it into
memory and use its columns in place. docs/tokenizer.md describes every column.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from collection.manifest import Manifest
from collection.record import ROLES
from core import files
from core.errors import SourceError
from core.paths import files_below, is_remote

COMMAND: Final = "tokenizer encode"
# The columns by which a mixture weighs rows.
LABELS: Final = ("source", "dataset", "language", "task", "split")
_UINT16_IDS: Final = 1 << 16


def schema(vocabulary: int) -> pa.Schema:
    """Return the columns of shards for a vocabulary of this size; ids take 2 bytes where that is enough, else 4."""
    ids = pa.uint16() if vocabulary <= _UINT16_IDS else pa.int32()
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("language", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("dataset", pa.string(), nullable=False),
            pa.field("task", pa.string(), nullable=False),
            pa.field("split", pa.string(), nullable=False),
            pa.field("roles", pa.list_(pa.uint8()), nullable=False),
            pa.field("tokens", pa.list_(pa.list_(ids)), nullable=False),
        ],
        metadata={"roles": " ".join(ROLES)},
    )


def shard_name(index: int, count: int) -> str:
    """Return the file name of a shard: `part-00000-of-00008.arrow`."""
    return f"part-{index:05d}-of-{count:05d}.arrow"


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a finished folder of token shards.

    Raises:
        SourceError: the folder is not finished, holds other rows than tokens, or an older version encoded it.
    """
    manifest = Manifest.read(folder)
    if manifest.command != COMMAND:
        raise SourceError(
            f"{folder} holds what `glotmill {manifest.command}` wrote; expected token shards. "
            f"Make them with `glotmill tokenizer encode --collection {folder}`"
        )
    if any(path.suffix == ".parquet" for path in files_below(folder / "data")):
        raise SourceError(f"{folder} was encoded by an older version: run `glotmill tokenizer encode` again")
    return manifest


def shards(folder: Path) -> list[Path]:
    """Return the shards of a folder, in the order of their names."""
    return [path for path in files_below(folder / "data") if path.suffix == ".arrow"]


@contextlib.contextmanager
def shard_writer(path: Path, vocabulary: int) -> Iterator[pa.RecordBatchWriter]:
    """Open a shard for writing. It appears at `path` when the block ends without an error."""
    with files.appearing(path) as temporary, pa.ipc.new_file(str(temporary), schema(vocabulary)) as writer:
        yield writer


def map_shard(path: Path) -> list[pa.RecordBatch]:
    """Map a shard into memory, and return its batches, whose columns are views of the file.

    Raises:
        SourceError: the file is damaged, or in an object store.
    """
    if is_remote(path):
        raise SourceError(f"{path} cannot be mapped into memory: copy the token shards to this machine")
    try:
        # The mapping lives as long as the batches; the open file does not, so that many shards need few of them.
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            found = [reader.get_batch(number) for number in range(reader.num_record_batches)]
            for batch in found:
                batch.validate()
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    return found
