"""Write files that appear whole or not at all, and hash the content of files."""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import xxhash

from core.paths import content_tag, is_remote, upload

_CHUNK = 1 << 20


@contextlib.contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Open a temporary path beside `path`, which takes its place by one rename when the block ends without an error.

    For an object store it is one of this machine, and goes up in one piece.
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory(prefix="glotmill-") as folder:
            yield Path(folder) / path.name
            upload(Path(folder) / path.name, path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file in one piece."""
    with appearing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def content_hash(path: Path, start: int = 0, end: int | None = None) -> str:
    """Return xxh3-128 of the bytes of a file from `start` up to, not including, `end`, as 32 hex digits.

    An object is not read for this: the tag of its content in the store is used.
    """
    if is_remote(path):
        return content_tag(path)
    digest = xxhash.xxh3_128()
    with open(path, "rb") as file:
        file.seek(start)
        left = (os.fstat(file.fileno()).st_size if end is None else end) - start
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a killed run left in a folder."""
    if is_remote(folder):
        return  # temporary files of an object store are on this machine, outside the folder
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)
