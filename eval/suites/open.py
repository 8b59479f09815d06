"""Evaluate open-ended answers: their language, refusals, and wins against another model by a judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collection.languages import Language
from core.errors import UserError
from eval.data.examples import texts
from eval.data.sources import Row, content_hash
from eval.metrics import confusion
from eval.models import judge
from eval.models.base import Generation
from eval.outcome import Outcome
from eval.results import Example
from eval.suites.base import SuiteContext
from eval.suites.chat import RATES, ChatExamples, ChatSuite, decoding, has_texts, rates
from eval.task import Task

_JUDGED = ("win_rate", "win_rate_length", "flip_rate")


class OpenSuite(ChatSuite):
    """Open-ended prompts, which have no references."""

    help = "open-ended prompts: answers are compared in pairs, and checked for their language"
    fields = ("prompt",)

    def __init__(self, task: Task, context: SuiteContext) -> None:
        super().__init__(task, context)
        self.detector = self._detector()
        self.judged = bool(self.settings.against) and not task.refusals
        if self.judged:
            self.opponent = context.other_model(self.settings.against, "chat")
            self.judge = context.other_model(self.settings.judge, "chat")

    def _detector(self) -> Any:
        from collection.detectors import make_detector

        try:
            return make_detector(self.settings.detector)
        except UserError as error:
            self.context.note(f"{self.task.name}: the language of answers is not measured: {error}")
            return None

    def has_answer(self, row: Row) -> bool:
        return has_texts(row, "prompt", self.task)

    def outcome(self, language: Language, examples: ChatExamples) -> Outcome:
        task, limits = self.task, self.limits()
        prompts = [texts(row, "prompt", task)[0] for _, row in examples.chosen]
        answers = self.model.generate(prompts, limits)
        others: Sequence[Generation] = ()
        verdicts: Sequence[judge.Verdict] = ()
        if self.judged:
            others = self.opponent.model.generate(prompts, limits)
            verdicts = judge.compare(self.judge.model, prompts, answers, others, language)
        scored = []
        for place, ((name, _), prompt, answer) in enumerate(zip(examples.chosen, prompts, answers, strict=True)):
            statistics: dict[str, Sequence[float]] = {}
            shown: dict[str, Any] = {"prompt": prompt, "answer": answer.text}
            if self.judged:
                statistics |= _of_verdict(verdicts[place], answer.text, others[place].text)
                shown |= {"other": others[place].text, "verdicts": list(verdicts[place].said)}
            if task.refusals:
                statistics["refusal_rate"] = (confusion.refuses(answer.text),)
            if self.detector is not None:
                statistics |= confusion.statistics(answer.text, language, self.detector)
            scored.append(Example(name, statistics | rates(answer), shown))
        unread = sum(verdict.unread for verdict in verdicts)
        note = f"{task.name}: {unread} words of the judge in {language.code} were no verdict: taken for ties"
        return Outcome(
            task,
            language,
            self._metrics(),
            tuple(scored),
            content_hash(prompts),
            options={**decoding(limits), **self._signature_parts()},
            texts={name: (prompt,) for (name, _), prompt in zip(examples.chosen, prompts, strict=True)},
            notes=(*examples.notes, note) if unread else examples.notes,
        )

    def _metrics(self) -> tuple[str, ...]:
        judged = _JUDGED if self.judged else ()
        refusals = ("refusal_rate",) if self.task.refusals else ()
        return (*judged, *refusals, *(confusion.METRICS if self.detector is not None else ()), *RATES)

    def _signature_parts(self) -> dict[str, Any]:
        judged = {"against": self.opponent.signature, "judge": self.judge.signature} if self.judged else {}
        return {**judged, **({"detector": self.detector.signature} if self.detector is not None else {})}


def _of_verdict(verdict: judge.Verdict, answer: str, other: str) -> dict[str, Sequence[float]]:
    return {
        "win_rate": (verdict.win,),
        "win_rate_length": (verdict.win, float(len(answer) - len(other))),
        "flip_rate": (float(verdict.flipped),),
    }
