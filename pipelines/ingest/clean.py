"""Make records or rejects of raw rows: parse, clean up, filter, identify the language, mask.

Every decision of ingest about a row is made here, by pure functions of the row and the configuration. The Beam job only
moves files.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from collection import privacy, quality
from collection.detectors import Detector, optional_detector
from collection.language_id import LanguageDecision, LanguageIdConfig, LanguageVerdict, decide
from collection.languages import Language, aya_languages, resolve
from collection.manifest import KEPT, UNDETERMINED, Tally
from collection.normalize import normalize
from collection.quality import Fault, FilterConfig
from collection.record import Message, Record, record_id
from collection.reject import Reason, Reject, check_raw_limit
from core.tables import Row, Slice, location, raw_text
from pipelines.ingest.sources.base import Parsed, ParseFault, RowSource
from pipelines.ingest.sources.conversation import conversation


@dataclass(frozen=True)
class CleanConfig:
    """What is repaired in the text of a row. Unicode is always composed, and control characters are removed."""

    mojibake: bool = True  # decode text that went through the wrong encoding
    mask_private: bool = True  # e-mail and IP addresses, phone numbers, keys


@dataclass(frozen=True)
class RowConfig:
    """The configuration of all decisions about a row."""

    clean: CleanConfig = field(default_factory=CleanConfig)
    filters: FilterConfig = field(default_factory=FilterConfig)
    language_id: LanguageIdConfig = field(default_factory=LanguageIdConfig)
    languages: tuple[str, ...] = ()  # only these, in any spelling; `aya` means Aya's 101; empty: all
    raw_limit: int = 65_536  # characters of a raw row that a reject keeps

    def __post_init__(self) -> None:
        check_raw_limit(self.raw_limit)


_CONTENT: Final = operator.attrgetter("content")
_UNASKED: Final = LanguageDecision(LanguageVerdict.UNSUPPORTED)


@dataclass(slots=True)
class _Draft:
    """A row that is parsed and clean, and passed the filters that do not need its language."""

    row: Row
    id: str
    parsed: Parsed
    messages: Sequence[Message]
    is_code: bool
    decision: LanguageDecision = _UNASKED


class RowCleaner:
    """Cleans rows under one configuration, and counts the outcomes in `tally`."""

    def __init__(self, config: RowConfig) -> None:
        self._config = config
        self._normalize = partial(normalize, mojibake=config.clean.mojibake)
        self._detector = detector_of(config)
        self._wanted = wanted_languages(config.languages)
        self.tally = Tally()

    def clean(self, rows: Sequence[Row | Reject], source: RowSource, part: Slice) -> list[Record | Reject]:
        """Return a record or a reject for each row, in their order.

        Each step runs over all rows before the next one. A detector's model and the other code do not fit into the
        processor's cache together, and alternating row by row costs a third more.
        """
        drafts = [self._guarded(self._draft, row, source, part) if isinstance(row, Row) else row for row in rows]
        if self._detector is not None:
            for index, draft in enumerate(drafts):
                if isinstance(draft, _Draft) and not draft.is_code:
                    try:
                        draft.decision = decide(
                            draft.messages, draft.parsed.declared, self._detector, self._config.language_id
                        )
                    except Exception as error:
                        drafts[index] = _failed(error)
        outcomes = [
            self._guarded(self._finish, draft, source, part) if isinstance(draft, _Draft) else draft for draft in drafts
        ]
        return [
            self._counted(outcome, row, source, part) if isinstance(outcome, Reject) else outcome
            for outcome, row in zip(outcomes, rows, strict=True)
        ]

    def _guarded(self, step: Callable[[Any, RowSource, Slice], Any], row: Any, source: RowSource, part: Slice) -> Any:
        try:
            return step(row, source, part)
        except ParseFault as fault:
            return Reject(fault.reason, fault.detail)
        except Exception as error:  # a bug must neither lose the row nor stop the run
            return _failed(error)

    def _draft(self, row: Row, source: RowSource, part: Slice) -> _Draft | Reject:
        parsed = source.parse(row.data, part.name)
        declared = parsed.declared
        row_id = record_id(source.name, parsed.source_id, declared.code if declared else "", parsed.messages)
        clean = self._normalize
        messages: Sequence[Message] = [
            message if (content := clean(message.content)) is message.content else Message(message.role, content)
            for message in parsed.messages
        ]
        is_code = declared is not None and declared.script.code == "Zyyy"
        if not all(map(_CONTENT, messages)):  # a turn is empty after the clean-up
            fault = quality.find_empty(messages)
            if fault is not None:
                return _rejected(fault, row_id, declared)
            messages, repairs = conversation(messages)
            parsed.repairs += repairs
        if self._config.filters.enabled and not is_code:
            fault = quality.find_fault(messages, declared, self._config.filters)
            if fault is not None:
                return _rejected(fault, row_id, declared)
        return _Draft(row, row_id, parsed, messages, is_code)

    def _finish(self, draft: _Draft, source: RowSource, part: Slice) -> Record | Reject:
        parsed, messages, decision = draft.parsed, draft.messages, draft.decision
        language = self._settle(parsed.declared, decision)
        if isinstance(language, Fault):
            return _rejected(language, draft.id, parsed.declared)
        if self._wanted and language.code not in self._wanted:
            return _rejected(Fault(Reason.UNWANTED_LANGUAGE, str(language)), draft.id, language)
        if self._config.filters.enabled and (
            fault := quality.find_script_fault(messages, language, self._config.filters)
        ):
            return _rejected(fault, draft.id, language)
        if self._config.clean.mask_private:
            messages = self._masked(messages)

        code, tally = language.code, self.tally
        tally.outcomes[source.name, code, KEPT] += 1
        tally.verdicts[code, decision.verdict.value] += 1
        if parsed.declared is not None and language is not parsed.declared:
            tally.relabelled[parsed.declared.code, code] += 1
        for repair in parsed.repairs:
            tally.repaired[repair] += 1
        return Record(
            draft.id,
            code,
            tuple(messages),
            source.name,
            parsed.dataset,
            parsed.template,
            parsed.task,
            parsed.split,
            parsed.origin,
            parsed.license,
            None,
            parsed.generator,
            decision.detected.code if decision.detected else None,
            decision.score,
        )

    def _settle(self, declared: Language | None, decision: LanguageDecision) -> Language | Fault:
        """Return the language of the row, or the fault for which it is rejected."""
        detected = decision.detected
        if declared is None:
            if detected is None or decision.verdict != LanguageVerdict.DETECTED:
                return Fault(Reason.UNDETECTED_LANGUAGE, f"best guess {detected}" if detected else "")
            return detected
        if (
            decision.verdict is not LanguageVerdict.CONTRADICTED
            or detected is None
            or self._config.language_id.policy == "keep"
        ):
            return declared
        if self._config.language_id.policy == "reject":
            return Fault(Reason.WRONG_LANGUAGE, f"declared {declared}, written in {detected} ({decision.score:.2f})")
        return detected

    def _masked(self, messages: Sequence[Message]) -> list[Message]:
        masked = []
        for message in messages:
            content, counts = privacy.mask(message.content)
            if counts:
                self.tally.masked.update(counts)
                message = Message(message.role, content)
            masked.append(message)
        return masked

    def _counted(self, reject: Reject, row: Row | Reject, source: RowSource, part: Slice) -> Reject:
        """Count a reject, and return it with the location and the text of its row, cut at the limit."""
        place, raw = (location(part, row.number), raw_text(row)) if isinstance(row, Row) else (row.location, row.raw)
        limit, detail = self._config.raw_limit, reject.detail
        if len(raw) > limit:
            detail = f"{detail}{'; ' if detail else ''}the first {limit} of {len(raw)} characters are kept"
        language = reject.language or UNDETERMINED
        self.tally.outcomes[source.name, language, reject.reason.value] += 1
        return Reject(reject.reason, detail, reject.id, language, source.name, place, raw[:limit])


def detector_of(config: RowConfig) -> Detector | None:
    """Return the detector that a configuration names; None for `none`."""
    return optional_detector(config.language_id.detector)


def wanted_languages(spellings: Sequence[str]) -> frozenset[str]:
    """Return the codes of languages in any spelling; UnknownNameError for an unknown one. Empty means all languages."""
    codes: set[str] = set()
    for spelling in spellings:
        if spelling.lower() == "aya":
            codes.update(language.code for rows in aya_languages().values() for language in rows)
        else:
            codes.add(resolve(spelling).code)
    return frozenset(codes)


def _failed(error: Exception) -> Reject:
    return Reject(Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")


def _rejected(fault: Fault, row_id: str, language: Language | None) -> Reject:
    return Reject(fault.reason, fault.detail, row_id, language.code if language else "")
