"""Evaluate generated text: compare each answer with its references."""

from __future__ import annotations

from typing import Any

from collection.languages import Language, resolve
from core.errors import ConfigError
from eval.data.examples import texts
from eval.data.sources import Row, content_hash
from eval.metrics.reference_metrics import AnswerLanguage, reference_metric
from eval.outcome import Outcome
from eval.results import Example
from eval.suites.chat import RATES, ChatExamples, ChatSuite, columns_of, decoding, has_texts, rates
from eval.suites.few_shot import FewShotPrompts
from eval.task import Task


class GenerationSuite(ChatSuite):
    """Generated text, scored by the metrics that the task names."""

    help = "the references of a generated answer; also needs `prompts` (one) and `metrics`"
    fields = ("references",)

    @classmethod
    def check(cls, task: Task) -> None:
        super().check(task)
        cls._check_prompts(task)
        if len(task.prompts) != 1:
            raise ConfigError(f"the task {task.name}: text is generated for one prompt, and it has {len(task.prompts)}")
        if not task.metrics:
            raise ConfigError(f"the task {task.name}: it has no metrics")
        for name in task.metrics:
            reference_metric(name)

    def has_answer(self, row: Row) -> bool:
        return has_texts(row, "references", self.task)

    def outcome(self, language: Language, examples: ChatExamples) -> Outcome:
        task, limits = self.task, self.limits()
        (prompt,) = task.prompts
        count = task.shots if self.settings.shots is None else self.settings.shots
        shots = FewShotPrompts(task, examples, count, self.context.seed, lambda row: texts(row, "references", task)[0])
        prompts = [shots.question(row, prompt) for _, row in examples.chosen]
        references = [texts(row, "references", task) for _, row in examples.chosen]
        answers = self.model.generate(prompts, limits)
        target = self._answer_language(language)
        metrics = {name: reference_metric(name) for name in task.metrics}
        missing = {name: why for name, metric in metrics.items() if (why := metric.missing())}
        metrics = {name: metric for name, metric in metrics.items() if name not in missing}
        scored = []
        for (name, _), question, answer, expected in zip(examples.chosen, prompts, answers, references, strict=True):
            statistics = {key: metric.statistics(answer.text, expected, target) for key, metric in metrics.items()}
            shown = {"prompt": question, "answer": answer.text, "expected": expected}
            scored.append(Example(name, statistics | rates(answer), shown))
        extra: dict[str, Any] = {}
        for name in sorted(metrics):  # `bleu` before `spbleu`: the order of a signature's parts is fixed
            extra |= metrics[name].signature_parts(target)
        return Outcome(
            task,
            language,
            (*metrics, *RATES),
            tuple(scored),
            content_hash([prompts, references]),
            options={"prompts": 1, "shots": shots.count, **decoding(limits), **extra},
            texts={
                name: (*columns_of(row, task), *expected)
                for (name, row), expected in zip(examples.chosen, references, strict=True)
            },
            notes=(*examples.notes, *(f"{task.name}: {why}" for why in missing.values())),
        )

    def _answer_language(self, language: Language) -> AnswerLanguage:
        """Return the language of the answers, which may differ from row to row (`passage`)."""
        if self.task.answer_language == "passage":
            return AnswerLanguage()
        target = resolve(self.task.answer_language) if self.task.answer_language else language
        return AnswerLanguage(target.iso639_3, target.spaced)
