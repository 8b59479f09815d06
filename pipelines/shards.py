"""Plan shard tasks from paths: which files are read, how they are cut, in which order.

The plan depends only on the input, not on the machine. So the output has the same parts on every machine.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import xxhash

from collection.manifest import Input
from collection.store import part_name
from core import files
from core.errors import SourceError, explain_os_error
from core.paths import absolute, as_path, files_below, is_remote
from core.tables import FORMATS, Slice, format_of, hub
from core.tables.encoding import encoding_of, marked_encoding
from core.tables.reader import cut_evenly
from core.tables.streams import is_compressed, regular_size

_LEAST, _MOST, _WANTED_SHARDS = 4 << 20, 64 << 20, 16
# A compressed file holds about this many times the bytes that its size says.
_COMPRESSED = 4


@dataclass(frozen=True, slots=True)
class SourceSlice:
    """A slice and the number of its source. `weight` is about its size in bytes of JSON lines."""

    source: int
    slice: Slice
    weight: int
    hash: str


@dataclass(frozen=True, slots=True)
class ShardTask:
    """The work that one worker does as a unit and writes as one part. `key` is the hash of its input."""

    index: int
    count: int
    slices: tuple[SourceSlice, ...]
    key: str

    @property
    def name(self) -> str:
        """The name of its marker: that of its part, and its key."""
        return f"{part_name(self.index, self.count).removesuffix('.parquet')}-{self.key}"


@dataclass(frozen=True)
class Plan:
    """All shard tasks of a run, the files that they read, and the files next to them that are ignored."""

    tasks: tuple[ShardTask, ...]
    inputs: tuple[Input, ...]
    weight: int
    ignored: tuple[str, ...]


def plan(paths: Sequence[tuple[str, str]]) -> Plan:
    """Return the plan for sources given as (path, encoding); SourceError for a path without readable files."""
    paths = [(path, encoding_of(encoding)) for path, encoding in paths]
    ignored: list[str] = []
    listings = [[] if hub.is_address(path) else _files(path, ignored) for path, _ in paths]
    total = sum(_weight(file) for listing in listings for file, _ in listing)
    target = min(_MOST, max(_LEAST, total // _WANTED_SHARDS))
    slices: list[SourceSlice] = []
    inputs: list[Input] = []
    for source, ((path, encoding), listing) in enumerate(zip(paths, listings, strict=True)):
        if hub.is_address(path):
            slices += (hub_slices := _hub_slices(source, path))
            inputs += [Input(piece.slice.path, 0, piece.hash) for piece in hub_slices]
        for file, name in listing:
            try:
                size, digest = regular_size(file), files.content_hash(file)
                cut = _cut(file, name, encoding, target)
            except OSError as error:
                size, digest, cut = 0, str(error.strerror), [(Slice(absolute(file), name, "unreadable"), 0)]
            inputs.append(Input(_printable(file), size, digest))
            slices += [SourceSlice(source, part, weight, digest) for part, weight in cut]
    return Plan(_tasks(slices, target), tuple(inputs), sum(piece.weight for piece in slices), tuple(ignored))


def _files(path: str, ignored: list[str]) -> list[tuple[Path, str]]:
    """Return the files that a path, folder or glob means, each with its name below the root, sorted by name.

    They include files and folders that cannot be opened: their reader reports the error.
    """
    root = as_path(path)
    if not is_remote(root):
        root = root.expanduser()
    if _printable(root) != root.as_posix():
        raise SourceError(f"{_printable(root)}: the name is not UTF-8: rename it, or give its parent folder")
    try:
        if root.is_dir():
            base, files_found = root, list(_objects(root) if is_remote(root) else _walk(root, (os.stat(root),)))
            problem = f"{path} is a folder without data files"
        elif root.exists() or not any(character in path for character in _WILD):
            regular_size(root)
            base, files_found = root.parent, [root]
            problem = f"{path} has no known format"
        else:
            base = _glob_base(root)
            files_found = [file for file in base.glob(root.relative_to(base).as_posix()) if not file.is_dir()]
            problem = f"no file matches {path}"
    except OSError as error:
        raise SourceError(explain_os_error(error, f"cannot read {path}")) from error
    readable = [file for file in files_found if format_of(file) or not file.exists() or file.is_dir()]
    if not readable:
        raise SourceError(
            f"{problem}: expected JSON lines, JSON, Parquet, CSV or TSV, plain or as gz, zst, bz2, xz, lz4"
        )
    left = set(files_found) - set(readable)
    ignored += sorted(_printable(file.relative_to(base)) for file in left if not _is_documentation(file))
    return sorted(((file, _printable(file.relative_to(base))) for file in readable), key=lambda pair: pair[1])


def _printable(file: Path) -> str:
    """Return a path as printable text, whatever the bytes of its name."""
    return os.fsencode(file.as_posix()).decode("utf-8", "backslashreplace")


def _objects(folder: Path) -> Iterator[Path]:
    """Yield every object below a folder of an object store except the hidden ones."""
    for file in files_below(folder):
        if not any(part.startswith(".") for part in file.relative_to(folder).parts):
            yield file


def _walk(folder: Path, above: tuple[os.stat_result, ...]) -> Iterator[Path]:
    """Yield every file below a folder except the hidden ones, and every folder and link that cannot be followed.

    A link back to one of the folders `above` is not followed: its files are found without it.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        if len(above) == 1:
            raise
        yield folder
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            inside = entry.stat() if entry.is_dir() else None
        except OSError:
            inside = None
        if inside is None:
            yield Path(entry.path)
        elif not any(os.path.samestat(inside, parent) for parent in above):
            yield from _walk(Path(entry.path), (*above, inside))


