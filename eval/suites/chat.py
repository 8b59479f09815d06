"""Answers: the likeliest of given ones, texts beside references, and open ones, whose language and worth are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from collection.languages import Language, resolve
from core.errors import ConfigError
from eval.config import EvalConfig
from eval.data.examples import NothingToAsk, at, field, identifiers, texts
from eval.data.sources import Row, content_hash, hashed, take
from eval.metrics import confusion, ranking, text_metrics
from eval.models import judge
from eval.models.base import ChatModel, Generation, Limits
from eval.outcome import Outcome
from eval.results import Example
from eval.task import Prompt, Task

_LETTERS: Final = "ABCDEFGHIJ"


def run(
    task: Task,
    language: Language,
    rows: Sequence[Row],
    model: ChatModel,
    config: EvalConfig,
    *,
    train: Sequence[Row] = (),
    detector: Any = None,
    against: ChatModel | None = None,
    referee: ChatModel | None = None,
    judged: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Outcome]:
    """The outcome of a task in a language. `train`: rows that examples before a question are taken from.

    `detector`: of languages, for open answers; `against` and `referee`: whose answers these are compared with, by whom;
    `judged`: both of them, as in a signature.
    """
    every = [{**row, "language_name": language.name} for row in rows]
    names = identifiers(every, task)
    chosen = take(every, config.limit, lambda place: names[place])
    items = [(names[place], every[place]) for place in chosen if _answerable(every[place], task)]
    if not items:
        raise NothingToAsk("no row can be asked and has an answer" if rows else "its files have no rows of the task")
    whole = [row for row in every if _answerable(row, task)]
    left_out = len(chosen) - len(items)
    why = "lack an answer, or what is asked about"
    notes = (f"{task.name}: {left_out} of {len(chosen)} rows of {language.code} {why}",) if left_out else ()
    if task.kind == "choice":
        yield _choice(task, language, items, _shots(task, config, train, whole, language), model, config, notes)
    elif task.kind == "text":
        yield _text(task, language, items, _shots(task, config, train, whole, language), model, config, notes)
    else:
        yield _open(task, language, items, model, config, notes, detector, against, referee, judged)


def _answerable(row: Row, task: Task) -> bool:
    """Whether a row has all that its prompts speak of, and an answer that can be right."""
    if any(name in row and row[name] is None for name in task.columns()):
        return False
    if task.kind == "open":
        return bool(texts(row, "prompt", task))
    if task.kind == "text":
        return bool(texts(row, "references", task))
    return bool(texts(row, "answer", task)) and gold(row, task) >= 0


Items = Sequence[tuple[str, Row]]


class _Shots:
    """Examples before a question: the same ones for every question, but never the question itself."""

    def __init__(self, task: Task, rows: Sequence[Row], count: int, seed: int) -> None:
        self._task, self.count = task, count
        names = identifiers(rows, task)
        order = sorted(range(len(rows)), key=lambda place: hashed(f"{seed}:{names[place]}")) if count else []
        self._rows: list[Row] = []
        seen: set[str] = set()
        for place in order:
            asked = task.filled(task.prompts[0].text, rows[place])
            if asked not in seen:
                self._rows.append(rows[place])
                seen.add(asked)
            # One more than is needed, for the question that is one of them.
            if len(seen) > count:
                break

    def before(self, row: Row, prompt: Prompt) -> str:
        asked = self._task.filled(prompt.text, row)
        others = [one for one in self._rows if self._task.filled(prompt.text, one) != asked][: self.count]
        return "".join(f"{self._task.filled(prompt.text, one)}\n{self._answer(one)}\n\n" for one in others)

    def _answer(self, row: Row) -> str:
        if self._task.kind == "choice":
            return options(row, self._task)[gold(row, self._task)]
        return texts(row, "references", self._task)[0]


def _shots(task: Task, config: EvalConfig, train: Sequence[Row], rows: Sequence[Row], language: Language) -> _Shots:
    count = task.shots if config.chat.shots is None else config.chat.shots
    known = [{**row, "language_name": language.name} for row in train if _answerable(row, task)]
    source = known or rows
    if count and len(source) < count + (not known):
        raise NothingToAsk(f"{len(source)} rows are there to take {count} examples from")
    return _Shots(task, source, count, config.seed)


def options(row: Row, task: Task) -> list[str]:
    """The answers to choose from."""
    if len(task.choices) == 1 and task.choices[0].startswith("["):
        return [str(one) for one in at(row, task.choices[0].strip("[]"), task)]
    return [task.filled(choice, row) for choice in task.choices]


def gold(row: Row, task: Task) -> int:
    """Which of them is right, from 0; -1 where the row names none of them, or could mean two.

    A number counts from `answer_from`, a letter from A; anything else is a choice's text.
    """
    told = field(row, "answer", task)
    given, choices = str(told).strip(), options(row, task)
    if isinstance(told, int | float):
        place = int(told) - task.answer_from
    elif given.isdecimal():
        place = int(given) - task.answer_from
    elif len(given) == 1 and given.upper() in _LETTERS:
        place = _LETTERS.index(given.upper())
    else:
        place = choices.index(given) if given in choices else -1
    if isinstance(told, str) and given in choices and choices.index(given) != place:
        return -1
    return place if 0 <= place < len(choices) else -1


def _choice(
    task: Task, language: Language, items: Items, shots: _Shots, model: ChatModel, config: EvalConfig, notes: Any
) -> Outcome:
    asked, pairs = [], []
    for _, row in items:
        for prompt in task.prompts:
            question = shots.before(row, prompt) + task.filled(prompt.text, row)
            choices = options(row, task)
            asked.append((question, choices))
            pairs += [(question, choice) for choice in choices]
    found = iter(model.log_likelihoods(pairs))
    examples, truncated = [], 0
    asked_of = iter(asked)
    for name, row in items:
        right, right_norm, values = [], [], []
        for _ in task.prompts:
            _, choices = next(asked_of)
            scores = [next(found) for _ in choices]
            truncated += any(one.truncated for one in scores)
            likely = np.array([one.value for one in scores], np.float64)
            lengths = np.array([max(1, len(choice)) for choice in choices], np.float64)
            right.append(float(ranking.best(likely) == gold(row, task)))
            right_norm.append(float(ranking.best(likely / lengths) == gold(row, task)))
            values.append([float(one) if np.isfinite(one) else None for one in likely])
        told = {
            "prompt": task.filled(task.prompts[0].text, row),
            "choices": options(row, task),
            "expected": gold(row, task),
            "log_likelihoods": values,
        }
        examples.append(Example(name, {"accuracy": right, "accuracy_norm": right_norm}, told))
    if truncated:
        notes += (f"{task.name}: {truncated} of {len(asked)} questions in {language.code} lost their end: too long",)
    return Outcome(
        task,
        language,
        ("accuracy", "accuracy_norm"),
        tuple(examples),
        content_hash([asked, [gold(row, task) for _, row in items]]),
        options={"prompts": len(task.prompts), "shots": shots.count, "choices": len(task.choices)},
        texts={name: _told(row, task) for name, row in items},
        notes=notes,
    )


def _text(
    task: Task, language: Language, items: Items, shots: _Shots, model: ChatModel, config: EvalConfig, notes: Any
) -> Outcome:
    (prompt,) = task.prompts
    prompts = [shots.before(row, prompt) + task.filled(prompt.text, row) for _, row in items]
    limits = _limits(task, config)
    answers = model.generate(prompts, limits)
    target = _answer_language(task, language)
    metrics = tuple(name for name in task.metrics if name != "spbleu" or text_metrics.flores_model())
    tokenize = text_metrics.bleu_tokenizer(target.iso639_3, target.spaced) if target else "13a"
    examples = []
    for (name, row), question, answer in zip(items, prompts, answers, strict=True):
        references = texts(row, "references", task)
        statistics = {
            one: _statistics(one, answer.text, references, target.iso639_3 if target else "", tokenize)
            for one in metrics
        }
        statistics |= _rates(answer)
        told = {"prompt": question, "answer": answer.text, "expected": references}
        examples.append(Example(name, statistics, told))
    extra: dict[str, Any] = {"bleu_tok": tokenize} if "bleu" in metrics else {}
    if "spbleu" in metrics:
        extra["spm"] = (text_metrics.flores_model() or "")[:16]
    elif "spbleu" in task.metrics:
        notes += (f"{task.name}: no spBLEU, since its SentencePiece model is not at hand (docs/evaluation.md)",)
    return Outcome(
        task,
        language,
        (*metrics, "empty_rate", "truncated_rate"),
        tuple(examples),
        content_hash([prompts, [texts(row, "references", task) for _, row in items]]),
        options={"prompts": 1, "shots": shots.count, **_decoding(limits), **extra},
        texts={name: _told(row, task) for name, row in items},
        notes=notes,
    )


def _statistics(metric: str, answer: str, references: Sequence[str], code: str, tokenize: str) -> Sequence[float]:
    """An answer's row of statistics."""
    if metric == "chrf2++":
        return text_metrics.chrf_statistics(answer, references)
    if metric in ("bleu", "spbleu"):
        return text_metrics.bleu_statistics(answer, references, tokenize if metric == "bleu" else "flores200")
    if metric == "rougeLsum":
        return (text_metrics.rouge_lsum(answer, references),)
    if metric == "f1_words":
        return (text_metrics.token_f1(answer, references, code),)
    if metric == "number_match":
        return (text_metrics.number_match(answer, references),)
    if metric == "exact_match":
        return (text_metrics.exact_match(answer, references, code),)
    raise ConfigError(f"{metric} is no metric of generated text")


