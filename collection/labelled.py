"""Text whose language is known, in the layouts in which such sets are published: to judge language ID by.

FOLDER/.../<code>/train.tsv     SIB-200: a folder a language, a table with a `text` column
FOLDER/<code>.txt               a file a language, a sentence a line (also `name.<code>.txt`, `<code>.devtest`)
FOLDER/tatoeba.<code>-eng.<code>  Tatoeba's test sets
a folder that glotmill wrote     the last turn of every record
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from collection import store
from collection.languages import Language, find
from core import tables
from core.errors import SourceError


def read(path: Path, limit: int = 0) -> Iterator[tuple[Language, list[str]]]:
    """Yield the texts of each language, at most `limit` of each (0: all), in the order of the codes.

    SourceError where nothing is found.
    """
    if not path.is_dir():
        raise SourceError(f"{path}: expected a folder with a file or a folder for every language")
    pairs = _records(path) if (path / "manifest.json").exists() else _files(path)
    texts: dict[str, list[str]] = {}
    languages: dict[str, Language] = {}
    for language, text in pairs:
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
            texts = _table_texts if is_table(path) else _lines
            yield from ((language, text) for text in texts(path))


def language_of(path: Path) -> Language | None:
    """Return the language of a file by its name or its folder's, or None for a file without texts."""
    if is_table(path):
        return find(path.parent.name)
    name = Path(tables.uncompressed_name(path))
    if name.name.startswith("tatoeba."):
        pair, _, side = name.name.removeprefix("tatoeba.").rpartition(".")
        # Every language's folder has English, too. One copy is enough.
        return find(side) if side != "eng" or pair == "fra-eng" else None
    if name.suffix.lower() in (".txt", ".dev", ".devtest", ".test"):
        return find(name.stem) or find(name.stem.rpartition(".")[2])
    return None


def is_table(path: Path) -> bool:
    """Return whether a file is a table of texts, not lines of text."""
    return tables.format_of(path) == "tsv"


def _table_texts(path: Path) -> Iterator[str]:
    return (row.data["text"] for row in tables.rows(path, "tsv") if row.data.get("text"))


def _lines(path: Path) -> Iterator[str]:
    return filter(str.strip, lines(path))


def lines(path: Path) -> Iterator[str]:
    """Yield all lines of a file, also the empty ones."""
    return (row.data["text"] for row in tables.rows(path, "lines"))