def _glob_base(pattern: Path) -> Path:
    """Return the folders of a glob before its first wildcard."""
    while any(character in pattern.as_posix() for character in _WILD):
        pattern = pattern.parent
    return pattern


_WILD: Final = "*?["


def _is_documentation(file: Path) -> bool:
    return file.suffix.lower() in (".md", ".py") or file.stem.upper() in (
        "README",
        "LICENSE",
        "NOTICE",
        "ORIGIN",
        "CHANGELOG",
    )


def _weight(file: Path) -> int:
    """Return about how many bytes of JSON lines a file holds."""
    try:
        size = file.stat().st_size
    except OSError:
        return 0
    if is_compressed(file):
        return size * _COMPRESSED
    format = format_of(file)
    return size * FORMATS[format].expansion if format else size


def _cut(file: Path, name: str, encoding: str, target: int) -> list[tuple[Slice, int]]:
    """Return a file's slices of about `target` bytes each, with their weights."""
    format = format_of(file) or "unreadable"
    reader, weight = FORMATS[format], _weight(file)
    encoding = (reader.is_text and marked_encoding(file)) or encoding
    spans = reader.spans(file, encoding, weight, math.ceil(weight / target))
    weights = [last - first for first, last in cut_evenly(weight, len(spans))]
    slices = [Slice(absolute(file), name, format, start, end, encoding) for start, end in spans]
    return list(zip(slices, weights, strict=True))


def _hub_slices(source: int, path: str) -> list[SourceSlice]:
    address, content = hub.pinned(hub.parse_address(path))
    slices = []
    for split, count in hub.splits_of(address):
        split_address = str(hub.HubAddress(address.name, address.config, split, address.revision))
        name = "/".join(filter(None, (address.name.rsplit("/", 1)[-1], address.config, f"{split}")))
        shards = [Slice(split_address, name, "hub", index, count) for index in range(count)]
        slices += [SourceSlice(source, shard, _LEAST, content) for shard in shards]
    return slices


def _tasks(slices: Sequence[SourceSlice], target: int) -> tuple[ShardTask, ...]:
    """Return tasks of neighbouring slices, of about the target weight each."""
    groups: list[list[SourceSlice]] = []
    weight = target
    for piece in slices:
        if weight >= target or (weight + piece.weight > 1.5 * target):
            groups.append([])
            weight = 0
        groups[-1].append(piece)
        weight += piece.weight
    return tuple(ShardTask(index, len(groups), tuple(group), _key(group)) for index, group in enumerate(groups))


def _key(slices: Sequence[SourceSlice]) -> str:
    named: list[Any] = [
        [p.source, p.slice.name, p.slice.format, p.slice.start, p.slice.end, p.slice.encoding, p.hash] for p in slices
    ]
    return xxhash.xxh3_128_hexdigest(json.dumps(named).encode())
