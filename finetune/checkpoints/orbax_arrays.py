"""Reading what Orbax wrote, one array after another, straight from TensorStore.

Orbax reads all at once and, where a file is damaged, leaves the other reads behind, each with a traceback of its own.
Here a damaged file is one error, and no more than one array is in flight.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.errors import SourceError

_METADATA: Final = "_METADATA"
_MANIFEST: Final = "manifest.ocdbt"


class Arrays:
    """The arrays of a folder by name, with slashes: their shapes are known when it is made."""

    def __init__(self, folder: Path) -> None:
        """SourceError where the folder is none that Orbax finished."""
        self._folder = folder
        try:
            metadata = json.loads((folder / _METADATA).read_text("utf-8"))
            names = [[str(key["key"]) for key in one["key_metadata"]] for one in metadata["tree_metadata"].values()]
            driver, packed = "zarr3" if metadata.get("use_zarr3") else "zarr", bool(metadata.get("use_ocdbt"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(error) from error
        self._stores = {"/".join(keys): self._open(".".join(keys), driver, packed) for keys in sorted(names)}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(store.shape) for name, store in self._stores.items()}

    def read(self, name: str, sharding: Any = None) -> Any:
        """In float32: a numpy array, or, with a sharding, a jax.Array of which each process reads its part."""
        store = self._stores[name]

        def part(index: Any) -> np.ndarray:
            return np.asarray(self._told(lambda: store[index].read().result()), np.float32)

        if sharding is None:
            return part(...)
        import jax

        return jax.make_array_from_callback(tuple(store.shape), sharding, part)

    def _open(self, name: str, driver: str, packed: bool) -> Any:
        import tensorstore

        place = str(self._folder.absolute())
        base = {"driver": "ocdbt", "base": {"driver": "file", "path": f"{place}/"}, "path": f"{name}/"}
        kvstore = base if packed else {"driver": "file", "path": f"{place}/{name}/"}
        return self._told(lambda: tensorstore.open({"driver": driver, "kvstore": kvstore}, open=True).result())

    def _told(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except Exception as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> SourceError:
        text = " ".join(str(error).split())
        return SourceError(f"the weights in {self._folder} are damaged or half-written: {text[:200]}")


def is_finished(folder: Path) -> bool:
    """Whether Orbax came to the end of writing it."""
    return all((folder / name).is_file() for name in (_METADATA, _MANIFEST))
