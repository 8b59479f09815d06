"""Find refusals: answers that decline, or speak of themselves as a machine, by their beginnings.

`refusals.tsv` holds such beginnings in some eighty languages, as models write them. Every answer is compared with all
of them, whatever its language, since a model often refuses in English. A refusal in other words, or in the middle of
an answer, is not found. An answer that begins like a refusal and then helps counts as one.

    >>> find_refusal("Lo siento, pero no puedo ayudarte con eso."), find_refusal("Seven.")
    ('lo siento, pero no', None)
"""

from __future__ import annotations

import csv
import functools
import re
import unicodedata
from importlib import resources
from typing import Final

# A greeting, or "Sure.", may stand before it.
_BEGINNING: Final = 120
_QUOTES: Final = str.maketrans({"’": "'", "‘": "'", "`": "'", "，": ",", "、": ",", "\u200c": "", "\xa0": " "})


def find_refusal(text: str) -> str | None:
    """Return the beginning of a refusal at the start of a sentence, early in a text, or None."""
    match = _pattern().search(_folded(text[:_BEGINNING]))
    return match[1] if match else None


@functools.cache
def phrases() -> tuple[tuple[str, str], ...]:
    """Every beginning that is known, with the ISO 639-3 code of its language."""
    text = resources.files("collection").joinpath("refusals.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple((row["language"], row["phrase"]) for row in rows)


@functools.cache
def _pattern() -> re.Pattern[str]:
    folded = sorted({_folded(phrase) for _, phrase in phrases()}, key=len, reverse=True)
    return re.compile(rf"(?:^|[.!?。！？।؟\n]\s*)\W{{0,3}}({'|'.join(map(re.escape, folded))})")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().translate(_QUOTES)
