"""Read bytes and lines of a file, decompressed, and keep everything before the end of a truncated file.

A library that meets the end of a truncated file throws away the bytes that it decoded last. `open_bytes` gives those
bytes, too, and then ends like any file. `fault` says that the file was truncated.
"""

from __future__ import annotations

import errno
import io
import lzma
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import pyarrow as pa

from core.paths import is_remote

COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4", ".xz": "xz"}
_FAULTS: Final = (OSError, EOFError, lzma.LZMAError)


def is_compressed(path: Path) -> bool:
    """Return whether the suffix of a file names a compression."""
    return path.suffix.lower() in COMPRESSIONS


def regular_size(path: Path) -> int:
    """Return the size of a file.

    Raises:
        OSError: The path is not a regular file, such as a device or a pipe, at which a reader would wait.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        if stat.S_ISDIR(status.st_mode) and not is_remote(path):
            os.listdir(path)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return status.st_size


class ByteStream(io.RawIOBase):
    """A readable stream of decompressed bytes. `fault` is the error that ended it too early, "" without one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._compression = COMPRESSIONS.get(path.suffix.lower())
        self._source = self._open()
        self._given = 0
        self.fault = ""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._compression is None

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        return self._source.tell()

    def readinto(self, buffer: Any) -> int:
        if self.fault:
            return 0
        try:
            data = self._source.read(len(buffer))
        except _FAULTS as error:
            self.fault = str(error)
            data = self._salvage(len(buffer))
        buffer[: len(data)] = data
        self._given += len(data)
        return len(data)

    def close(self) -> None:
        self._source.close()
        super().close()

    def _open(self) -> IO[bytes] | pa.NativeFile:
        source = self._path.open("rb") if is_remote(self._path) else self._path
        if self._compression is None:
            return open(self._path, "rb", buffering=0) if source is self._path else source
        if self._compression == "xz":
            return lzma.open(source)
        return pa.input_stream(source, compression=self._compression)

    def _salvage(self, most: int) -> bytes:
        """Return the decoded bytes between those given and the fault, by reading them one by one."""
        saved = bytearray()
        with self._open() as again:
            try:
                left = self._given
                while left:
                    left -= len(again.read(min(left, 1 << 20)))
                while len(saved) < most and (byte := again.read(1)):
                    saved += byte
            except _FAULTS:
                pass
        return bytes(saved)


def open_bytes(path: Path) -> tuple[io.BufferedReader, ByteStream]:
    """Open the decompressed bytes of a file; return a buffered reader and the stream below it, which has the fault."""
    stream = ByteStream(path)
    return io.BufferedReader(stream, 1 << 18), stream


def text_size(path: Path) -> int:
    """Return the size of a file in bytes once it is decompressed. A compressed one is read for it."""
    if not is_compressed(path):
        return path.stat().st_size
    with open_bytes(path)[0] as file:
        return sum(len(block) for block in iter(lambda: file.read(_BLOCK), b""))


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line over the limit: its size in bytes, and its beginning."""

    size: int
    head: bytes

    def describe(self, limit: int) -> str:
        """Say how long the line is, and what the limit is."""
        return f"a line of {self.size} bytes, over the limit of {limit}"


_BLOCK: Final = 1 << 18
_HEAD: Final = 1 << 20


def line_blocks(file: BinaryIO, left: int | None, limit: int) -> Iterator[list[bytes | LongLine]]:
    """Yield the lines that begin in the next `left` bytes (None: all), without line ends, in blocks of about 256 KiB.

    The last block holds the line in which the file or the slice ends. It is empty if that ends after a line end. A
    line over `limit` bytes is not kept in memory.
    """
    parts: list[bytes] = []  # of a line that has not ended yet
    held = 0

    def hold(part: bytes) -> None:
        nonlocal held
        held += len(part)
        if held <= limit:
            parts.append(part)
        elif sum(map(len, parts)) < _HEAD:
            parts.append(part[:_HEAD])

    def line() -> bytes | LongLine:
        return b"".join(parts) if held <= limit else LongLine(held, b"".join(parts))

    while left is None or left > 0:
        block = file.read(_BLOCK if left is None else min(_BLOCK, left))
        if not block:
            break
        if left is not None:
            left -= len(block)
        first, *others = block.split(b"\n")
        hold(first)
        if others:
            yield [line(), *others[:-1]]
            parts, held = [others[-1]], len(others[-1])
    if held and left == 0:  # the last line goes on after the slice
        while rest := file.readline(_BLOCK):
            hold(rest.removesuffix(b"\n"))
            if rest.endswith(b"\n"):
                break
    yield [line()] if held else []


def skip_line(file: BinaryIO) -> int:
    """Read to the end of the line; return the number of bytes read."""
    skipped = 0
    while part := file.readline(_BLOCK):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped
