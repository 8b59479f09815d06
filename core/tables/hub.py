"""Read data sets of the Hugging Face hub, or local folders in the hub's layout, streamed through `datasets`.

hf://CohereForAI/aya_dataset                       all splits of the default configuration
hf://CohereForAI/aya_collection_language_split?config=swahili&split=train&revision=<commit>
hf:///data/aya_dataset                             the same, from a local copy
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import xxhash

from core import files
from core.errors import GlotmillError, MissingDependencyError, SourceError
from core.tables.reader import Batch, TableReader, batched
from core.tables.row import BadRow, Row, RowFault, Slice, bad_row, first_line

PREFIX: Final = "hf://"
_KEYS: Final = ("config", "split", "revision")


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A data set on the hub. An empty `split` means all splits, an empty `config` the default one."""

    name: str
    config: str = ""
    split: str = ""
    revision: str = ""

    def __str__(self) -> str:
        query = "&".join(f"{key}={getattr(self, key)}" for key in _KEYS if getattr(self, key))
        return f"{PREFIX}{self.name}" + (f"?{query}" if query else "")


def parse_address(text: str) -> HubAddress:
    """Return the address that `hf://NAME?config=...` means; SourceError for unknown keys."""
    parts = urlsplit(text)
    name = (parts.netloc + parts.path).rstrip("/")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    unknown = [key for key in query if key not in _KEYS]
    if unknown or not name:
        raise SourceError(f"{text!r}: expected hf://NAME, or hf://NAME?config=...&split=...&revision=...")
    return HubAddress(name, **query)


def pinned(address: HubAddress) -> tuple[HubAddress, str]:
    """Return the address at its present commit, and the id of that content: the commit, or a local folder's hash.

    A branch may move between a stopped run and its resume; a commit does not.
    """
    folder = Path(address.name)
    if folder.is_dir():
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        digest = xxhash.xxh3_128()
        for path in paths:
            digest.update(f"{path.relative_to(folder).as_posix()}\0{files.content_hash(path)}\n".encode())
        return address, digest.hexdigest()
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise _missing() from error
    with _source_errors(address):
        commit = HfApi().dataset_info(address.name, revision=address.revision or None).sha
    return replace(address, revision=commit or address.revision), commit or ""


def is_address(path: str) -> bool:
    """Return whether a path means a data set on the hub."""
    return path.startswith(PREFIX)


def downloaded(address: HubAddress) -> Path:
    """Return the folder with all files of a data set, downloaded unless it is in the cache."""
    if Path(address.name).is_dir():
        return Path(address.name)
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise _missing() from error
    try:
        return Path(snapshot_download(address.name, repo_type="dataset", revision=address.revision or None))
    except Exception as error:
        raise SourceError(
            f"{address} cannot be fetched: {first_line(error)}; a downloaded copy can be named by its path"
        ) from None


def splits_of(address: HubAddress) -> list[tuple[str, int]]:
    """Return each split to be read, and the number of shards that its files allow."""
    with _source_errors(address):
        return [(split, max(1, stream.num_shards)) for split, stream in _load(address).items()]


@contextlib.contextmanager
def _source_errors(address: HubAddress) -> Iterator[None]:
    """Raise any error of `datasets`, its builders or its network as a SourceError."""
    try:
        yield
    except GlotmillError:
        raise
    except Exception as error:
        message = first_line(error) or "no details"
        raise SourceError(f"{address}: {type(error).__name__}: {message}") from error


class HubReader(TableReader):
    """Reads the rows of one shard of a split: `start` is its number, `end` the number of shards."""

    is_text = False

    def batches(self, part: Slice) -> Iterator[Batch]:
        return batched(_rows(part))


def _rows(part: Slice) -> Iterator[Row | BadRow]:
    number = 0
    try:
        for data in rows(part.path, part.start, part.end):
            number += 1
            if isinstance(data, dict):
                yield Row(data, None, number)
            else:
                yield bad_row(part, RowFault.NOT_A_ROW, number, str(type(data)))
    except Exception as error:
        # datasets passes on whatever its readers and its network raise.
        detail = f"{part.name}: {type(error).__name__}: {first_line(error)}"
        yield bad_row(part, RowFault.UNREADABLE_FILE, number + 1, detail)


def rows(address: str, index: int, count: int) -> Iterator[Any]:
    """Yield the rows of shard `index` of `count` of one split."""
    parsed = parse_address(address)
    stream = _load(parsed)[parsed.split]
    yield from stream.shard(num_shards=count, index=index) if count > 1 else stream


def _load(address: HubAddress) -> dict[str, Any]:
    try:
        import datasets
    except ImportError as error:
        raise _missing() from error
    loaded = datasets.load_dataset(
        address.name,
        name=address.config or None,
        split=address.split or None,
        revision=address.revision or None,
        streaming=True,
    )
    return {address.split: loaded} if address.split else dict(loaded)


def _missing() -> MissingDependencyError:
    return MissingDependencyError("datasets", "data", "reading hf:// sources")
