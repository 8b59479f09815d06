"""Parallel sentences: the same meaning in many languages, by a key.

FOLDER/.../<code>/*.tsv with `index_id` and `text`    SIB-200; all its splits together
FOLDER/<code>.txt, name.<code>.devtest, ...           a file a language with as many lines as every other: FLORES, NTREX
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from collection import labelled
from collection.languages import find
from glotmill.errors import SourceError

ENGLISH: Final = "eng_Latn"
Parallel = Mapping[str, Mapping[str, str]]


def read(path: Path) -> Parallel:
    """The sentences of each language by their key; SourceError where there are none, or none in English."""
    if not path.is_dir():
        raise SourceError(
            f"{path}: expected a folder of parallel sentences, with a file or a folder for every language"
        )
    texts = _tables(path) or _lines(path)
    if not texts:
        raise SourceError(
            f"{path} holds no parallel sentences: expected <code>/*.tsv with index_id and text, "
            "or a file for every language with as many lines in each"
        )
    if ENGLISH not in texts:
        raise SourceError(f"{path} has no English (eng_Latn), with which the other languages are compared")
    return texts


def _tables(path: Path) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = {}
    for file in sorted(path.rglob("*.tsv")):
        if language := find(file.parent.name):
            try:
                with open(file, encoding="utf-8-sig", newline="") as rows:
                    for row in csv.DictReader(rows, delimiter="\t"):
                        if row.get("index_id") and row.get("text"):
                            texts.setdefault(language.code, {})[row["index_id"]] = row["text"]
            except (OSError, UnicodeDecodeError, csv.Error) as error:
                raise SourceError(f"{file} cannot be read: {error}") from error
    return texts


def _lines(path: Path) -> dict[str, dict[str, str]]:
    try:
        found = {language.code: lines for language, lines in labelled.read(path)}
    except SourceError:
        return {}
    counts = {len(lines) for lines in found.values()}
    if len(counts) > 1:
        odd = sorted(found, key=lambda code: len(found[code]))
        raise SourceError(
            f"{path} is not parallel: {odd[0]} has {len(found[odd[0]])} lines, {odd[-1]} has {len(found[odd[-1]])}"
        )
    return {code: {str(number): line for number, line in enumerate(lines)} for code, lines in found.items()}
