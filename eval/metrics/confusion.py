"""Language confusion: does a model answer in the language it was asked in, by answer, by line and by word? And does it
refuse?

By answer and by line a detector tells, and the script must be the language's: Serbian in Latin letters is no answer in
Cyrillic ones. Of a language that the detector cannot name nothing is told. By word: the share of letters that are of
the language's script, where that is not Latin's: English words among Arabic ones show, whether or not a script parts
its words; among Spanish ones no script tells them. Code between fences is in no language and left out.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from collection.languages import Language
from collection.refusals import find_refusal
from collection.scripts import dominant_script

METRICS: Final = ("right_language", "right_language_lines", "right_language_words")
_FEWEST: Final = 12  # letters that a line must have for its language to be told
_FENCED: Final = re.compile(r"^[ \t]*(```+|~~~+).*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
# Scripts that a language's writing takes letters of.
_TOGETHER: Final[Mapping[str, frozenset[str]]] = {
    "Jpan": frozenset({"Jpan", "Hani"}),
    "Hang": frozenset({"Hang", "Hani"}),
    "Hans": frozenset({"Hani"}),
    "Hant": frozenset({"Hani"}),
}


def statistics(answer: str, language: Language, detector: Any) -> Mapping[str, Sequence[float]]:
    """Of an answer, each from 0 to 1; what cannot be told is left out.

    An answer without a letter, empty or of digits, is in no language: 0 by answer, and nothing by line and by word. So
    is one in which the detector finds no language. An answer of nothing but code is left out, and so are lines of fewer
    than twelve letters.
    """
    prose = _FENCED.sub("", answer)
    letters = [c for c in prose if c.isalpha()]
    if not letters and any(map(str.isalpha, answer)):
        return {}
    found: dict[str, Sequence[float]] = {}
    if detector.knows(language):
        found["right_language"] = (float(bool(letters) and _speaks(prose, language, detector)),)
        lines = [line for line in prose.splitlines() if sum(map(str.isalpha, line)) >= _FEWEST]
        if lines:
            found["right_language_lines"] = (sum(_speaks(line, language, detector) for line in lines) / len(lines),)
    scripts = [one for c in letters if (one := _script_of(c)) is not None]
    if scripts and language.script.code != "Latn":
        found["right_language_words"] = (sum(_alike(one, language) for one in scripts) / len(scripts),)
    return found


def refuses(answer: str) -> float:
    """1 where an answer is a refusal, by the phrases of collection.refusals."""
    return float(find_refusal(answer) is not None)


def _speaks(text: str, language: Language, detector: Any) -> bool:
    """Whether a text is in a language, as far as detectors tell relatives apart, and in its script."""
    told = detector.detect(text).language
    script = dominant_script(text)
    if told is None or told.group != language.group or script is None or not _alike(script, language):
        return False
    other = {"Hans": "Hant", "Hant": "Hans"}.get(language.script.code)
    return other is None or han_form(text) != other


def han_form(text: str) -> str | None:
    """Hans or Hant: which form more of its characters have alone; None where they tell nothing.

    By the character sets of China and Taiwan, which hold one form each: detectors take short texts for either.

    >>> han_form("今天天气很好，孩子们在玩"), han_form("孩子們在玩"), han_form("你好")
    ('Hans', 'Hant', None)
    """
    forms = [form for c in text if (form := _form_of(c))]
    simplified = forms.count("Hans")
    if 2 * simplified == len(forms):
        return None
    return "Hans" if 2 * simplified > len(forms) else "Hant"


@functools.lru_cache(maxsize=16_384)
def _form_of(c: str) -> str | None:
    simplified, traditional = _is_in(c, "gb2312"), _is_in(c, "big5")
    if simplified == traditional or dominant_script(c) != "Hani":
        return None
    return "Hans" if simplified else "Hant"


def _is_in(c: str, charset: str) -> bool:
    try:
        c.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


@functools.lru_cache(maxsize=16_384)
def _script_of(c: str) -> str | None:
    return dominant_script(c)


def _alike(script: str, language: Language) -> bool:
    """Whether a script is one that a language is written in: Japanese and Korean take Han characters, too."""
    expected = language.script.code
    return script in _TOGETHER.get(expected, {expected})
