"""How an example store is written: batches of token shards, appended to flat arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collection.record import ROLES
from core.errors import SourceError

ARRAYS: Final = {
    "ids": "",  # by the size of the vocabulary
    "turn_starts": "<i8",
    "turn_roles": "u1",
    "turn_rows": "<i8",
    "row_turns": "<i8",
    "row_kinds": "<u4",
    "row_ids": "u1",
}
_KIND_COLUMNS: Final = ("source", "dataset", "language", "task", "split")
ID_BYTES: Final = 16


class Kind(NamedTuple):
    """What rows have in common."""

    source: str
    dataset: str
    language: str
    task: str
    split: str


def dtype_of(name: str, vocabulary: int) -> np.dtype[Any]:
    """Of an array; ids are the smallest kind of number that holds every id of a vocabulary of this size."""
    return np.dtype(ARRAYS[name] or ("<u2" if vocabulary <= 1 << 16 else "<u4"))


class Layout:
    """Appends batches to the arrays of a store."""

    def __init__(self, out: Mapping[str, BinaryIO], vocabulary: int) -> None:
        self._out, self._vocabulary = out, vocabulary
        self.rows = self.turns = self.tokens = 0
        self.kinds: dict[Kind, int] = {}
        for name in ("turn_starts", "row_turns"):
            self._write(name, np.zeros(1))

    @property
    def sizes(self) -> dict[str, int]:
        return {
            "ids": self.tokens,
            "turn_starts": self.turns + 1,
            "turn_roles": self.turns,
            "turn_rows": self.turns,
            "row_turns": self.rows + 1,
            "row_kinds": self.rows,
            "row_ids": self.rows * ID_BYTES,
        }

    def add(self, batch: pa.RecordBatch, path: Path) -> None:
        turns_of_row = batch.column("tokens").value_lengths().to_numpy(zero_copy_only=False)
        turns = batch.column("tokens").flatten()
        roles = batch.column("roles")
        if not np.array_equal(turns_of_row, roles.value_lengths().to_numpy(zero_copy_only=False)):
            raise SourceError(f"{path}: a row has not as many roles as turns: the shard is damaged")
        ids = turns.flatten().to_numpy()
        if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < self._vocabulary:
            raise SourceError(
                f"{path}: an id is not among the {self._vocabulary} of the tokenizer: the shard is damaged"
            )
        lengths = turns.value_lengths().to_numpy(zero_copy_only=False)
        self._write("ids", ids)
        self._write("turn_starts", self.tokens + np.cumsum(lengths, dtype=np.int64))
        self._write("turn_roles", _codes(roles.flatten(), ROLES, path))
        self._write("turn_rows", self.rows + np.repeat(np.arange(batch.num_rows), turns_of_row))
        self._write("row_turns", self.turns + np.cumsum(turns_of_row, dtype=np.int64))
        self._write("row_kinds", self._kinds(batch))
        self._write("row_ids", _id_bytes(batch.column("id").to_pylist(), path))
        self.rows, self.turns, self.tokens = self.rows + batch.num_rows, self.turns + len(turns), self.tokens + ids.size

    def _write(self, name: str, values: npt.NDArray[Any]) -> None:
        self._out[name].write(values.astype(dtype_of(name, self._vocabulary), copy=False).tobytes())

    def _kinds(self, batch: pa.RecordBatch) -> npt.NDArray[np.uint32]:
        """The number of each row's kind; new kinds are added to the table."""
        names = [name for name in _KIND_COLUMNS if name in batch.schema.names]
        columns = [batch.column(name).dictionary_encode() for name in names]
        codes = np.stack([column.indices.to_numpy() for column in columns], axis=1)
        found, inverse = np.unique(codes, axis=0, return_inverse=True)
        table = np.empty(len(found), np.uint32)
        for index, code in enumerate(found):
            values = {
                name: column.dictionary[int(number)].as_py()
                for name, column, number in zip(names, columns, code, strict=True)
            }
            kind = Kind(*(values.get(name) or "" for name in _KIND_COLUMNS))
            table[index] = self.kinds.setdefault(kind, len(self.kinds))
        return table[inverse.reshape(-1)]


def _codes(column: pa.Array, names: Sequence[str], path: Path) -> npt.NDArray[np.uint8]:
    """The number of each value in `names`."""
    encoded = column.dictionary_encode()
    values = encoded.dictionary.to_pylist()
    strange = [value for value in values if value not in names]
    if strange:
        raise SourceError(f"{path}: a turn has the role {strange[0]!r}; expected {', '.join(names)}")
    table = np.array([names.index(value) for value in values], np.uint8)
    codes: npt.NDArray[np.uint8] = table[encoded.indices.to_numpy()]
    return codes


def _id_bytes(ids: Sequence[str], path: Path) -> npt.NDArray[np.uint8]:
    try:
        found = bytes.fromhex("".join(ids))
    except ValueError:
        found = b""
    if len(found) != len(ids) * ID_BYTES:
        raise SourceError(f"{path}: an id is not 32 hex digits: the shard is damaged")
    return np.frombuffer(found, np.uint8)
