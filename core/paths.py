"""Handle paths of this machine and of object stores: `s3://bucket/folder`, `gs://bucket/folder`, and others of fsspec.

A path of an object store is a UPath, which has all methods of pathlib.Path that glotmill uses. Where only a local file
will do, for example to map it into memory, `local` makes a copy.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import re
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import IO, Any, Final

import xxhash

from core.errors import MissingDependencyError, UserError

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+)://")
# The package that each scheme of fsspec needs, and the extra of glotmill that installs it.
_PACKAGES: Final = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"), "gs": ("gcsfs", "gcp"), "gcs": ("gcsfs", "gcp")}


def as_path(text: str | PurePath) -> Path:
    """Return the path that a text means: one of this machine, or, after `scheme://`, one of an object store.

    UserError for a scheme that nobody knows, or one whose package is not installed.
    """
    scheme = _SCHEME.match(str(text))
    if not scheme:
        return Path(text)
    if is_remote(text):
        return text  # type: ignore[return-value]
    if "::" in str(text) or not str(text)[scheme.end() :].strip("/"):
        raise UserError(f"{text} is not a path in an object store: expected {scheme[0]}BUCKET/FOLDER")
    return _remote_path(str(text), scheme[1])


def _remote_path(text: str, scheme: str) -> Path:
    from upath import UPath

    package, extra = _PACKAGES.get(scheme, ("", ""))
    try:
        # Other processes write to the store, too, so a cached listing may be out of date.
        options: Any = {"use_listings_cache": False} if package else {}
        path: Any = UPath(text, **options)
        path.fs  # noqa: B018 - imports what the file system needs
    except ImportError as error:
        if package:
            raise MissingDependencyError(package, extra, f"{scheme}:// paths") from error
        raise UserError(f"{text}: {error}") from error
    except ValueError as error:
        raise UserError(f"{text}: unknown file system {scheme}://; expected s3://, gs:// or a path") from error
    return path  # type: ignore[no-any-return]


def is_remote(path: object) -> bool:
    """Return whether a path is in an object store."""
    return not isinstance(path, str | PurePath)


def absolute(path: Path) -> str:
    """Return the path as text that means the same in every worker."""
    return str(path) if is_remote(path) else os.path.abspath(path)


def real(path: str | Path) -> str:
    """Return the path as text that is the same for all names of one file or folder."""
    path = as_path(path)
    if not is_remote(path):
        return os.path.realpath(path)
    protocol = path.fs.protocol  # type: ignore[attr-defined]
    parts = [part for part in path.path.split("/") if part]  # type: ignore[attr-defined]
    return f"{protocol if isinstance(protocol, str) else protocol[0]}://{'/'.join(parts)}"


def open_to_seek(path: Path) -> IO[bytes]:
    """Return a file opened to read some of its ranges. An object store sends only these ranges."""
    return path.open("rb", **({"cache_type": "none"} if is_remote(path) else {}))  # type: ignore[call-overload,no-any-return]


@contextlib.contextmanager
def readable(path: Path) -> Iterator[Any]:
    """Provide what a library for Arrow or Parquet reads: the path itself, or an open file of an object store."""
    if not is_remote(path):
        yield path
        return
    with path.open("rb") as file:
        yield file


def files_below(folder: Path) -> list[Path]:
    """Return every file below a folder, at any depth, sorted by name; nothing if there is no such folder.

    Characters such as * in the folder's name are not wildcards.
    """
    if not is_remote(folder):
        return sorted(path for path in folder.rglob("*") if not path.is_dir())
    root = folder.path.strip("/")  # type: ignore[attr-defined]
    objects = folder.fs.find(root, detail=True)  # type: ignore[attr-defined]
    names = [
        name[len(root) + 1 :]
        for name, told in objects.items()
        if name.startswith(root + "/") and not _marks_a_folder(name, told)
    ]
    return sorted(folder / name for name in names)


def _marks_a_folder(name: str, told: Any) -> bool:
    """Return whether an object exists only to make an empty folder visible."""
    return name.endswith("/") or str(told.get("Key", told.get("name", ""))).endswith("/") or told["type"] != "file"


def files_in(folder: Path, suffix: str = "") -> list[Path]:
    """Return the files directly in a folder with this suffix, sorted; nothing if there is no such folder."""
    return [path for path in files_below(folder) if path.parent == folder and path.name.endswith(suffix)]


def names_in(folder: Path) -> list[str]:
    """Return the names of the files and folders directly in a folder."""
    if not is_remote(folder):
        return sorted(path.name for path in folder.iterdir())
    return sorted({path.relative_to(folder).parts[0] for path in files_below(folder)})


def remove(path: Path) -> None:
    """Remove a file, or a folder with all its content. A missing path is not an error."""
    if is_remote(path):
        for file in [*files_below(path), path]:
            with contextlib.suppress(FileNotFoundError):
                file.fs.rm_file(file.path)  # type: ignore[attr-defined]
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def content_tag(path: Path) -> str:
    """Return 32 hex digits that identify an object's content, from the store's checksum, without reading the object."""
    info = path.fs.info(path.path)  # type: ignore[attr-defined]
    names = ("ETag", "md5Hash", "crc32c", "etag")
    tag = next((str(info[name]) for name in names if info.get(name)), None) or path.fs.ukey(path.path)  # type: ignore[attr-defined]
    return xxhash.xxh3_128_hexdigest(f"{info.get('size')} {tag}".encode())


def upload(source: Path, target: Path) -> None:
    """Upload a file of this machine to an object store, where it appears whole or not at all."""
    target.fs.put_file(str(source), target.path)  # type: ignore[attr-defined]


def local(path: Path) -> Path:
    """Return a file of this machine with the content of `path`: itself, or a temporary copy."""
    return _copies().of(path) if is_remote(path) else path


class _Copies:
    """Local copies of the objects used last, up to a number of bytes. A deleted copy stays readable while mapped."""

    _MOST_BYTES: Final = 8 << 30
    _KEPT_ANYWAY: Final = 16  # another thread may be opening them

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="glotmill-copies-"))
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, int] = OrderedDict()
        atexit.register(self._clear)

    def of(self, path: Path) -> Path:
        key = xxhash.xxh3_128_hexdigest(f"{path} {content_tag(path)}".encode())
        copy = self._folder / key
        with self._lock:
            if key not in self._kept:
                coming = self._folder / f"{key}.coming"
                path.fs.get_file(path.path, str(coming))  # type: ignore[attr-defined]
                coming.rename(copy)
                self._kept[key] = copy.stat().st_size
            self._kept.move_to_end(key)
            while len(self._kept) > self._KEPT_ANYWAY and sum(self._kept.values()) > self._MOST_BYTES:
                old, _ = self._kept.popitem(last=False)
                (self._folder / old).unlink(missing_ok=True)
        return copy

    def _clear(self) -> None:
        if os.getpid() == self._process:  # not in a child that was forked
            shutil.rmtree(self._folder, ignore_errors=True)


@functools.cache
def _copies() -> _Copies:
    return _Copies()
