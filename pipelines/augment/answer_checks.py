"""Which questions a method takes, and which answers it keeps: pure functions of text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from collection import quality
from collection.detectors import Detector
from collection.language_id import LanguageDecision, LanguageIdConfig, LanguageVerdict, decide
from collection.languages import Language, resolve
from collection.quality import Fault, FilterConfig
from collection.record import Message, Record
from collection.refusals import find_refusal
from collection.reject import Reason
from core.remote import Answer
from core.remote.answer import LENGTH, WHOLE
from pipelines.augment.methods import Method, Select


@dataclass(frozen=True)
class AnswerConfig:
    """How answers are looked at. The filters are those of ingest, with the same limits."""

    refusals: bool = True  # whether refusals are looked for, where the method wants none
    detector: str = "vote"  # of the language of answers: vote | cld2 | fasttext:PATH | none
    min_score: float = 0.9  # an answer is in the wrong language where the detector is right this often
    min_characters: int = 20  # letters, in characters of English, from which a text can tell its language
    filters: FilterConfig = field(default_factory=FilterConfig)

    @property
    def language_id(self) -> LanguageIdConfig:
        """The rules of ingest by which an answer is in another language than wanted."""
        return LanguageIdConfig(self.detector, "reject", self.min_score, min_characters=self.min_characters)


# What servers say where a model's maker did not let it answer.
_FILTERED: Final = ("content_filter", "filtered", "safety", "error_toxic")


def wanted(select: Select) -> frozenset[str]:
    """The groups of the languages that a method takes; none: it takes all."""
    return frozenset(resolve(spelling).group for spelling in select.languages)


def find_question_fault(
    question: str,
    language: Language,
    select: Select,
    groups: frozenset[str],
    detector: Detector | None,
    config: AnswerConfig,
) -> Fault | None:
    """Why a method does not take a row, whose language is given by what it keeps of it; None where it does."""
    if groups and language.group not in groups:
        return Fault(Reason.UNWANTED_LANGUAGE, str(language))
    if select.max_characters:
        length = len(question) / language.script.density
        if length > select.max_characters:
            return Fault(Reason.TOO_LONG, f"{len(question)} characters, as long as {length:.0f} of English")
    if not select.links and quality.url_share(question) > 0:
        return Fault(Reason.LINK_IN_PROMPT, "")
    if not groups:
        return None
    share = quality.script_share(quality.prose(question), language)
    if share < select.min_script:
        return Fault(Reason.UNWANTED_LANGUAGE, f"{share:.2f} of the letters are {language.script.name}")
    if detector is not None:
        decision = decide([Message("user", question)], language, detector, config.language_id)
        if (
            decision.verdict is LanguageVerdict.CONTRADICTED
            and decision.detected
            and decision.detected.group not in groups
        ):
            return Fault(Reason.UNWANTED_LANGUAGE, f"the question is in {decision.detected}")
    return None


def find_answer_fault(
    answer: Answer,
    text: str | None,
    record: Record,
    language: Language,
    method: Method,
    detector: Detector | None,
    config: AnswerConfig,
) -> Fault | LanguageDecision:
    """Why an answer is not kept; where it is, what language ID says of it.

    `text` is what the method takes from it, `language` the one that is wanted.
    """
    if fault := _ending_fault(answer) or _text_fault(text, record, method, config):
        return fault
    assert text is not None
    # Of an instruction that was made for a text, the instruction is what is looked at.
    said = [Message("user", text)] if method.keeps == "answer" else list(method.made(record, text))
    if config.filters.enabled and (fault := quality.find_script_fault(said, language, config.filters)):
        return fault
    if config.filters.enabled and (fault := quality.find_fault(method.made(record, text), language, config.filters)):
        return fault
    if detector is None or language.script.code == "Zyyy":
        return LanguageDecision(LanguageVerdict.UNSUPPORTED)
    decision = decide(said[-1:], language, detector, config.language_id)
    if decision.verdict is LanguageVerdict.CONTRADICTED:
        score = f" ({decision.score:.2f})" if decision.score is not None else ""
        return Fault(Reason.WRONG_LANGUAGE, f"wanted {language}, written in {decision.detected}{score}")
    return decision


def _ending_fault(answer: Answer) -> Fault | None:
    if answer.finish_reason == LENGTH:
        return Fault(Reason.CUT_ANSWER, f"after {answer.output_tokens} tokens" if answer.output_tokens else "")
    if answer.finish_reason in _FILTERED:
        return Fault(Reason.REFUSAL, f"finish_reason {answer.finish_reason}")
    if answer.finish_reason not in WHOLE:
        return Fault(Reason.MALFORMED_ANSWER, f"finish_reason {answer.finish_reason}")
    return None


def _text_fault(text: str | None, record: Record, method: Method, config: AnswerConfig) -> Fault | None:
    if text is None:
        what = "nothing" if method.parser == "whole" else "nothing between <result> and </result>"
        return Fault(Reason.MALFORMED_ANSWER, what)
    if config.refusals and not method.refusals and (words := find_refusal(text)):
        return Fault(Reason.REFUSAL, words)
    if method.keeps == "conversation" and quality.copies(record.target, text):
        return Fault(Reason.UNCHANGED_ANSWER, "")
    return None
