"""Token shards laid flat into memory-mapped arrays: any row, any turn, at once, without reading the rest.

    ids           uint16 or uint32 [tokens]   all turns of all rows, one after the other
    turn_starts   int64  [turns + 1]          where a turn begins in `ids`
    turn_roles    uint8  [turns]              number in collection.record.ROLES
    turn_rows     int64  [turns]              the row that a turn is of
    row_turns     int64  [rows + 1]           where a row begins among the turns
    row_kinds     uint32 [rows]               number in `kinds`
    row_ids       uint8  [rows, 16]           the record's id

A store is made once for each folder of shards, and known by the identity in that folder's manifest.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from collection import tokens
from collection.manifest import Manifest
from collection.store import batches, parts
from core import files
from core.errors import ConfigError, OutputError, SourceError, explain_os_error
from core.paths import is_remote, readable
from core.progress import Progress
from finetune.data.store_layout import ARRAYS, ID_BYTES, Kind, Layout, dtype_of

FORMAT: Final = 1
_ABOUT: Final = "about.json"


@dataclass(frozen=True)
class ExampleStore:
    """The rows of one folder of token shards. All arrays are memory-mapped and read-only."""

    folder: Path
    identity: str  # of the run that wrote the shards
    tokenizer: str  # sha256 of its model
    vocabulary: int  # its size
    kinds: tuple[Kind, ...]
    sizes: Mapping[str, int]  # of each array

    @property
    def rows(self) -> int:
        return self.sizes["row_kinds"]

    @property
    def turns(self) -> int:
        return self.sizes["turn_roles"]

    @cached_property
    def ids(self) -> npt.NDArray[Any]:
        return self._array("ids")

    @cached_property
    def turn_starts(self) -> npt.NDArray[np.int64]:
        return self._array("turn_starts")

    @cached_property
    def turn_roles(self) -> npt.NDArray[np.uint8]:
        return self._array("turn_roles")

    @cached_property
    def turn_rows(self) -> npt.NDArray[np.int64]:
        return self._array("turn_rows")

    @cached_property
    def row_turns(self) -> npt.NDArray[np.int64]:
        return self._array("row_turns")

    @cached_property
    def row_kinds(self) -> npt.NDArray[np.uint32]:
        return self._array("row_kinds")

    @cached_property
    def row_ids(self) -> npt.NDArray[np.uint8]:
        return self._array("row_ids").reshape(-1, ID_BYTES)

    def _array(self, name: str) -> npt.NDArray[Any]:
        dtype = dtype_of(name, self.vocabulary)
        if not self.sizes[name]:
            return np.empty(0, dtype)
        # As a plain array: every slice of a np.memmap is one again, which takes longer than the reading.
        return np.asarray(np.memmap(self.folder / f"{name}.bin", dtype, "r", shape=(self.sizes[name],)))

    def kind(self, turn: int) -> Kind:
        """Of the row that a turn is of."""
        return self.kinds[int(self.row_kinds[self.turn_rows[turn]])]

    def record_id(self, turn: int) -> str:
        """Of the row that a turn is of, as 32 hex digits."""
        return bytes(self.row_ids[self.turn_rows[turn]]).hex()

    def turn(self, number: int) -> npt.NDArray[Any]:
        """The ids of one turn."""
        return self.ids[self.turn_starts[number] : self.turn_starts[number + 1]]

    @classmethod
    def open(cls, shards: Path, cache: Path | None = None, progress: Progress | None = None) -> ExampleStore:
        """The store of a folder of token shards, made anew where there is none that fits.

        Args:
            shards: what `glotmill tokenizer encode` wrote.
            cache: where stores are kept; None: beside the shards.

        Raises:
            SourceError: the folder holds no finished token shards, or they are damaged.
            OutputError: the cache cannot be written.
        """
        manifest = Manifest.read(shards)
        if manifest.command != tokens.COMMAND:
            raise SourceError(
                f"{shards} holds what `glotmill {manifest.command}` wrote: expected token shards; "
                f"make them with `glotmill tokenizer encode --collection {shards}`"
            )
        folder = _home(shards, cache) / f"{shards.name}-{_identity(manifest)[:12]}"
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with taking_turns(folder):
                return cls._read(folder, manifest) or cls._make(folder, shards, manifest, progress or Progress.silent())
        except OSError as error:
            raise OutputError(
                f"{explain_os_error(error, f'cannot write the memory-mapped examples to {folder}')}; "
                "data.cache names another folder"
            ) from error

    @classmethod
    def _read(cls, folder: Path, manifest: Manifest) -> ExampleStore | None:
        """The store in a folder; None where there is none, or it is not what the manifest speaks of."""
        try:
            about = json.loads((folder / _ABOUT).read_text("utf-8"))
            store = cls(
                folder,
                about["identity"],
                about["tokenizer"],
                about["vocabulary"],
                tuple(Kind(*kind) for kind in about["kinds"]),
                about["sizes"],
            )
            fits = (
                about["format"] == FORMAT and store.identity == _identity(manifest) and store.rows == manifest.rows_out
            )
            whole = all((folder / f"{name}.bin").stat().st_size == store._bytes(name) for name in ARRAYS)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return store if fits and whole else None

    def _bytes(self, name: str) -> int:
        return self.sizes[name] * dtype_of(name, self.vocabulary).itemsize

    @classmethod
    def _make(cls, folder: Path, shards: Path, manifest: Manifest, progress: Progress) -> ExampleStore:
        """Lays the shards flat beside the store's place, and moves them there whole."""
        progress.note(f"laying out {manifest.rows_out:,} rows of {shards} in {folder}; this is done once")
        temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp")
        temporary.mkdir()
        try:
            with contextlib.ExitStack() as stack:
                layout = Layout(
                    {name: stack.enter_context(open(temporary / f"{name}.bin", "wb")) for name in ARRAYS},
                    manifest.config["vocabulary"],
                )
                with progress.watch(lambda: iter([(layout.rows, layout.rows)]), manifest.rows_out):
                    for path in parts(shards):
                        for batch in batches(path, _columns(path)):
                            layout.add(batch, path)
            if layout.rows != manifest.rows_out:
                raise SourceError(
                    f"{shards}: data/ holds {layout.rows} rows, its manifest says {manifest.rows_out}: "
                    "the folder is damaged"
                )
            about = {
                "format": FORMAT,
                "identity": _identity(manifest),
                "tokenizer": manifest.config["sha256"],
                "vocabulary": manifest.config["vocabulary"],
                "kinds": list(layout.kinds),
                "sizes": layout.sizes,
            }
            files.write_text(temporary / _ABOUT, json.dumps(about, ensure_ascii=False))
            shutil.rmtree(folder, ignore_errors=True)  # what stands there does not fit
            with contextlib.suppress(OSError):  # a file system without locks, and another process was faster
                temporary.rename(folder)
            store = cls._read(folder, manifest)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        if store is None:
            raise OutputError(f"{folder} changed while it was made: run the same command again")
        return store


