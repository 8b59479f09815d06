"""Language confusion: does a model answer in the language it was asked in, by answer, by line and by word? And does it
refuse?

By line: the share of lines that a detector finds in the language. By word: the share of words in the language's script,
where that is not Latin's: English words among Arabic ones show; among Spanish ones no script tells them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from collection.languages import Language
from collection.refusals import find_refusal
from collection.scripts import dominant_script
from collection.structure import is_code

METRICS: Final = ("right_language", "right_language_lines", "right_language_words")
_FEWEST: Final = 12  # letters that a line must have for its language to be told


def statistics(answer: str, language: Language, detector: Any) -> Mapping[str, Sequence[float]]:
    """Of an answer; an empty one is in no language. What cannot be told is left out: code, digits, a word or two."""
    lines = [line for line in answer.splitlines() if sum(map(str.isalpha, line)) >= _FEWEST and not is_code(line)]
    found: dict[str, Sequence[float]] = {}
    if not answer.strip():
        return {"right_language": (0.0,)}
    told = detector.detect(answer).language
    if told is not None:
        found["right_language"] = (float(told.group == language.group),)
    spoken = [one for line in lines if (one := detector.detect(line).language) is not None]
    if spoken:
        found["right_language_lines"] = (sum(one.group == language.group for one in spoken) / len(spoken),)
    scripts = [one for word in answer.split() if (one := dominant_script(word)) is not None]
    if scripts and language.script.code != "Latn":
        found["right_language_words"] = (sum(_alike(one, language.script.code) for one in scripts) / len(scripts),)
    return found


def refuses(answer: str) -> float:
    """1 where an answer is a refusal, by the phrases of collection.refusals."""
    return float(find_refusal(answer) is not None)


def _alike(script: str, expected: str) -> bool:
    """Whether a word's script belongs to a language's: Japanese and Korean are written in several."""
    together = {
        "Jpan": {"Jpan", "Hani", "Hans", "Hant", "Hira", "Kana"},
        "Kore": {"Kore", "Hang", "Hani"},
        "Hang": {"Kore", "Hang", "Hani"},
        "Hans": {"Hans", "Hani", "Hant"},
        "Hant": {"Hans", "Hani", "Hant"},
    }
    return script in together.get(expected, {expected})
