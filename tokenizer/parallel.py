"""Parallel sentences: the same meaning in many languages, by a key.

FOLDER/.../<code>/*.tsv with `index_id` and `text`    SIB-200; all its splits together
FOLDER/<code>.txt, name.<code>.devtest, ...           a file a language, all with as many lines: FLORES, NTREX;
                                                      a line is empty where a language has no translation
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from collection import labelled
from collection.languages import find
from core import tables
from core.errors import SourceError

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
    for file in sorted(filter(labelled.is_table, path.rglob("*"))):
        if language := find(file.parent.name):
            for row in tables.rows(file, "tsv"):
                if row.data.get("index_id") and row.data.get("text"):
                    texts.setdefault(language.code, {})[row.data["index_id"]] = row.data["text"]
    return texts


def _lines(path: Path) -> dict[str, dict[str, str]]:
    """Files side by side: line by line, within a folder and one ending, so that dev and devtest are two sets."""
    sets: dict[str, dict[str, list[str]]] = {}
    names: dict[tuple[str, str], str] = {}
    for file in sorted(path.rglob("*")):
        if not file.is_file() or labelled.is_table(file) or file.name.startswith("tatoeba."):
            continue
        if language := labelled.language_of(file):
            place = file.relative_to(path)
            name = place.with_name(f"*{Path(tables.uncompressed_name(file)).suffix}").as_posix()
            names.setdefault((name, language.code), place.as_posix())
            sets.setdefault(name, {}).setdefault(language.code, []).extend(labelled.lines(file))
    texts: dict[str, dict[str, str]] = {}
    for name, found in sets.items():
        _check_lengths(path, {names[name, code]: len(lines) for code, lines in found.items()})
        for code, lines in found.items():
            keyed = {f"{name}:{number}": line for number, line in enumerate(lines, 1) if line.strip()}
            texts.setdefault(code, {}).update(keyed)
    return {code: lines for code, lines in texts.items() if lines}


def _check_lengths(path: Path, found: Mapping[str, int]) -> None:
    """SourceError that names the files with another number of lines than most."""
    [(usual, _)] = Counter(found.values()).most_common(1)
    odd = [f"{name} has {number} lines" for name, number in found.items() if number != usual]
    if odd:
        named = ", ".join(odd[:3]) + (f" and {len(odd) - 3} more differ" if len(odd) > 3 else "")
        raise SourceError(
            f"{path} is not parallel: {named}, where most have {usual}; "
            "expected a line for every sentence in each file, an empty one where a language has no translation"
        )
