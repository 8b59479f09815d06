"""The text that a tokenizer is trained on: collections, or plain files, as lines of known language.

Text comes in the order of its files, but nothing that is made of it may depend on that order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from collection import labelled, tokens
from collection.manifest import Input, Manifest
from collection.store import batches, parts
from core import files
from core.errors import SourceError
from core.tables.streams import open_bytes, text_size

# SentencePiece looks at a line as a whole: longer ones are cut, at a blank where there is one.
LINE: Final = 1_000
_READ: Final = 1 << 20

Heard = Callable[[int, int], None]


@dataclass(frozen=True)
class TextCounts:
    """What there is: bytes of text of each language, and lines that could not be read, by language."""

    bytes: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class TextFile:
    """One file of text; `language` is that of a plain file, "" for a part of a collection."""

    path: Path
    language: str = ""

    def inputs(self) -> Input:
        """How the file stands in a manifest."""
        return Input(str(self.path), self.path.stat().st_size, files.content_hash(self.path))

    def measure(self, found: TextCounts, prompts: bool) -> None:
        """Adds the bytes of text in this file to what was found."""
        if self.language:
            found.bytes[self.language] += text_size(self.path)
            return
        for language, contents in _contents(self.path, prompts):
            found.bytes[language] += pc.sum(pc.binary_length(contents)).as_py() or 0

    def lines(self, found: TextCounts, prompts: bool) -> Iterator[tuple[str, str]]:
        """Language and text of every line, cut to at most LINE characters. Lines that are no UTF-8 text are counted."""
        if not self.language:
            for language, contents in _contents(self.path, prompts):
                for content in contents.to_pylist():
                    for line in content.split("\n"):
                        for piece in cut(line):
                            yield language, piece
            return
        for raw in _raw_lines(self.path):
            try:
                line = raw.decode("utf-8").lstrip("\ufeff")
            except UnicodeDecodeError:
                line = "\0"
            if "\0" in line:  # no text has it; UTF-16 that is read as UTF-8 has it everywhere
                found.unreadable[self.language] += 1
                continue
            for piece in cut(line):
                yield self.language, piece


def sources(collections: Sequence[Path], text: Path | None) -> list[TextFile]:
    """The files of finished collections, their train splits alone, and of a folder of plain text.

    SourceError where there is nothing to read.
    """
    found = [TextFile(path) for folder in collections for path in _train_parts(folder)]
    if text is not None:
        found += _text_files(text)
    if not found:
        raise SourceError("there is no text to train on: expected --collection DIR or --text FOLDER with files in it")
    return found


def cut(line: str) -> Iterator[str]:
    """The line in pieces of at most LINE characters, nothing for an empty one."""
    line = line.strip()
    while len(line) > LINE:
        end = line.rfind(" ", LINE // 2, LINE)
        end = end if end > 0 else LINE
        yield line[:end]
        line = line[end:].lstrip(" ")
    if line:
        yield line


def _train_parts(folder: Path) -> list[Path]:
    if Manifest.read(folder).command == tokens.COMMAND:
        raise SourceError(f"{folder} holds tokens: expected a folder of records")
    # Below data/ a built collection has a folder a language, with a file a split.
    return [
        path
        for path in parts(folder)
        if path.parent.name == "data" or path.name.split("-")[0] not in ("validation", "test")
    ]


def _text_files(folder: Path) -> list[TextFile]:
    if not folder.is_dir():
        raise SourceError(f"{folder}: expected a folder with a file for every language, such as swh_Latn.txt")
    found = [
        TextFile(path, language.code)
        for path in _plain_files(folder)
        if (language := labelled.language_of(path)) and not labelled.is_table(path)
    ]
    if not found:
        names = sorted(path.name for path in folder.iterdir())[:3]
        raise SourceError(
            f"{folder} has no file named by a language ({', '.join(names) or 'it is empty'}): "
            "expected a file for every language, such as swh_Latn.txt; `glotmill languages` lists the codes"
        )
    return found


def passed_over(folder: Path) -> list[str]:
    """The files of a folder of plain text that are not read, since their names say no language."""
    read = {source.path for source in _text_files(folder)}
    return [path.relative_to(folder).as_posix() for path in _plain_files(folder) if path not in read]


def _plain_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _contents(path: Path, prompts: bool) -> Iterator[tuple[str, pa.Array]]:
    """Of each batch of a part, the turns of each language: the assistant's, or all."""
    for batch in batches(path, ["language", "messages"]):
        messages = batch.column("messages")
        turns = messages.flatten()
        rows = pc.list_parent_indices(messages)
        if not prompts:
            spoken = pc.equal(turns.field("role"), "assistant")
            turns, rows = turns.filter(spoken), rows.filter(spoken)
        contents, languages = turns.field("content"), batch.column("language").take(rows)
        for language in pc.unique(languages).to_pylist():
            yield language, contents.filter(pc.equal(languages, language))


_MOST_BYTES_OF_A_CHARACTER: Final = 4


def _raw_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file; a very long one comes in pieces, cut between characters."""
    try:
        file, stream = open_bytes(path)
        with file:
            if file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise SourceError(f"{path} is UTF-16: expected UTF-8, as `iconv -f UTF-16 -t UTF-8` makes of it")
            while raw := file.readline(_READ):
                for _ in range(_MOST_BYTES_OF_A_CHARACTER - 1):
                    if raw.endswith(b"\n") or raw[-1] < 0x80 or not (following := file.peek(1)[:1]):
                        break
                    if following[0] & 0xC0 != 0x80:  # a character begins: it belongs to the next piece
                        break
                    raw += file.read(1)
                yield raw.rstrip(b"\r\n")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    if stream.fault:
        raise SourceError(f"{path} ends too early: {stream.fault}")
