"""Bytes of a file, decompressed, with everything kept that comes before a cut.

A library that meets the end of a truncated file throws away what it decoded last. `open_bytes` gives those bytes too,
and then ends like any file; `fault` tells that it was cut.
"""

from __future__ import annotations

import io
import lzma
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa

COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".lz4": "lz4", ".xz": "xz"}
_FAULTS: Final = (OSError, EOFError, lzma.LZMAError)


class Stream(io.RawIOBase):
    """A readable stream of decompressed bytes. `fault` is what ended it too early, "" as long as nothing did."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._compression = COMPRESSIONS.get(path.suffix.lower())
        self._source = self._open()
        self._given = 0
        self.fault = ""

    def readable(self) -> bool:
        return True

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
        if self._compression is None:
            return open(self._path, "rb", buffering=0)
        if self._compression == "xz":
            return lzma.open(self._path)
        return pa.input_stream(self._path, compression=self._compression)

    def _salvage(self, most: int) -> bytes:
        """The decoded bytes between what was given and the fault, taken one by one."""
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


def open_bytes(path: Path) -> tuple[io.BufferedReader, Stream]:
    """A buffered reader over the decompressed bytes of `path`, and the stream beneath, which knows of faults."""
    stream = Stream(path)
    return io.BufferedReader(stream, 1 << 18), stream
