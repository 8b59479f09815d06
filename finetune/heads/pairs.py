"""Pairs of a query and a document, as files hold them.

    jsonl       {"query", "document", "language"} and, where there are some, "document_language", "negatives" (texts),
                "document_id" (texts of one id count as one: a passage and its translation; where either side may
                be the query, it is the id of both), "split"
    tsv         two columns, one pair a line
    tatoeba     a folder of `NAME.xxx-yyy.xxx` and `NAME.xxx-yyy.yyy`, whose lines belong together
    collection  of `glotmill build`: each assistant's turn answers the user's turn before it

A row without a text on either side is no pair; it is counted, as is all else that is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from collection import store
from collection.languages import find
from core import tables
from core.errors import ConfigError, SourceError
from core.paths import as_path
from finetune.heads.config import PairSource

TRAIN, VALIDATION, TEST = "train", "validation", "test"
_SPLITS: Final = {"": TRAIN, "train": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "dev": VALIDATION}
_PARALLEL: Final = re.compile(r"(?:.*\.)?(\w+)-(\w+)\.(\w+)")
NO_TEXT, WRONG_LANGUAGE, OF_TEST = "without text", "of other languages", "of a test split"


@dataclass(frozen=True)
class TextPair:
    """A query, the document that answers it, and documents that do not."""

    query: str
    document: str
    query_language: str
    document_language: str
    negatives: tuple[str, ...] = ()
    document_id: str = ""
    split: str = TRAIN


@dataclass
class PairReader:
    """Reads one source; `left_out` counts the rows that are no pairs of it, by reason."""

    source: PairSource
    left_out: Counter[str] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[TextPair]:
        """SourceError where a file is not what it was said to be."""
        read = {"jsonl": _jsonl, "tsv": _tsv, "tatoeba": _tatoeba, "collection": _collection}[self.source.form]
        path = as_path(self.source.path)
        if not path.exists():
            raise SourceError(f"head.pairs {self.source.label!r}: there is nothing at {path}")
        only, without = ({code_of(name) for name in names} for names in (self.source.languages, self.source.without))
        for pair in read(path, self.source):
            sides = {pair.query_language, pair.document_language}
            if not pair.query.strip() or not pair.document.strip():
                self.left_out[NO_TEXT] += 1
            elif sides & without or (only and not sides & only):
                self.left_out[WRONG_LANGUAGE] += 1
            elif pair.split == TEST:
                self.left_out[OF_TEST] += 1
            else:
                yield pair


def code_of(spelling: str) -> str:
    """The code of a language; what the table does not know stays as it is spelled."""
    known = find(spelling)
    return known.code if known else spelling


def _jsonl(path: Path, source: PairSource) -> Iterator[TextPair]:
    return (_of_row(row, source, at) for at, row in _rows(path, "jsonl"))


def _of_row(row: Mapping[str, Any], source: PairSource, at: str) -> TextPair:
    language = _text(row, "language", at) or _text(row, "query_language", at) or source.query_language
    if not language:
        raise SourceError(f"{at}: no language: expected the key `language`, or query_language in the configuration")
    own = _text(row, "document_language", at) or source.document_language or language
    negatives = row.get("negatives") or []
    if not isinstance(negatives, list) or not all(isinstance(one, str) for one in negatives):
        raise SourceError(f"{at}: negatives: expected a list of strings")
    document_id = row.get("document_id")
    return TextPair(
        _text(row, "query", at),
        _text(row, "document", at),
        code_of(language),
        code_of(own),
        tuple(one for one in negatives if one.strip()),
        "" if document_id is None else str(document_id),
        _split(_text(row, "split", at)),
    )


def _text(row: Mapping[str, Any], key: str, at: str) -> str:
    value = row.get(key)
    if value is not None and not isinstance(value, str):
        raise SourceError(f"{at}: {key} is {type(value).__name__}: expected a string")
    return value or ""


def _split(name: str) -> str:
    return _SPLITS.get(name.lower(), TEST)


def _tsv(path: Path, source: PairSource) -> Iterator[TextPair]:
    languages = code_of(source.query_language), code_of(source.document_language)
    for at, row in _rows(path, "lines"):
        columns = row["text"].split("\t")
        if len(columns) < 2 and row["text"].strip():
            raise SourceError(f"{at}: one column: expected two, with a tab between")
        yield TextPair(columns[0], columns[1] if len(columns) > 1 else "", *languages)


def _tatoeba(path: Path, source: PairSource) -> Iterator[TextPair]:
    if not path.is_dir():
        raise SourceError(f"{path} is a file: expected a folder of files NAME.xxx-yyy.xxx")
    pairs: dict[tuple[str, str, str], dict[str, Path]] = {}
    for file in sorted(path.iterdir()):
        name = Path(tables.uncompressed_name(file))
        if (found := _PARALLEL.fullmatch(name.name)) and found[3] in (found[1], found[2]):
            pairs.setdefault((name.stem, found[1], found[2]), {})[found[3]] = file
    if not pairs:
        raise SourceError(f"{path} holds no parallel text: expected files NAME.xxx-yyy.xxx and NAME.xxx-yyy.yyy")
    for (stem, one, other), files in pairs.items():
        if len(files) < 2:
            raise SourceError(f"{path / stem} has one side only: expected {one} and {other}")
        sides = [_lines(files[name]) for name in (one, other)]
        if len(sides[0]) != len(sides[1]):
            raise SourceError(f"{path / stem}: {len(sides[0]):,} and {len(sides[1]):,} lines: expected as many")
        codes = code_of(one), code_of(other)
        for query, document in zip(*sides, strict=True):
            yield TextPair(query, document, *codes)


def _collection(path: Path, source: PairSource) -> Iterator[TextPair]:
    del source
    if not store.parts(path):
        raise SourceError(f"{path} holds no part of a collection: expected what `glotmill build` or `ingest` wrote")
    for record in store.records(path):
        for before, message in zip(record.messages, record.messages[1:], strict=False):
            if (before.role, message.role) == ("user", "assistant"):
                split = _split(record.split)
                yield TextPair(before.content, message.content, record.language, record.language, split=split)


def _rows(path: Path, format: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a file, each with its location."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder: expected a file of pairs; head.pairs' form says what a folder holds")
    return ((f"{path}, line {row.number}", row.data) for row in tables.rows(path, format))


def _lines(path: Path) -> list[str]:
    return [row["text"] for _, row in _rows(path, "lines")]
