"""Synthesis: generators answer questions that are made of rows, and what is sound of it becomes rows.

A method (pipelines/augment/methods) says what is asked and how the answer is read. A generator
(pipelines/augment/generators) answers, within the limits and from the answer cache of core/remote. With several
generators, `rows_in` counts pairs of a row and a generator.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

import orjson

from collection.detectors import Detector, optional_detector
from collection.export import as_messages
from collection.language_id import LanguageDecision
from collection.languages import Language, resolve, table
from collection.manifest import Manifest
from collection.normalize import normalize
from collection.quality import Fault
from collection.record import Message, Record, record_id
from collection.reject import Reason, Reject
from collection.stage import RunState
from core.errors import ConfigError
from core.progress import Progress
from core.remote import Account, Answer, Budget, BudgetSpent, Failure, RemoteConfig, RemoteJob, Session
from pipelines.augment import arbitration, generators
from pipelines.augment.answer_checks import AnswerConfig, find_answer_fault, find_question_fault, wanted
from pipelines.augment.generators import Generator, GeneratorConfig, Question
from pipelines.augment.methods import Method, load
from pipelines.augment.row_job import RowJob, family, reject_of, run_row_job
from pipelines.augment.usage import note_usage
from pipelines.runner import RunConfig

_WHOLE: Final = 1 << 30
_SHOWN: Final = 200  # characters of an answer that tell why it was not kept


@dataclass(frozen=True)
class SynthesizeConfig:
    """The configuration of `glotmill synthesize`."""

    method: str = ""  # regenerate, rewrite, reverse, distill-safety, arbitrate, or the path of a TOML file; --method
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)  # and what all of --generator have in common
    generators: tuple[GeneratorConfig, ...] = ()  # [[generators]] with the same keys; --generator takes their place
    language: str = ""  # of what is made, in any spelling; empty: each row's own; --language
    scorer: Literal["consensus", "judge"] = "consensus"  # who picks, where several generators answer
    judge: GeneratorConfig = field(default_factory=GeneratorConfig)  # the generator that picks; --judge
    judge_prompt: str = ""  # what it is asked, with {prompt}, {answers} and {language}; empty: our own words
    answers: AnswerConfig = field(default_factory=AnswerConfig)
    remote: RemoteConfig = field(default_factory=RemoteConfig)
    rows_a_piece: int = 5_000  # rows that are asked about together, and written as one part
    raw_limit: int = 65_536  # characters of a rejected row that its reject keeps
    run: RunConfig = field(default_factory=RunConfig)


@dataclass(frozen=True)
class Synthesis:
    """All that decides what is made: what the manifest shows, and what workers get."""

    name: str
    method: Method
    generators: tuple[GeneratorConfig, ...]
    language: str
    scorer: str
    judge: GeneratorConfig
    judge_prompt: str
    answers: AnswerConfig

    @classmethod
    def of(cls, config: SynthesizeConfig) -> Synthesis:
        """What a configuration asks for. ConfigError or UnknownNameError for what cannot be made."""
        if not config.method:
            raise ConfigError("no method was given: expected --method NAME, such as regenerate, or a TOML file's path")
        method = load(config.method)
        own = (config.generator,) if config.generator.spec else ()
        asked = tuple(generators.configured(one.spec, one) for one in (*own, *config.generators))
        if not asked:
            raise ConfigError("no generator was given: expected --generator http:URL#MODEL or replay:PATH")
        judge = generators.configured(config.judge.spec, config.judge) if config.judge.spec else config.judge
        _check_numbers(config, method, asked)
        name = Path(config.method).stem if config.method.endswith(".toml") else config.method
        language = resolve(config.language).code if config.language else ""
        if language and method.keeps == "answer":
            raise ConfigError(
                f"method {config.method} keeps the texts of rows and their language: --language is not for it"
            )
        prompt = config.judge_prompt or arbitration.JUDGE_PROMPT
        return cls(name, method, asked, language, config.scorer, judge, prompt, config.answers)

    @property
    def all_generators(self) -> tuple[GeneratorConfig, ...]:
        """Those that answer, and the judge where there is one."""
        return (*self.generators, *((self.judge,) if self.has_judge else ()))

    @property
    def has_judge(self) -> bool:
        return self.method.several and self.scorer == "judge"

    @property
    def is_paid(self) -> bool:
        """Whether any of them is asked over HTTP."""
        return any(map(generators.is_paid, self.all_generators))

    def without_accounts(self) -> Synthesis:
        """The same without what changes nothing in the answers: whose key is used, and what it costs."""
        bare = tuple(replace(one, account=Account()) for one in self.generators)
        return replace(self, generators=bare, judge=replace(self.judge, account=Account()))

    def language_of(self, record: Record) -> Language:
        """The language that is wanted of what is made of a row."""
        return table()[self.language or record.language]


def _check_numbers(config: SynthesizeConfig, method: Method, asked: Sequence[GeneratorConfig]) -> None:
    if not method.several:
        if len(asked) > 1:
            raise ConfigError(f"method {config.method} asks one generator, and {len(asked)} were given")
        if config.judge.spec:
            raise ConfigError(f"method {config.method} has one answer: a judge has nothing to choose from")
        return
    least = 3 if config.scorer == "consensus" else 2
    if not least <= len(asked) <= arbitration.MOST:
        more = "; a judge, with --judge SPEC, can choose between two" if least == 3 else ""
        raise ConfigError(
            f"method {config.method} with the scorer {config.scorer} needs {least} to {arbitration.MOST} generators, "
            f"and {len(asked)} were given: repeat --generator{more}"
        )
    if config.scorer == "judge" and not config.judge.spec:
        raise ConfigError("the scorer judge needs a generator that judges: expected --judge http:URL#MODEL")


# What changes nothing in what is made is no part of what a run is: accounts, the section remote, where it runs.
@dataclass(frozen=True)
class _Identity:
    synthesis: Synthesis
    rows_a_piece: int
    raw_limit: int
    run: RunConfig


def synthesize(
    inputs: Sequence[Path],
    config: SynthesizeConfig,
    out: Path,
    *,
    budget: Budget = Budget(),
    fresh: bool = False,
    beam_args: Sequence[str] = (),
    progress: Progress | None = None,
) -> Manifest:
    """Makes new rows of all rows of finished folders in `out`, or takes up there what was left; the manifest.

    ConfigError or UnknownNameError for a method, generator or budget that is none, SourceError for an input that cannot
    be read, OutputError where `out` cannot be used.
    """
    synthesis = Synthesis.of(config)
    check_budget(budget, synthesis)
    spread = any(argument.startswith("--runner") for argument in beam_args)
    job = RemoteJob.of(config.remote, budget, out, spread=spread or not synthesis.is_paid)
    _check_generators(synthesis, config.remote)
    what = derivation(synthesis, config, job)
    job.begin(out, fresh)
    identity = _Identity(synthesis.without_accounts(), config.rows_a_piece, config.raw_limit, config.run)
    manifest = run_row_job(
        inputs, identity, out, what, run=config.run, fresh=fresh, beam_args=beam_args, progress=progress
    )
    return note_usage(job, manifest, out) if synthesis.is_paid else manifest


def check_budget(budget: Budget, synthesis: Synthesis) -> None:
    """ConfigError for a budget in a currency that nothing is paid in."""
    if budget == Budget():
        return
    if not synthesis.is_paid:
        raise ConfigError("--budget is for generators that are asked over HTTP, and none of these is")
    paid = [one for one in synthesis.all_generators if generators.is_paid(one)]
    if budget.usd is not None and not all(one.account.usd_per_million.known for one in paid):
        raise ConfigError(
            "a budget in usd needs prices: expected generator.account.usd_per_million.input and .output in the "
            "configuration"
        )


def derivation(synthesis: Synthesis, config: SynthesizeConfig, job: RemoteJob) -> RowJob:
    """How the rows are made, for pipelines/augment/row_job.py."""
    detector = detector_of(synthesis)
    versions = {"detector": detector.signature if detector else "none"}
    for one in synthesis.all_generators:
        kind, place = generators.parse(one.spec)
        if kind == "replay":
            from pipelines.augment.generators.replay import signature

            versions[one.spec] = signature(place)
    return RowJob(
        "synthesize",
        partial(opened, synthesis=synthesis, job=job),
        len(synthesis.generators),
        versions,
        # All rows of a piece are asked about together: one slow answer keeps few others waiting.
        rows_a_piece=config.rows_a_piece,
        rows_a_batch=config.rows_a_piece,
        # Answers that were not chosen are kept whole: half of every pair.
        raw_limit=_WHOLE if synthesis.method.several else config.raw_limit,
        work_a_byte=0.0,
    )


def _check_generators(synthesis: Synthesis, remote: RemoteConfig) -> None:
    """ConfigError, before anything is begun, for a server, key or recording that cannot be used."""
    with (
        tempfile.TemporaryDirectory(prefix="glotmill-") as own,
        Session(RemoteJob(remote, Budget(), own, own)) as session,
    ):
        for one in synthesis.all_generators:
            generators.open_generator(one, session)


@contextlib.contextmanager
def opened(place: RunState, *, synthesis: Synthesis, job: RemoteJob) -> Iterator[SynthesisMaker]:
    """A maker that is ready to ask, within the limits of a job."""
    with Session(job) as session:
        maker = SynthesisMaker(synthesis, session, place)
        try:
            yield maker
        finally:
            maker.beat(0)


@dataclass(slots=True)
class _Draft:
    """A row on its way, with what its generators said: an answer that was looked at, or why there is none."""

    record: Record
    language: Language
    question: Question
    outcomes: list[Record | Reject] = field(default_factory=list)

    @property
    def candidates(self) -> list[Record]:
        return [one for one in self.outcomes if isinstance(one, Record)]


Asked = tuple[_Draft, int]


class SynthesisMaker:
    """Makes rows of rows, with the generators of one synthesis."""

    def __init__(self, synthesis: Synthesis, session: Session, place: RunState) -> None:
        self._synthesis, self._session, self._place = synthesis, session, place
        self._method = synthesis.method
        self._generators: list[Generator] = [generators.open_generator(one, session) for one in synthesis.generators]
        self._judge = generators.open_generator(synthesis.judge, session) if synthesis.has_judge else None
        self._detector = detector_of(synthesis)
        self._wanted = wanted(self._method.select)

    def make(self, records: Sequence[Record]) -> list[Record | Reject]:
        """What becomes of each row with each generator, in their order."""
        drafts = [self._draft(record) for record in records]
        asked = [(one, number) for one in drafts if isinstance(one, _Draft) for number in range(len(self._generators))]
        answers = self._session.in_order(self._ask, asked)
        for done, ((draft, number), answer) in enumerate(zip(asked, answers, strict=True), 1):
            draft.outcomes.append(self._outcome(draft, number, answer))
            if done % 100 == 0:
                self.beat(done // len(self._generators))
        self._choose([one for one in drafts if isinstance(one, _Draft)])
        self.beat(0)
        rows: list[Record | Reject] = []
        for one in drafts:
            rows += one.outcomes if isinstance(one, _Draft) else [one] * len(self._generators)
        return rows

    def beat(self, rows: int) -> None:
        """Notes how many rows were asked about in a batch that is at work: it may take long."""
        self._place.beat(f"asking-{os.getpid()}", rows, rows)

    def _draft(self, record: Record) -> _Draft | Reject:
        language = self._synthesis.language_of(record)
        question = self._method.question(record, language)
        fault = find_question_fault(
            self._method.kept(record)[-1].content,
            table()[record.language],
            self._method.select,
            self._wanted,
            self._detector,
            self._synthesis.answers,
        )
        if fault is not None:
            return reject_of(record, fault.reason, fault.detail)
        return _Draft(record, language, question)

    def _ask(self, asked: Asked) -> Answer | Failure:
        draft, number = asked
        try:
            return self._generators[number].answer(draft.question)
        except Failure as failure:
            return failure

    def _outcome(self, draft: _Draft, number: int, answer: Answer | Failure) -> Record | Reject:
        """The new row, or why there is none."""
        if isinstance(answer, Failure):
            return reject_of(draft.record, _reason_of(answer), str(answer), draft.language.code)
        text = self._method.parsed(normalize(answer.text))
        found = find_answer_fault(
            answer, text, draft.record, draft.language, self._method, self._detector, self._synthesis.answers
        )
        if isinstance(found, Fault):
            detail = f"{found.detail}: {answer.text[:_SHOWN]!r}" if found.detail else repr(answer.text[:_SHOWN])
            return reject_of(draft.record, found.reason, detail, draft.language.code)
        generator = answer.model or self._generators[number].name
        return self._record(draft, self._method.made(draft.record, text or ""), generator, found)

    def _record(
        self, draft: _Draft, messages: tuple[Message, ...], generator: str, decision: LanguageDecision
    ) -> Record:
        made_of = draft.record
        return replace(
            made_of,
            id=record_id(made_of.source, f"{made_of.id}\x1f{self._synthesis.name}", draft.language.code, messages),
            language=draft.language.code,
            messages=messages,
            template=self._synthesis.name,
            origin="synthetic",
            parent_id=family(made_of),
            generator=generator,
            lid_language=decision.detected.code if decision.detected else None,
            lid_score=decision.score,
        )

    def _choose(self, drafts: Sequence[_Draft]) -> None:
        """Of several answers to a question leaves one; the others become rejects that hold them, for pairs."""
        if not self._method.several:
            return
        open_ = [draft for draft in drafts if len(draft.candidates) > 1]
        for draft, chosen in zip(open_, self._session.in_order(self._chosen, open_), strict=True):
            best = None if isinstance(chosen, Fault) else draft.candidates[chosen]
            fault = chosen if isinstance(chosen, Fault) else Fault(Reason.NOT_CHOSEN, f"chosen: {best and best.id}")
            draft.outcomes = [
                one if isinstance(one, Reject) or one is best else _passed_over(draft.record, one, fault)
                for one in draft.outcomes
            ]

    def _chosen(self, draft: _Draft) -> int | Fault:
        """Which of the candidates of a row is the best, or why none is chosen."""
        texts = [one.target for one in draft.candidates]
        if self._judge is None:
            return arbitration.by_consensus(texts)
        prompt = self._synthesis.judge_prompt
        question = arbitration.judge_question(draft.record, texts, draft.language, self._method, prompt)
        try:
            answer = self._judge.answer(question)
        except Failure as failure:
            return Fault(_reason_of(failure), f"the judge: {failure}")
        place = arbitration.verdict(answer.text, draft.record.id, len(texts))
        return Fault(Reason.MALFORMED_ANSWER, f"the judge: {answer.text[:_SHOWN]!r}") if place is None else place


def _reason_of(failure: Failure) -> Reason:
    return Reason.OVER_BUDGET if isinstance(failure, BudgetSpent) else Reason.UNANSWERED


def _passed_over(made_of: Record, loser: Record, fault: Fault) -> Reject:
    """The reject for an answer that was sound, and not chosen: it holds the whole row that it would have been."""
    raw = orjson.dumps(as_messages(loser)).decode()
    return Reject(fault.reason, fault.detail, made_of.id, loser.language, loser.source, raw=raw)


def detector_of(synthesis: Synthesis) -> Detector | None:
    """The detector that looks at the answers; None for `none`."""
    return optional_detector(synthesis.answers.detector)
