"""Map token shards into memory: any turn of any row by slicing, without reading the rest and without a copy.

A store numbers the Arrow batches of all shards. Rows and turns are numbered within their batch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collection import tokens
from collection.record import ROLES
from core.errors import ConfigError, SourceError
from core.paths import is_remote

_ID_DIGITS: Final = 32
_IN_MEMORY_BYTES: Final = 64 << 20


class RowKind(NamedTuple):
    """What rows have in common."""

    source: str
    dataset: str
    language: str
    task: str
    split: str


@dataclass(frozen=True, eq=False, slots=True)
class TokenBatch:
    """One Arrow batch of a shard. All arrays but `row_kinds` are views of the mapped file."""

    ids: npt.NDArray[Any]  # uint16 or int32 [tokens]
    turn_starts: npt.NDArray[np.int32]  # [turns + 1], where a turn begins in `ids`
    turn_roles: npt.NDArray[np.uint8]  # [turns], number in collection.record.ROLES
    row_turns: npt.NDArray[np.int32]  # [rows + 1], where a row begins among the turns
    row_ids: npt.NDArray[np.uint8]  # [rows, 32], hex digits of the record's id as ASCII
    row_kinds: npt.NDArray[np.uint32]  # [rows], number in TokenStore.kinds

    @classmethod
    def of(cls, batch: pa.RecordBatch, row_kinds: npt.NDArray[np.uint32], path: Path) -> TokenBatch:
        """Return the views of a batch that has rows; SourceError where its columns contradict each other."""
        messages, roles, names = (batch.column(name) for name in ("tokens", "roles", "id"))
        turns = messages.values
        out = cls(
            turns.values.to_numpy(),
            turns.offsets.to_numpy(),
            roles.values.to_numpy(),
            messages.offsets.to_numpy(),
            _id_digits(names, path),
            row_kinds,
        )
        if not np.array_equal(out.row_turns, roles.offsets.to_numpy()):
            raise SourceError(f"{path}: a row has not as many roles as turns: the shard is damaged")
        if len(out.turn_roles) and (role := int(out.turn_roles.max())) >= len(ROLES):
            raise SourceError(f"{path}: a turn has role {role}; expected a number below {len(ROLES)}")
        return out

    @property
    def turns(self) -> int:
        return len(self.turn_roles)

    def turn(self, number: int) -> npt.NDArray[Any]:
        """Return the ids of one turn."""
        return self.ids[self.turn_starts[number] : self.turn_starts[number + 1]]

    def turn_rows(self) -> npt.NDArray[np.int64]:
        """Return the row of each turn, [turns]."""
        return np.repeat(np.arange(len(self.row_turns) - 1), np.diff(self.row_turns))

    def id_words(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
        """Return the ids of some rows as two little-endian words of 64 bits, [rows, 2]."""
        digits = _HEX_VALUES[self.row_ids[rows]]
        if digits.size and digits.max() > 15:
            raise SourceError("an id is not 32 hex digits: a token shard is damaged")
        return np.ascontiguousarray(digits[:, ::2] << 4 | digits[:, 1::2]).view("<u8")


@dataclass(frozen=True, eq=False)
class TokenStore:
    """The rows of one folder of token shards."""

    identity: str  # of the run that wrote the shards
    tokenizer: str  # sha256 of its model
    kinds: tuple[RowKind, ...]
    batches: tuple[TokenBatch, ...]

    @property
    def rows(self) -> int:
        return sum(len(batch.row_kinds) for batch in self.batches)

    def kind(self, batch: int, row: int) -> RowKind:
        """Return the kind of a row."""
        return self.kinds[int(self.batches[batch].row_kinds[row])]

    def record_id(self, batch: int, row: int) -> str:
        """Return the id of a row's record: 32 hex digits."""
        return bytes(self.batches[batch].row_ids[row]).decode("ascii")

    @classmethod
    def open(cls, folder: Path) -> TokenStore:
        """Map what `glotmill tokenizer encode` wrote.

        Raises:
            ConfigError: the folder is in an object store, whose files cannot be mapped.
            SourceError: the folder holds no finished token shards, an older version wrote it, or it is damaged.
        """
        if is_remote(folder):
            raise ConfigError(f"data.sources: {folder} is in an object store; copy it to a folder of this machine")
        manifest = tokens.read_manifest(folder)
        schema = tokens.schema(manifest.config["vocabulary"])
        mapped = [(path, batch) for path in tokens.shards(folder) for batch in _batches(path, schema)]
        rows = sum(batch.num_rows for _, batch in mapped)
        if rows != manifest.rows_out:
            raise SourceError(
                f"{folder}: data/ holds {rows} rows, its manifest says {manifest.rows_out}: the folder is damaged"
            )
        kinds: dict[RowKind, int] = {}
        row_kinds = scratch_array(rows, np.dtype("<u4"))
        batches, start = [], 0
        for path, batch in mapped:
            numbers = row_kinds[start : start + batch.num_rows]
            numbers[:] = _number_kinds(batch, kinds)
            batches.append(TokenBatch.of(batch, numbers, path))
            start += batch.num_rows
        return cls(manifest.run["identity"], manifest.config["sha256"], tuple(kinds), tuple(batches))


