"""Translation: every row into every language that is asked for, its structure kept, its quality looked at.

Built on pipelines/augment/row_job.py: `rows_in` counts pairs of a row and a target language.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from collection.detectors import Detector, optional_detector
from collection.languages import Language, resolve, table
from collection.manifest import Manifest
from collection.normalize import normalize
from collection.record import ROLES, Message, Record, record_id
from collection.reject import Reason, Reject
from collection.stage import RunState
from collection.structure import FIRST_MARK, MARK, Segment, Text, dissect, is_code
from collection.translation_quality import Quality, TranslationQualityConfig, estimate, round_trip
from core.errors import ConfigError
from core.progress import Progress
from core.remote import Budget, RemoteJob
from pipelines.augment.row_job import RowJob, family, reject_of, run_row_job
from pipelines.augment.translators import forms, open_translator, translator_class
from pipelines.augment.translators.base import Translated, Translator, Untranslated
from pipelines.augment.translators.config import EngineConfig
from pipelines.augment.usage import note_usage
from pipelines.runner import RunConfig


@dataclass(frozen=True)
class TranslateConfig(EngineConfig):
    """The configuration of `glotmill translate`."""

    translator: str = ""  # apertium, ctranslate2:PATH, http:URL or replay:PATH; --translator
    to: tuple[str, ...] = ()  # target languages, in any spelling; --to
    roles: tuple[str, ...] = ("system", "user", "assistant")  # turns to translate, assistant's among them; others stay
    detect_turns: bool = True  # turns in another language than the row's are told, and translated from it
    max_sentence: int = 600  # characters of English; a longer sentence is cut at a comma or a blank
    quality: TranslationQualityConfig = field(default_factory=TranslationQualityConfig)
    rows_a_piece: int = 1_000  # rows that are lost at most when a run is killed
    rows_a_batch: int = 250  # rows whose lines are given to the engine together
    raw_limit: int = 65_536  # characters of a rejected row that its reject keeps
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        odd = [role for role in self.roles if role not in ROLES]
        if odd:
            raise ConfigError(f"roles holds {', '.join(map(repr, odd))}: expected some of {', '.join(ROLES)}")
        if "assistant" not in self.roles:
            raise ConfigError(
                "roles is without assistant: a row's language is that of its answer, expected it among them"
            )


# What changes nothing in what is made: where it runs, how patiently a server is asked, for how much.
_FREE: Final = ("run", "remote", "http.account")


def translate(
    inputs: Sequence[Path],
    config: TranslateConfig,
    out: Path,
    *,
    budget: Budget = Budget(),
    fresh: bool = False,
    beam_args: Sequence[str] = (),
    progress: Progress | None = None,
) -> Manifest:
    """Translates all rows of finished folders into `out`, or takes up there what a killed run left; the manifest.

    ConfigError or UnknownNameError for a translator or a language that is none, SourceError for an input that cannot be
    read, OutputError where `out` cannot be used.
    """
    targets = targets_of(config)
    config = dataclasses.replace(config, to=tuple(language.code for language in targets))
    engine = translator_class(config.translator)
    _check_budget(budget, config)
    with open_translator(config.translator, config) as translator:
        signature = translator.signature(targets)
    detector = _detector(config)
    job = RemoteJob.of(config.remote, budget, out, spread=_is_spread(beam_args)) if engine.paid else None
    if job is not None:
        job.begin(out, fresh)
    what = RowJob(
        "translate",
        partial(opened, config=config, job=job),
        len(targets),
        {"translator": signature, "detector": detector.signature if detector else "none"},
        rows_a_piece=config.rows_a_piece,
        rows_a_batch=config.rows_a_batch,
        raw_limit=config.raw_limit,
        work_a_byte=engine.work_a_byte,
        free=_FREE,
    )
    manifest = run_row_job(
        inputs, config, out, what, run=config.run, fresh=fresh, beam_args=beam_args, progress=progress
    )
    return note_usage(job, manifest, out) if job is not None else manifest


def _check_budget(budget: Budget, config: TranslateConfig) -> None:
    """ConfigError for a budget in a currency that nothing is paid in."""
    if budget == Budget():
        return
    engine = translator_class(config.translator)
    if not engine.paid:
        raise ConfigError(f"--budget is for translators that are asked over HTTP, and {config.translator} is none")
    if budget.usd is not None and not engine.prices(config).known:
        raise ConfigError(
            "a budget in usd needs prices: expected http.account.usd_per_million.input and .output in the configuration"
        )


def targets_of(config: TranslateConfig) -> tuple[Language, ...]:
    """The target languages of a run; ConfigError where there is none."""
    if not config.translator:
        raise ConfigError(f"no translator was given: expected --translator {forms()}")
    found = tuple(dict.fromkeys(resolve(spelling.strip()) for spelling in config.to if spelling.strip()))
    if not found:
        raise ConfigError("no target language was given: expected --to LANGUAGES, such as --to spa_Latn,cat_Latn")
    return found


def _is_spread(beam_args: Sequence[str]) -> bool:
    return any(argument.startswith("--runner") for argument in beam_args)


def _detector(config: TranslateConfig) -> Detector | None:
    return optional_detector(config.quality.detector)


@contextlib.contextmanager
def opened(place: RunState, *, config: TranslateConfig, job: RemoteJob | None) -> Iterator[TranslationMaker]:
    """The maker of one piece of work, with its engine open."""
    with open_translator(config.translator, config, job) as translator:
        yield TranslationMaker(config, translator)


@dataclass(slots=True)
class _Turn:
    """A turn to be translated: from which language, taken apart, and what its segments became."""

    source: Language
    text: Text
    found: list[Translated | Untranslated] = field(default_factory=list)
    back: list[str] = field(default_factory=list)  # its segments translated back, where that is asked for

    @property
    def source_prose(self) -> str:
        """What of it is language, without what stands between."""
        return " ".join([MARK.sub("", segment.text) for segment in self.text.segments])

    @property
    def target_lines(self) -> list[str]:
        """The translation of each segment, without marks; all of them have one."""
        return [MARK.sub("", one.text) for one in self.found if isinstance(one, Translated)]


@dataclass(slots=True)
class _Draft:
    """A row on its way into one language. A turn that stays as it is has None."""

    record: Record
    target: Language
    generator: str
    turns: list[_Turn | None]


class TranslationMaker:
    """Makes the translations of rows, with one engine."""

    def __init__(self, config: TranslateConfig, translator: Translator) -> None:
        self._config, self._translator = config, translator
        self._targets = targets_of(config)
        self._detector = _detector(config)
        self._placeholders = re.compile(re.escape(translator.placeholder.format(0)).replace("0", r"\d+"))

    def make(self, records: Sequence[Record]) -> list[Record | Reject]:
        """What becomes of each row in each target language, in their order."""
        drafts: list[_Draft | Reject] = []
        for record in records:
            turns = self._turns(record)
            drafts += [self._draft(record, turns, target) for target in self._targets]
        ways = [draft for draft in drafts if isinstance(draft, _Draft)]
        self._translate(ways)
        if self._config.quality.min_round_trip:
            self._translate_back(ways)
        return [self._finish(draft) if isinstance(draft, _Draft) else draft for draft in drafts]

    def _turns(self, record: Record) -> list[tuple[Language, Text] | None]:
        """The turns of a row, each with its language, taken apart; None for one that stays as it is."""
        language = table()[record.language]
        turns: list[tuple[Language, Text] | None] = []
        for message in record.messages:
            if message.role not in self._config.roles or _is_data(message.content):
                turns.append(None)
                continue
            source = self._language_of(message.content, language)
            sentencewise = not self._translator.whole_lines
            text = dissect(message.content, source, self._config.max_sentence, sentencewise=sentencewise)
            turns.append((source, text) if text.segments else None)
        return turns

    def _draft(
        self, record: Record, turns: Sequence[tuple[Language, Text] | None], target: Language
    ) -> _Draft | Reject:
        if record.language == target.code:
            return reject_of(record, Reason.SAME_LANGUAGE, "", target.code)
        if empty := next((one for one in record.messages if not one.content.strip()), None):
            return reject_of(record, Reason.NOT_TRANSLATED, f"an empty {empty.role} turn", target.code)
        drafts: list[_Turn | None] = []
        generators: set[str] = set()
        for number, turn in enumerate(turns, 1):
            if turn is None or turn[0].code == target.code:
                drafts.append(None)
                continue
            generator = self._translator.generator(turn[0], target)
            if generator is None:
                detail = f"no {turn[0].code} to {target.code} for turn {number}"
                return reject_of(record, Reason.NO_TRANSLATOR, detail, target.code)
            generators.add(generator)
            drafts.append(_Turn(*turn))
        if not generators:
            return reject_of(record, Reason.NO_TRANSLATOR, "nothing in it is language to be translated", target.code)
        if turns[-1] is None and _has_letters(record.target) and not is_code(record.target):
            # It would be said to be in the target language, and is in whichever it was.
            detail = "nothing in its answer is language to be translated"
            return reject_of(record, Reason.NO_TRANSLATOR, detail, target.code)
        return _Draft(record, target, " and ".join(sorted(generators)), drafts)

    def _language_of(self, text: str, usual: Language) -> Language:
        """The language of a turn: the row's, unless a long enough turn is surely in another."""
        if self._detector is None or not self._config.detect_turns:
            return usual
        if sum(map(str.isalpha, text)) < _TELLING * usual.script.density:
            return usual
        found = self._detector.detect(MARK.sub("", _prose(text)), usual)
        if found.language is None or found.score < _SURE or usual.group in (found.language.group, *found.groups):
            return usual
        return found.language

    def _translate(self, drafts: Sequence[_Draft]) -> None:
        """Has all segments of all drafts translated, each different line once for a pair of languages."""
        groups: dict[tuple[str, str], list[_Turn]] = {}
        for draft in drafts:
            for turn in draft.turns:
                if turn is not None:
                    groups.setdefault((turn.source.code, draft.target.code), []).append(turn)
        for (source, target), turns in groups.items():
            pair = table()[source], table()[target]
            segments = [segment for turn in turns for segment in turn.text.segments]
            found = iter(self._segments(segments, *pair))
            for turn in turns:
                turn.found = [next(found) for _ in turn.text.segments]

    def _segments(
        self, segments: Sequence[Segment], source: Language, target: Language
    ) -> list[Translated | Untranslated]:
        """What becomes of each segment. One that comes back without its marks is translated between them."""
        outcomes = self._lines([self._masked(segment.text) for segment in segments], source, target)
        for index, segment in enumerate(segments):
            outcome = outcomes[index]
            if isinstance(outcome, Translated) and segment.spans:
                text = self._unmasked(outcome.text, segment)
                # An engine takes what stands for a mark for a word that it does not know.
                outcomes[index] = Translated(text, max(0, outcome.unknown - len(segment.spans)))
        broken = [
            index
            for index, (segment, outcome) in enumerate(zip(segments, outcomes, strict=True))
            if isinstance(outcome, Translated) and not self._is_whole(segment, outcome.text)
        ]
        fragments = [_stripped(piece) for index in broken for piece in segments[index].fragments()]
        words = [body for _, body, _ in fragments if any(map(str.isalpha, MARK.sub("", body)))]
        again = dict(zip(words, self._lines(words, source, target), strict=True)) if words else {}
        for index in broken:
            outcomes[index] = self._between(segments[index], again)
        return outcomes

    def _is_whole(self, segment: Segment, text: str) -> bool:
        """Whether each mark is there once, and no placeholder that stands for none."""
        if not segment.keeps_marks(text):
            return False
        return len(self._placeholders.findall(text)) <= len(self._placeholders.findall(segment.text))

    def _between(self, segment: Segment, found: Mapping[str, Translated | Untranslated]) -> Translated | Untranslated:
        """A segment put together from the translations of what stands between its marks."""
        pieces: list[str] = []
        unknown = 0
        for fragment in segment.fragments():
            before, body, after = _stripped(fragment)
            outcome = found.get(body, Translated(body))
            if isinstance(outcome, Untranslated):
                return outcome
            pieces += [before, outcome.text, after]
            unknown += outcome.unknown
        text = "".join(pieces)
        if not self._is_whole(segment, text):
            kept = ", ".join(segment.spans) or "nothing"
            return Untranslated(Reason.LOST_STRUCTURE, f"to be kept, and nothing else of the kind: {kept[:200]}")
        return Translated(text, unknown)

    def _translate_back(self, drafts: Sequence[_Draft]) -> None:
        """Has translations translated back. ConfigError where the engine knows no way back."""
        groups: dict[tuple[str, str], list[_Turn]] = {}
        for draft in drafts:
            for turn in draft.turns:
                if turn is not None and all(isinstance(one, Translated) for one in turn.found):
                    groups.setdefault((draft.target.code, turn.source.code), []).append(turn)
        for (target, source), turns in groups.items():
            pair = table()[target], table()[source]
            if self._translator.generator(*pair) is None:
                raise ConfigError(
                    f"quality.min_round_trip needs a way back, and the engine has no {target} to {source}: set it to 0"
                )
            found = iter(self._lines([line for turn in turns for line in turn.target_lines], *pair))
            for turn in turns:
                outcomes = [next(found) for _ in turn.found]
                turn.back = [one.text if isinstance(one, Translated) else "" for one in outcomes]

    def _lines(self, lines: Sequence[str], source: Language, target: Language) -> list[Translated | Untranslated]:
        """What becomes of each line; the engine is given each different one once."""
        different = list(dict.fromkeys(lines))
        outcomes = self._translator.translate(different, source, target)
        found = {line: _checked(one) for line, one in zip(different, outcomes, strict=True)}
        return [found[line] for line in lines]

    def _masked(self, text: str) -> str:
        """A line with the engine's own placeholders for its marks."""
        return MARK.sub(lambda mark: self._placeholder(mark[0]), text)

    def _unmasked(self, text: str, segment: Segment) -> str:
        for mark in sorted(segment.marks, reverse=True):  # the longest number first
            text = text.replace(self._placeholder(mark), mark)
        return text

    def _placeholder(self, mark: str) -> str:
        return self._translator.placeholder.format(ord(mark) - FIRST_MARK)

    def _finish(self, draft: _Draft) -> Record | Reject:
        record, target = draft.record, draft.target
        failed = [one for turn in draft.turns if turn for one in turn.found if isinstance(one, Untranslated)]
        if failed:
            worst = next((one for one in failed if one.reason is Reason.OVER_BUDGET), failed[0])
            count = sum(len(turn.found) for turn in draft.turns if turn)
            detail = f"{len(failed)} of {count} lines: {worst.detail}"
            return reject_of(record, worst.reason, detail, target.code)
        messages = []
        for message, turn in zip(record.messages, draft.turns, strict=True):
            if turn is None:
                messages.append(message)
                continue
            texts = [one.text for one in turn.found if isinstance(one, Translated)]
            content = turn.text.joined(texts, turn.source, target)
            if not content.strip():
                return reject_of(record, Reason.NOT_TRANSLATED, f"an empty {message.role} turn", target.code)
            messages.append(Message(message.role, content))
        quality = self._quality([turn for turn in draft.turns if turn is not None], target)
        if quality.score < self._config.quality.min_score:
            return reject_of(record, Reason.POOR_TRANSLATION, str(quality), target.code)
        if least := self._config.quality.min_round_trip:
            turns = [turn for turn in draft.turns if turn is not None]
            there = " ".join([turn.source_prose for turn in turns])
            back = round_trip(there, " ".join([line for turn in turns for line in turn.back]))
            if back < least:
                detail = f"{back:.1f} chrF after a round trip; otherwise {quality}"
                return reject_of(record, Reason.POOR_TRANSLATION, detail, target.code)
        return _translated(record, tuple(messages), target, draft.generator)

    def _quality(self, turns: Sequence[_Turn], target: Language) -> Quality:
        """The quality of a row: of all its turns together, or of the worst one that is long enough to tell.

        Of an answer that is a name, and rightly the same in both languages, nothing can be told alone.
        """
        telling = [turn for turn in turns if len(turn.source_prose) >= _LONG * turn.source.script.density]
        whole = [turn for turn in turns if turn.source is turns[0].source]
        looks = [self._estimate([turn], target) for turn in telling] + [self._estimate(whole, target)]
        return min(looks, key=lambda look: look.score)

    def _estimate(self, turns: Sequence[_Turn], target: Language) -> Quality:
        source = " ".join([turn.source_prose for turn in turns])
        translation = " ".join([line for turn in turns for line in turn.target_lines])
        unknown = sum(one.unknown for turn in turns for one in turn.found if isinstance(one, Translated))
        return estimate(source, translation, (turns[0].source, target), self._detector, unknown)


