"""Identify the language of a conversation, from its declared language and the answer of a detector.

The last turn counts. If it is too short (a label, a number, a name), the whole conversation is checked. The
conversation can confirm the declared language, but not overrule it, since prompts are often in another language. If
nothing can be detected, the declared language is kept, and `lid_language` of the record is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from collection.detectors import UNKNOWN, Detection, Detector
from collection.languages import Language, table
from collection.quality import prose
from collection.record import Message
from collection.scripts import SCRIPTS, dominant_script


@dataclass(frozen=True)
class LanguageIdConfig:
    """How languages are detected, and what happens to a row that is not in its declared language."""

    detector: str = "vote"  # vote | cld2 | fasttext:PATH | none
    policy: Literal["relabel", "reject", "keep"] = "relabel"  # for a row in another language than declared
    min_score: float = 0.9  # a declared language is overruled by an answer that is right this often
    min_undeclared_score: float = 0.7  # the same, where nothing was declared
    min_characters: int = 20  # letters, in characters of English, from which one turn can tell


class LanguageVerdict(StrEnum):
    """What became of the declared language."""

    AGREED = "agreed"  # the text speaks for it
    DETECTED = "detected"  # none was declared; this one was found
    UNDECIDED = "undecided"  # too short or too mixed to detect; the declared language is kept
    UNSUPPORTED = "unsupported"  # the detector has no label for it; the declared language is kept
    CONTRADICTED = "contradicted"  # the text is in another


class LanguageDecision(NamedTuple):
    """`detected` and `score` are empty where the detector could not tell."""

    verdict: LanguageVerdict
    detected: Language | None = None
    score: float | None = None


def decide(
    messages: Sequence[Message], declared: Language | None, detector: Detector, config: LanguageIdConfig
) -> LanguageDecision:
    """Return the verdict of a detector on a conversation.

    UNDECIDED without a declared language means that no language could be detected.
    """
    last = prose(messages[-1].content)
    length = _length(last, declared)
    telling = length >= config.min_characters
    detection = detector.detect(last, declared) if telling else UNKNOWN
    decision = _weigh(detection, last, length, declared, detector, config)
    if decision.verdict != LanguageVerdict.UNDECIDED:
        return decision

    whole = prose("\n".join([content for role, content in messages if role != "system"]))
    around_length = _length(whole, declared)
    if declared is None:
        return _without_declaration(detector.detect(whole), whole, around_length >= config.min_characters, config)
    # Where the rest says little it cannot turn the scales.
    least = _MORE * len(last) if telling else len(last) + 1
    if len(whole) < least or around_length < config.min_characters:
        return decision
    around = detector.detect(whole, declared)
    # A Swahili word under an English question is a Swahili row: the rest of a conversation can speak for the declared
    # language, never against it.
    return (
        LanguageDecision(LanguageVerdict.AGREED, around.language, around.score)
        if declared.group in around.groups
        else decision
    )


# How much longer than a turn that could tell, and did not, the whole must be to be asked.
_MORE: Final = 1.5

# To overrule a declared language a turn must be three times as long as to confirm it: shorter ones are often names.
_OVERRULING: Final = 3

# Groups that detectors mix up in short text: most are pairs with 0.5% or more of the sentences of SIB-200 or Tatoeba
# overruled by the vote. To overrule a relative a turn must be ten times as long as to confirm it.
_RELATIVES: Final = tuple(
    frozenset(groups.split())
    for groups in (
        "dan nor swe",
        "fao isl nor",
        "afr nld",
        "glg por spa",
        "cat fra oci por spa",
        "cos ita",
        "ita lat ron",
        "bul mkd rus slv srp ukr",
        "bel rus ukr",
        "ces slk slv",
        "lit ltg lav",
        "gla gle",
        "hin mai mar nep san",
        "aze tur",
        "bak tat",
        "ind jav msa sun",
        "ceb fil",
        "xho zul",
        "nso sot tsn",
        "jpn zho",
    )
)
_OVERRULING_RELATIVES: Final = 10


def are_related(one: Language, other: Language) -> bool:
    """Whether detectors mix up short texts of the two."""
    return any(one.group in groups and other.group in groups for groups in _RELATIVES)


# Rows in the wrong place are mostly English, and hardly another language is mistaken for it: of 7,600 sentences of
# SIB-200 in 76 varieties that the vote has no label for, 16 were called English with a score that can overrule. Text in
# ASCII alone counts.
_OVERRULES_UNSUPPORTED: Final = "eng"


# Of a few words one can tell the language only when the best of evidence agrees.
_FEW_WORDS: Final = 0.97


def _without_declaration(detection: Detection, text: str, telling: bool, config: LanguageIdConfig) -> LanguageDecision:
    """Return the verdict on a whole conversation without a declared language, the last attempt to detect one."""
    least = config.min_undeclared_score if telling else _FEW_WORDS
    if detection.language is not None and detection.score >= least:
        return LanguageDecision(LanguageVerdict.DETECTED, detection.language, detection.score)
    by_script = _ONLY_LANGUAGE.get(dominant_script(text) or "")
    return (
        LanguageDecision(LanguageVerdict.DETECTED, table()[by_script], None)
        if by_script
        else LanguageDecision(LanguageVerdict.UNDECIDED, detection.language, detection.score)
    )


# Scripts that one language writes, in nearly all text: two characters identify it.
_ONLY_LANGUAGE: Final = {
    "Armn": "hye_Armn",
    "Geor": "kat_Geor",
    "Grek": "ell_Grek",
    "Gujr": "guj_Gujr",
    "Guru": "pan_Guru",
    "Hang": "kor_Hang",
    "Hani": "zho_Hans",
    "Jpan": "jpn_Jpan",
    "Khmr": "khm_Khmr",
    "Knda": "kan_Knda",
    "Laoo": "lao_Laoo",
    "Mlym": "mal_Mlym",
    "Orya": "ory_Orya",
    "Sinh": "sin_Sinh",
    "Taml": "tam_Taml",
    "Telu": "tel_Telu",
    "Thaa": "div_Thaa",
    "Thai": "tha_Thai",
}


def _weigh(
    detection: Detection,
    text: str,
    length: float,
    declared: Language | None,
    detector: Detector,
    config: LanguageIdConfig,
) -> LanguageDecision:
    detected, score = detection.language, detection.score
    if detected is None:
        return LanguageDecision(LanguageVerdict.UNDECIDED)
    if declared is None:
        sure = score >= config.min_undeclared_score
        return (
            LanguageDecision(LanguageVerdict.DETECTED, detected, score)
            if sure
            else LanguageDecision(LanguageVerdict.UNDECIDED)
        )
    if declared.group == detected.group or declared.group in detection.groups:
        return LanguageDecision(LanguageVerdict.AGREED, detected, score)
    if not detector.knows(declared) and not (detected.group == _OVERRULES_UNSUPPORTED and text.isascii()):
        return LanguageDecision(LanguageVerdict.UNSUPPORTED, detected, score)
    related = are_related(declared, detected)
    enough = (_OVERRULING_RELATIVES if related else _OVERRULING) * config.min_characters
    if score < config.min_score or length < enough:
        return LanguageDecision(LanguageVerdict.UNDECIDED)
    return LanguageDecision(LanguageVerdict.CONTRADICTED, detected, score)


def _length(text: str, declared: Language | None) -> float:
    """Letters, in characters of English. Only short texts are counted letter by letter: long ones have enough of them,
    or the detector will make nothing of their digits."""
    if text.isascii():
        density = 1.0  # Latin, whatever was declared
    elif declared is not None:
        density = declared.script.density
    else:
        script = dominant_script(text[:200])
        density = SCRIPTS[script].density if script else 1.0
    letters = sum(map(str.isalpha, text)) if len(text) < 80 else len(text)
    return letters / density
