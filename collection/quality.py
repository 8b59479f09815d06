"""Filters: is this a row that somebody would want to train on? Pure functions of text, right for every script.

Lengths are in characters of English: a limit is multiplied by the density of the script (scripts.py), so that 10 means
for 10 letters of English, 3 Han characters, 12 Khmer ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from collection.languages import Language
from collection.record import Message
from collection.reject import Reason
from collection.scripts import SCRIPTS, dominant_script


@dataclass(frozen=True)
class FilterConfig:
    """Limits of the filters. Each share is between 0 and 1; 1 (for a least share, 0) turns its filter off."""

    enabled: bool = True  # all of these filters
    min_characters: int = 10  # whole conversation, in characters of English
    max_characters: int = 50_000  # whole conversation, in characters of English
    max_damaged: float = 0.05  # share of replacement characters (U+FFFD) in the answer or the prompt
    max_repetition: float = 0.5  # share of the answer that is one piece over and over
    max_url: float = 0.5  # share of the answer's characters inside links
    max_markup: float = 0.5  # share of the answer's characters inside tags, code apart
    min_script: float = 0.1  # share of letters in a script that the language uses, code apart


class Fault(NamedTuple):
    """Why a filter turned a row away, and what it saw."""

    reason: Reason
    detail: str


def find_fault(messages: Sequence[Message], language: Language | None, config: FilterConfig) -> Fault | None:
    """Return the first fault of a conversation that does not depend on its language, or None if it is sound.

    `language` is the declared one, or None if none was declared: it only says how dense the writing is.
    """
    if empty := find_empty(messages):
        return empty
    target = messages[-1].content
    prompts = [content for role, content in messages if role == "user"]
    if not _LETTER_OR_DIGIT.search(target):
        return Fault(Reason.TRIVIAL_TARGET, repr(target[:40]))
    if copies(prompts[-1], target):
        return Fault(Reason.TARGET_COPIES_PROMPT, "")
    return (
        _length_fault(messages, language, config)
        or _damage_fault(prompts[-1], target, config)
        or _over(Reason.REPETITION, repetition(prose(target), language), config.max_repetition)
        or _over(Reason.MOSTLY_URLS, url_share(target), config.max_url)
        or _over(Reason.MOSTLY_MARKUP, markup_share(target), config.max_markup)
    )


def find_empty(messages: Sequence[Message]) -> Fault | None:
    """EMPTY_PROMPT or EMPTY_TARGET where nobody asks, or nothing is answered; None elsewhere."""
    if not any(content and not content.isspace() for role, content in messages if role == "user"):
        return Fault(Reason.EMPTY_PROMPT, "")
    target = messages[-1].content
    return Fault(Reason.EMPTY_TARGET, "") if not target or target.isspace() else None


def find_script_fault(messages: Sequence[Message], language: Language, config: FilterConfig) -> Fault | None:
    """WRONG_SCRIPT where neither the last turn nor the whole conversation is written in a script of the language.

    The whole conversation counts, since the answer to a question asked in Hindi may rightly be a formula or a name.
    """
    least = config.min_script
    target = prose(messages[-1].content)
    if script_share(target, language) >= least:
        return None
    share = script_share(prose("\n".join(content for _, content in messages)), language)
    if share >= least:
        return None
    seen = dominant_script(target)
    return Fault(
        Reason.WRONG_SCRIPT,
        f"{share:.2f} of the letters are {language.script.name}, most are {SCRIPTS[seen].name if seen else 'none'}",
    )


_LETTER_OR_DIGIT: Final = re.compile(r"[^\W_]")
# A link ends where a script without spaces between words, or its full-width punctuation, goes on behind it. The name of
# a scheme is short, which keeps the search linear in a long run of letters.
_UNSPACED: Final = "".join(script.characters for script in SCRIPTS.values() if not script.spaced)
_URL: Final = re.compile(
    rf"(?:[a-z][a-z0-9+.-]{{0,20}}://|www\.)[^\s<>\"'\u3000-\u303f\uff00-\uff65{_UNSPACED}]+", re.IGNORECASE
)
_TAG: Final = re.compile(r"</?[A-Za-z!][^<>]{0,500}>")
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_PROBES: Final = 16
_PROBE_LENGTH: Final = 12  # characters of English
_DENSITIES: Final = [script.density for script in SCRIPTS.values()]
_LOWEST, _HIGHEST = min(_DENSITIES), max(_DENSITIES)


def prose(text: str) -> str:
    """`text` without its code, fenced or between backticks."""
    return _CODE.sub("", text) if "`" in text else text


def copies(prompt: str, target: str) -> bool:
    """Whether the answer is the prompt, apart from case and blanks."""
    if prompt == target:
        return True
    # Folding goes character by character: texts that begin or end differently need none.
    if prompt.lstrip()[:1].casefold()[:1] != target.lstrip()[:1].casefold()[:1]:
        return False
    if prompt.rstrip()[-1:].casefold()[-1:] != target.rstrip()[-1:].casefold()[-1:]:
        return False
    return prompt.casefold().split() == target.casefold().split()


def repetition(text: str, language: Language | None = None) -> float:
    """Return the share of a text, in sixteenths, that repeats itself; 0 for a text that is too short.

    Of 16 short windows spread evenly over the text, the share that occurs in it at least three times without overlap.
    """
    length = max(3, round(_PROBE_LENGTH * _density(text, language)))
    if len(text) < 8 * length:
        return 0.0
    step = (len(text) - length) / (_PROBES - 1)
    starts = [round(i * step) for i in range(_PROBES)]
    return sum(text.count(text[start : start + length]) >= 3 for start in starts) / _PROBES


def url_share(text: str) -> float:
    """Return the share of characters inside links."""
    if "://" not in text and "www." not in text.lower():
        return 0.0
    return sum(map(len, _URL.findall(text))) / len(text)


def markup_share(text: str) -> float:
    """Return the share of characters inside tags. Tags in code are not markup."""
    if "<" not in text or ">" not in text:
        return 0.0
    return sum(map(len, _TAG.findall(prose(text)))) / len(text)


def script_share(text: str, language: Language) -> float:
    """Return the share of letters that belong to a script of the language; 1 for a text without letters."""
    fitting = language.script.count(text)
    if 2 * fitting >= len(text):
        return 1.0  # at least half of all characters fit, so of the letters too: near enough for any sane limit
    letters = sum(map(str.isalpha, text))
    return min(1.0, fitting / letters) if letters else 1.0


def _length_fault(messages: Sequence[Message], language: Language | None, config: FilterConfig) -> Fault | None:
    length = sum([len(content) for _, content in messages])
    if config.min_characters * _HIGHEST <= length <= config.max_characters * _LOWEST:
        return None
    in_english = length / _density("".join(content for _, content in messages), language)
    if in_english < config.min_characters:
        return Fault(Reason.TOO_SHORT, f"{length} characters, as long as {in_english:.0f} of English")
    if in_english > config.max_characters:
        return Fault(Reason.TOO_LONG, f"{length} characters, as long as {in_english:.0f} of English")
    return None


def _damage_fault(prompt: str, target: str, config: FilterConfig) -> Fault | None:
    for text in (target, prompt):
        lost = text.count("\ufffd")
        if lost and lost / len(text) > config.max_damaged:
            return Fault(Reason.DAMAGED_TEXT, f"{lost} of {len(text)} characters are replacement characters")
    return None


def _over(reason: Reason, share: float, limit: float) -> Fault | None:
    return Fault(reason, f"{share:.2f} of the answer") if share > limit else None


def _density(text: str, language: Language | None) -> float:
    if language is not None:
        return language.script.density
    script = dominant_script(text[:1000])
    return SCRIPTS[script].density if script else 1.0