# So many characters of English tell of themselves whether they are well translated.
_LONG: Final = 100
# A turn of fewer letters, in characters of English, tells no language; and a detector must be this sure.
_TELLING, _SURE = 60, 0.9


def _prose(text: str) -> str:
    return " ".join(segment.text for segment in dissect(text, None).segments)


def _checked(outcome: Translated | Untranslated) -> Translated | Untranslated:
    """A translation in clean Unicode on one line; an empty one is none."""
    if isinstance(outcome, Untranslated):
        return outcome
    text = " ".join(normalize(MARK.sub("", outcome.text), mojibake=False).split("\n")).strip()
    return Translated(text, outcome.unknown) if text else Untranslated(Reason.NOT_TRANSLATED, "an empty translation")


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def _is_data(text: str) -> bool:
    """Whether a turn is JSON, such as the call of a tool: nothing in it is to be translated."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(orjson.loads(text), dict | list)
    except orjson.JSONDecodeError:
        return False


def _stripped(text: str) -> tuple[str, str, str]:
    body = text.strip()
    start = text.find(body)
    return text[:start], body, text[start + len(body) :]


def _translated(record: Record, messages: tuple[Message, ...], target: Language, generator: str) -> Record:
    return dataclasses.replace(
        record,
        id=record_id(record.source, f"{record.id}\x1f{generator}", target.code, messages),
        language=target.code,
        messages=messages,
        origin="translated",
        parent_id=family(record),
        generator=generator,
        lid_language=None,
        lid_score=None,
    )