def _batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a shard that have rows."""
    for batch in tokens.map_shard(path):
        if batch.schema != schema:
            raise SourceError(f"{path}: its columns are not a token shard's: run `glotmill tokenizer encode` again")
        if batch.num_rows:
            yield batch


def scratch_array(size: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return an uninitialized array: in memory, or, where it is large, in an unnamed temporary file that is mapped.

    The operating system writes the file's pages to disk when memory is short, and drops the file with the process.
    """
    if size * dtype.itemsize <= _IN_MEMORY_BYTES:
        return np.empty(size, dtype)
    with tempfile.TemporaryFile() as file:
        # A plain array: every slice of a np.memmap is a np.memmap, which takes longer than the reading.
        return np.asarray(np.memmap(file, dtype, "w+", shape=(size,)))


def _number_kinds(batch: pa.RecordBatch, kinds: dict[RowKind, int]) -> npt.NDArray[np.uint32]:
    """Return the number of each row's kind; new kinds are added to the table."""
    columns = [batch.column(name).dictionary_encode() for name in tokens.LABELS]
    code = np.zeros(batch.num_rows, np.int64)
    for column in columns:
        code = code * len(column.dictionary) + column.indices.to_numpy()
    distinct, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    table = np.empty(len(distinct), np.uint32)
    for number, row in enumerate(first.tolist()):
        kind = RowKind(*(column[row].as_py() for column in columns))
        table[number] = kinds.setdefault(kind, len(kinds))
    return table[inverse]


def _id_digits(names: pa.StringArray, path: Path) -> npt.NDArray[np.uint8]:
    _, offsets, digits = names.buffers()
    ends = np.frombuffer(offsets, np.int32, len(names) + 1)
    if np.any(np.diff(ends) != _ID_DIGITS):
        raise SourceError(f"{path}: an id is not 32 hex digits: the shard is damaged")
    return np.frombuffer(digits, np.uint8, len(names) * _ID_DIGITS).reshape(-1, _ID_DIGITS)


def _hex_values() -> npt.NDArray[np.uint8]:
    """Return the value of each ASCII hex digit, 255 for other bytes."""
    values = np.full(256, 255, np.uint8)
    values[list(b"0123456789abcdef")] = range(16)
    return values


_HEX_VALUES: Final = _hex_values()


def check_tokenizer(label: str, store: TokenStore, sha256: str) -> None:
    """Raise a ConfigError if another tokenizer than the run's encoded the shards."""
    if store.tokenizer != sha256:
        raise ConfigError(
            f"data.sources {label!r} was encoded by another tokenizer ({store.tokenizer[:12]}) than the run's "
            f"({sha256[:12]}): run `glotmill tokenizer encode` with the run's tokenizer"
        )
