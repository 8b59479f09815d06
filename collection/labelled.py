"""Text whose language is known, in the layouts in which such sets are published: to judge language ID by.

FOLDER/.../<code>/train.tsv     SIB-200: a folder a language, a table with a `text` column
FOLDER/<code>.txt               a file a language, a sentence a line (also `name.<code>.txt`, `<code>.devtest`)
FOLDER/tatoeba.<code>-eng.<code>  Tatoeba's test sets
a folder that glotmill wrote     the last turn of every record
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from collection import store
from collection.languages import Language, find
from core.errors import SourceError


def read(path: Path, limit: int = 0) -> Iterator[tuple[Language, list[str]]]:
    """The texts of each language, at most `limit` of each (0: all), in the order of the codes.

    SourceError where nothing is found.
    """
    if not path.is_dir():
        raise SourceError(f"{path}: expected a folder with a file or a folder for every language")
    found = _records(path) if (path / "manifest.json").exists() else _files(path)
    texts: dict[str, list[str]] = {}
    languages: dict[str, Language] = {}
    for language, text in found:
        languages[language.code] = language
        texts.setdefault(language.code, []).append(text)
    if not texts:
        raise SourceError(
            f"{path}: no text in a known language; expected <code>/train.tsv, <code>.txt or tatoeba.<code>-eng.<code>"
        )
    for code in sorted(texts):
        yield languages[code], texts[code][:limit] if limit else texts[code]


def _records(folder: Path) -> Iterator[tuple[Language, str]]:
    for record in store.records(folder):
        if language := find(record.language):
            yield language, record.target


def _files(folder: Path) -> Iterator[tuple[Language, str]]:
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        if language := language_of(path):
            texts = _table_texts if path.suffix.lower() == ".tsv" else _lines
            try:
                yield from ((language, text) for text in texts(path))
            except (OSError, UnicodeDecodeError, csv.Error) as error:
                raise SourceError(f"{path} cannot be read: {error}") from error


def language_of(path: Path) -> Language | None:
    """The language of a file by its name or its folder's; None for a file that holds no texts."""
    suffix = path.suffix.lower()
    if suffix == ".tsv":
        return find(path.parent.name)
    if path.name.startswith("tatoeba."):
        pair, _, side = path.name.removeprefix("tatoeba.").rpartition(".")
        # English stands beside every language: once is enough.
        return find(side) if side != "eng" or pair == "fra-eng" else None
    if suffix in (".txt", ".dev", ".devtest", ".test"):
        return find(path.stem) or find(path.stem.rpartition(".")[2])
    return None


def _table_texts(path: Path) -> Iterator[str]:
    csv.field_size_limit(1 << 17)  # holds for the whole process: others may have raised it
    with open(path, encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row.get("text"):
                yield row["text"]


def _lines(path: Path) -> Iterator[str]:
    return filter(str.strip, lines(path))


def lines(path: Path) -> Iterator[str]:
    """All lines of a file, empty ones, too. Not splitlines: U+2028 and U+0085 end no line of such a file."""
    with open(path, encoding="utf-8-sig") as file:
        yield from (line.removesuffix("\n") for line in file)