def _home(shards: Path, cache: Path | None) -> Path:
    if cache is not None:
        return cache
    if is_remote(shards):
        raise ConfigError(f"data.cache: {shards} is in an object store; name a folder of this machine for its examples")
    return shards.with_name(f"{shards.name}.examples")


def _identity(manifest: Manifest) -> str:
    return str(manifest.run["identity"])


def _columns(path: Path) -> list[str]:
    """The columns to read of a shard: all that are needed, and those of older or newer shards that are there."""
    try:
        with readable(path) as source:
            found = set(pq.read_schema(source).names)
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    needed = ["id", "language", "source", "split", "roles", "tokens"]
    missing = [name for name in needed if name not in found]
    if missing:
        raise SourceError(
            f"{path} has no column {missing[0]!r}: expected a shard that `glotmill tokenizer encode` wrote"
        )
    return [*needed, *(name for name in ("dataset", "task") if name in found)]


@contextlib.contextmanager
def taking_turns(path: Path) -> Iterator[None]:
    """One process at a time; the others wait, and find what the first one made. Where files have no locks, all work."""
    with open(path.with_name(f".{path.name}.lock"), "w") as handle:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def shared_tokenizer(stores: Iterator[tuple[str, ExampleStore]], sha256: str) -> None:
    """ConfigError where shards were made by another tokenizer than the run's."""
    for name, store in stores:
        if store.tokenizer != sha256:
            raise ConfigError(
                f"data.sources {name!r} was encoded by another tokenizer ({store.tokenizer[:12]}) than the run's "
                f"({sha256[:12]}): run `glotmill tokenizer encode` with the run's tokenizer"
            )
