"""Decode text in any encoding to a stream of UTF-8. Bytes that cannot be decoded stay invalid in their place."""

from __future__ import annotations

import codecs
import encodings.aliases
import io
from pathlib import Path
from typing import Any, Final

from core.errors import UnknownNameError
from core.tables.streams import ByteStream, open_bytes

UTF_8: Final = "utf-8"
_MARKS: Final = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    codecs.BOM_UTF8: UTF_8,
}
_CHUNK: Final = 1 << 18


def encoding_of(name: str) -> str:
    """Return the canonical name of an encoding; UnknownNameError if Python has no text encoding of that name."""
    try:
        "a".encode(name)
        canonical = codecs.lookup(name).name
    except (LookupError, ValueError):
        known = {alias.replace("_", "-") for alias in encodings.aliases.aliases}
        raise UnknownNameError("encoding", name, known, "expected a name that Python knows, such as utf-8") from None
    return UTF_8 if canonical == "utf-8-sig" else canonical


def marked_encoding(path: Path) -> str:
    """Return the encoding that a byte order mark at the start of the decompressed text names; "" without a mark."""
    with open_bytes(path)[0] as file:
        head = file.read(4)
    return next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), "")


def open_utf8(path: Path, encoding: str) -> tuple[io.BufferedReader, ByteStream]:
    """Open a file as UTF-8 text; return it with the stream below it.

    Text that cannot be decoded becomes bytes that are not valid UTF-8.
    """
    file, stream = open_bytes(path)
    return (file if encoding == UTF_8 else io.BufferedReader(_Recoded(file, encoding), _CHUNK)), stream


class _Recoded(io.RawIOBase):
    def __init__(self, file: io.BufferedReader, encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)(_KEEP_BAD_BYTES)
        self._begun = self._ended = False
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            data = self._file.read(_CHUNK)
            self._ended = not data
            self._ready = self._encoded(self._decoder.decode(data, self._ended))
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()

    def _encoded(self, text: str) -> bytes:
        if text and not self._begun:
            self._begun, text = True, text.removeprefix("\ufeff")
        try:
            return text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # some decoders give lone surrogates
            return text.encode("utf-8", "surrogatepass")


def _keep_bad_bytes(error: UnicodeError) -> tuple[str, int]:
    """Escape bad bytes as `surrogateescape` does. Bad bytes below 128, which UTF-16 can have, are escaped as 255."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) if byte >= 0x80 else "\udcff" for byte in bad), error.end


_KEEP_BAD_BYTES: Final = "glotmill-keep-bad-bytes"
codecs.register_error(_KEEP_BAD_BYTES, _keep_bad_bytes)
