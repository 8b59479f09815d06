"""One raw row becomes a record or a reject: parse, clean up, filter, tell the language, mask.

Everything that ingest decides about a row is decided here, by pure functions of the row and the configuration; the Beam
job around it only moves files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from collection import privacy, quality
from collection.detectors import Detector, make_detector
from collection.language_id import Decision, LanguageIdConfig, Verdict, decide
from collection.languages import Language, aya_languages, resolve
from collection.manifest import KEPT, UNDETERMINED, Tally
from collection.normalize import normalize
from collection.quality import Fault, FilterConfig
from collection.record import Message, Record, record_id
from collection.reject import Reason, Reject
from pipelines.readers import Row, Slice, location, raw_text
from pipelines.sources.source import ParseFault, Parsed, Source


@dataclass(frozen=True)
class CleanConfig:
    """What is mended in the text of a row. Unicode is always brought into composed form without control characters."""

    mojibake: bool = True  # decode text that went through the wrong encoding
    mask_private: bool = True  # e-mail and IP addresses, phone numbers, keys


@dataclass(frozen=True)
class RefineConfig:
    """All that decides what becomes of a row."""

    clean: CleanConfig = field(default_factory=CleanConfig)
    filters: FilterConfig = field(default_factory=FilterConfig)
    language_id: LanguageIdConfig = field(default_factory=LanguageIdConfig)
    languages: tuple[str, ...] = ()  # only these, in any spelling; `aya` is Aya's 101; none named: all
    raw_limit: int = 65_536  # characters of a raw row that a reject keeps


class Refiner:
    """Refines rows under one configuration, and counts in `tally` what became of them."""

    def __init__(self, config: RefineConfig) -> None:
        self._config = config
        self._clean = partial(normalize, mojibake=config.clean.mojibake)
        self._detector = detector_of(config)
        self._wanted = wanted_languages(config.languages)
        self.tally = Tally()

    def refine(self, row: Row, source: Source, part: Slice) -> Record | Reject:
        """The record that a row becomes, or the reject that says why it becomes none."""
        try:
            parsed = source.parse(row.data, part.name)
            outcome = self._refine(parsed, source.name)
        except ParseFault as fault:
            outcome = Reject(fault.reason, fault.detail)
        except Exception as error:  # noqa: BLE001 - a bug on one row must neither lose it nor stop the run
            outcome = Reject(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
        if isinstance(outcome, Record):
            self.tally.outcomes[source.name, outcome.language, KEPT] += 1
            return outcome
        return self.refuse(outcome, source.name, location(part, row.number), raw_text(row))

    def refuse(self, reject: Reject, source: str, where: str, raw: str) -> Reject:
        """Counts a reject and completes it with where it stood and what it held, cut at the limit."""
        limit = self._config.raw_limit
        detail = reject.detail
        if len(raw) > limit:
            detail = f"{detail}{'; ' if detail else ''}the first {limit} of {len(raw)} characters are kept"
        language = reject.language or UNDETERMINED
        self.tally.outcomes[source, language, reject.reason.value] += 1
        return Reject(reject.reason, detail, reject.id, language, source, where, raw[:limit])

    def _refine(self, parsed: Parsed, source: str) -> Record | Reject:
        declared = parsed.declared
        row_id = record_id(source, parsed.source_id, declared.code if declared else "", parsed.messages)
        clean = self._clean
        messages = [Message(role, clean(content)) for role, content in parsed.messages]
        is_code = declared is not None and declared.script.code == "Zyyy"

        if self._config.filters.enabled and not is_code and (fault := quality.find_fault(messages, declared, self._config.filters)):
            return _rejected(fault, row_id, declared)
        decision = Decision(Verdict.UNSUPPORTED) if self._detector is None or is_code else decide(messages, declared, self._detector, self._config.language_id)
        language, fault = self._settle(declared, decision)
        if fault is None and language is not None:
            fault = self._language_fault(messages, language)
        if fault is not None or language is None:
            return _rejected(fault or Fault(Reason.UNDETECTED_LANGUAGE, ""), row_id, language or declared)

        self.tally.verdicts[language.code, decision.verdict.value] += 1
        if declared is not None and language is not declared:
            self.tally.relabelled[declared.code, language.code] += 1
        for repair in parsed.repairs:
            self.tally.repaired[repair] += 1
        return Record(
            id=row_id,
            language=language.code,
            messages=tuple(self._masked(messages)),
            source=source,
            dataset=parsed.dataset,
            template=parsed.template,
            task=parsed.task,
            split=parsed.split,
            origin=parsed.origin,
            license=parsed.license,
            generator=parsed.generator,
            lid_language=decision.detected.code if decision.detected else None,
            lid_score=decision.score,
        )

    def _settle(self, declared: Language | None, decision: Decision) -> tuple[Language | None, Fault | None]:
        """The language that the row goes by, or the fault that turns it away."""
        found = decision.detected
        if declared is None:
            if found is None or decision.verdict != Verdict.DETECTED:
                return None, Fault(Reason.UNDETECTED_LANGUAGE, f"best guess {found}" if found else "")
            return found, None
        if decision.verdict != Verdict.CONTRADICTED or found is None or self._config.language_id.policy == "keep":
            return declared, None
        if self._config.language_id.policy == "reject":
            return declared, Fault(Reason.WRONG_LANGUAGE, f"declared {declared}, written in {found} ({decision.score:.2f})")
        return found, None

    def _language_fault(self, messages: Sequence[Message], language: Language) -> Fault | None:
        if self._wanted and language.code not in self._wanted:
            return Fault(Reason.UNWANTED_LANGUAGE, str(language))
        if self._config.filters.enabled:
            return quality.find_script_fault(messages, language, self._config.filters)
        return None

    def _masked(self, messages: Sequence[Message]) -> Sequence[Message]:
        if not self._config.clean.mask_private:
            return messages
        masked = []
        for message in messages:
            content, found = privacy.mask(message.content)
            if found:
                self.tally.masked.update(found)
                message = Message(message.role, content)
            masked.append(message)
        return masked


def detector_of(config: RefineConfig) -> Detector | None:
    """The detector that a configuration names; None for `none`."""
    name = config.language_id.detector
    return None if name == "none" else make_detector(name)


def wanted_languages(spellings: Sequence[str]) -> frozenset[str]:
    """The codes that a list of spellings means; UnknownNameError for one that means none. Empty: all are wanted."""
    codes: set[str] = set()
    for spelling in spellings:
        if spelling.lower() == "aya":
            codes.update(language.code for rows in aya_languages().values() for language in rows)
        else:
            codes.add(resolve(spelling).code)
    return frozenset(codes)


def _rejected(fault: Fault, row_id: str, language: Language | None) -> Reject:
    return Reject(fault.reason, fault.detail, row_id, language.code if language else "")