def _open(
    task: Task,
    language: Language,
    items: Items,
    model: ChatModel,
    config: EvalConfig,
    notes: Any,
    detector: Any,
    against: ChatModel | None,
    referee: ChatModel | None,
    judged: Mapping[str, str],
) -> Outcome:
    prompts = [texts(row, "prompt", task)[0] for _, row in items]
    limits = _limits(task, config)
    answers = model.generate(prompts, limits)
    others = against.generate(prompts, limits) if against else []
    verdicts = judge.compare(referee, prompts, answers, others, language) if referee and against else []
    examples = []
    for place, ((name, _), prompt, answer) in enumerate(zip(items, prompts, answers, strict=True)):
        statistics: dict[str, Sequence[float]] = {}
        told: dict[str, Any] = {"prompt": prompt, "answer": answer.text}
        if verdicts:
            verdict = verdicts[place]
            longer = float(len(answer.text) - len(others[place].text))
            statistics |= {"win_rate": (verdict.win,), "win_rate_length": (verdict.win, longer)}
            statistics |= {"flip_rate": (float(verdict.flipped),)}
            told |= {"other": others[place].text, "verdicts": list(verdict.said)}
        if task.refusals:
            statistics["refusal_rate"] = (confusion.refuses(answer.text),)
        if detector is not None:
            statistics |= confusion.statistics(answer.text, language, detector)
        statistics |= _rates(answer)
        examples.append(Example(name, statistics, told))
    if unread := sum(verdict.unread for verdict in verdicts):
        notes += (f"{task.name}: {unread} words of the judge in {language.code} were no verdict: taken for ties",)
    wanted: tuple[str, ...] = ("win_rate", "win_rate_length", "flip_rate") if verdicts else ()
    wanted += ("refusal_rate",) if task.refusals else ()
    wanted += confusion.METRICS if detector is not None else ()
    return Outcome(
        task,
        language,
        (*wanted, "empty_rate", "truncated_rate"),
        tuple(examples),
        content_hash(prompts),
        options={
            **_decoding(limits),
            **(judged if verdicts else {}),
            **({"detector": detector.signature} if detector is not None else {}),
        },
        texts={name: (prompt,) for (name, _), prompt in zip(items, prompts, strict=True)},
        notes=notes,
    )


def _told(row: Row, task: Task) -> tuple[str, ...]:
    """What a row says by itself, without the words of a prompt: what could have been trained on."""
    found = [str(row[name]) for name in sorted(task.columns()) if name in row]
    if task.kind == "text":
        found += texts(row, "references", task)
    return tuple(found)


def _rates(answer: Generation) -> Mapping[str, Sequence[float]]:
    return {
        "empty_rate": (float(not answer.text.strip()),),
        "truncated_rate": (float(answer.truncated),),
    }


def _limits(task: Task, config: EvalConfig) -> Limits:
    return Limits(config.chat.max_tokens or task.max_tokens, config.chat.temperature, config.seed)


def _decoding(limits: Limits) -> dict[str, Any]:
    how = f"t={limits.temperature}" if limits.temperature else "greedy"
    return {"decoding": f"{how},{limits.max_tokens}"}


def _answer_language(task: Task, language: Language) -> Language | None:
    """The language of what is generated; None where it differs from row to row."""
    if task.answer_language == "passage":
        return None
    return resolve(task.answer_language) if task.answer_language else language
