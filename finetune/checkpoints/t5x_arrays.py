"""Arrays of T5X's checkpoints that lie in TensorStore: zarr 2, gzip level 1, a folder a leaf."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.errors import SourceError

_META: Final = ".zarray"
# zarr's names of dtypes; bfloat16 has none there, and goes by its own.
_ZARR: Final = {"float32": "<f4", "float16": "<f2", "float64": "<f8", "int32": "<i4", "int64": "<i8"}


def is_spec(node: Any) -> bool:
    """Whether a node of the msgpack file stands for an array that lies elsewhere."""
    return isinstance(node, Mapping) and "driver" in node and ("kvstore" in node or "base" in node)


def read_spec(spec: Mapping[str, Any], folder: Path, name: str) -> np.ndarray:
    """The array that a spec of `folder/checkpoint` stands for; SourceError where it is missing or damaged.

    Whatever file system it was written to, it is looked for beside the msgpack file, by the spec's path or its name.
    """
    base = spec.get("base", spec)
    store = base.get("kvstore") or {}
    told = str(store.get("path") or base.get("path") or name).strip("/")
    candidates = [folder / told.rpartition("/")[2], folder / told, folder / name]
    place = next((path for path in candidates if path.is_dir()), None)
    if place is None:
        raise SourceError(
            f"{folder} lacks {candidates[0].name}, which its checkpoint file names: the copy is not complete"
        )
    metadata = _metadata(base, place)
    _check_chunks(place, metadata)
    import tensorstore

    asked = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{place.absolute()}/"},
        "metadata": metadata,
        "open": True,
        "assume_metadata": not (place / _META).is_file(),
    }
    try:
        return np.asarray(tensorstore.open(asked).result().read().result())
    except Exception as error:
        raise SourceError(f"{place} is damaged or cut short: {' '.join(str(error).split())[:200]}") from error


def _metadata(base: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """zarr's metadata: the file's, or what the spec says, completed."""
    if (place / _META).is_file():
        try:
            values: dict[str, Any] = json.loads((place / _META).read_text("utf-8"))
            return values
        except (OSError, ValueError) as error:
            raise SourceError(f"{place / _META} cannot be read: {error}") from error
    told = base.get("metadata") or {}
    if "shape" not in told:
        raise SourceError(f"{place} has no {_META}, and its checkpoint file does not say its shape")
    shape = [int(size) for size in np.asarray(told["shape"]).reshape(-1)]
    chunks = [int(size) for size in np.asarray(told.get("chunks", shape)).reshape(-1)]
    return _complete(shape, chunks, str(base.get("dtype", "float32")), told.get("compressor"))


def _complete(shape: list[int], chunks: list[int], dtype: str, compressor: Any) -> dict[str, Any]:
    gzip = {"id": "gzip", "level": int((compressor or {}).get("level", 1))}
    return {
        "zarr_format": 2,
        "shape": shape,
        "chunks": chunks,
        "dtype": _ZARR.get(dtype, dtype),
        "compressor": gzip,
        "fill_value": None,
        "filters": None,
        "order": "C",
        "dimension_separator": ".",
    }


def _check_chunks(place: Path, metadata: Mapping[str, Any]) -> None:
    """A chunk that is missing would be read as zeros; it may be, where metadata says what fills it."""
    if metadata.get("fill_value") is not None:
        return
    counts = [-(-size // chunk) for size, chunk in zip(metadata["shape"], metadata["chunks"], strict=True)]
    separator = metadata.get("dimension_separator", ".")
    for index in np.ndindex(*counts):
        chunk = place / (separator.join(map(str, index)) or "0")
        if not chunk.is_file():
            raise SourceError(f"{place} lacks its chunk {chunk.name}: the copy is not complete")


def write_array(array: np.ndarray, folder: Path, name: str) -> dict[str, Any]:
    """Writes an array below `folder`; the spec that stands for it in the msgpack file."""
    import tensorstore

    shape = [int(size) for size in array.shape]
    metadata = _complete(shape, _chunks(shape, array.itemsize), array.dtype.name, None)
    asked = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": f"{(folder / name).absolute()}/"},
        "metadata": metadata,
        "create": True,
    }
    tensorstore.open(asked).result().write(array).result()
    return {
        "driver": "zarr",
        "dtype": array.dtype.name,
        "kvstore": {"driver": "file", "path": name},
        "metadata": {
            "chunks": np.asarray(metadata["chunks"]),
            "compressor": {"id": "gzip", "level": 1},
            "shape": np.asarray(shape),
        },
    }


_CHUNK_BYTES: Final = 64 << 20


def _chunks(shape: list[int], itemsize: int) -> list[int]:
    """The whole, halved along its longest axis until a chunk is small enough."""
    chunks = list(shape)
    while np.prod(chunks, dtype=np.int64) * itemsize > _CHUNK_BYTES:
        longest = int(np.argmax(chunks))
        chunks[longest] = -(-chunks[longest] // 2)
    return chunks
