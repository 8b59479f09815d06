"""How densely languages write: characters that say what one character of English says.

Measured on the parallel sentences of SIB-200 (`benchmarks/tokenizing.py` makes `density.tsv` of them); for other
languages the figure of their script stands in. With it, tokens of different languages compare without parallel text.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable
from importlib import resources

from collection.languages import find


@functools.cache
def table() -> dict[str, float]:
    """Characters for one of English, by language."""
    text = resources.files("tokenizer").joinpath("density.tsv").read_text("utf-8")
    return {row["code"]: float(row["density"]) for row in csv.DictReader(text.splitlines(), delimiter="\t")}


def of(code: str) -> float:
    """Characters that say in this language what one character says in English; 1.0 where nothing is known."""
    if code in table():
        return table()[code]
    language = find(code)
    return language.script.density if language else 1.0


def english_characters(code: str, lines: Iterable[str]) -> float:
    """The length that lines would have in English, in characters."""
    return sum(map(len, lines)) / of(code)
