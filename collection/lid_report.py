"""How good a language detector is on labelled text: accuracy, confusions and speed, by language."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from collection.detectors import Detector
from collection.languages import Language, find


@dataclass
class LanguageScore:
    """The accuracy on the texts of one variety, and the languages that the other texts were mistaken for."""

    language: Language
    texts: int = 0
    right: int = 0
    taken_for: Counter[str] = field(default_factory=Counter)

    @property
    def accuracy(self) -> float:
        return self.right / self.texts if self.texts else 0.0


@dataclass
class LidReport:
    """Scores by variety. Varieties of one group (all Arabic, the two Norwegians) count as one answer."""

    detector: str
    scores: list[LanguageScore]
    cpu_seconds: float

    @property
    def groups(self) -> dict[str, float]:
        """Accuracy of each group that there is text for, over all texts of its varieties."""
        texts: Counter[str] = Counter()
        right: Counter[str] = Counter()
        for score in self.scores:
            texts[score.language.group] += score.texts
            right[score.language.group] += score.right
        return {group: right[group] / texts[group] for group in sorted(texts) if texts[group]}

    @property
    def macro_aya(self) -> float:
        """Mean accuracy over those of Aya's 101 languages that there is text for."""
        wanted = {score.language.group for score in self.scores if _of_aya(score.language)}
        accuracies = [accuracy for group, accuracy in self.groups.items() if group in wanted]
        return sum(accuracies) / len(accuracies) if accuracies else 0.0

    @property
    def macro(self) -> float:
        """Mean accuracy over all groups."""
        accuracies = self.groups.values()
        return sum(accuracies) / len(accuracies) if accuracies else 0.0

    @property
    def texts(self) -> int:
        return sum(score.texts for score in self.scores)

    def to_json(self) -> dict[str, Any]:
        return {
            "detector": self.detector,
            "texts": self.texts,
            "macro_accuracy_aya": round(self.macro_aya, 4),
            "macro_accuracy": round(self.macro, 4),
            "texts_per_cpu_second": round(self.texts / self.cpu_seconds) if self.cpu_seconds else None,
            "languages": {
                score.language.code: {
                    "texts": score.texts,
                    "accuracy": round(score.accuracy, 4),
                    "taken_for": dict(score.taken_for.most_common(5)),
                }
                for score in self.scores
            },
        }


def judge(detector: Detector, texts: Iterable[tuple[Language, list[str]]], declared: bool = False) -> LidReport:
    """Asks a detector about texts whose language is known. `declared` also tells it that language, as ingest would."""
    scores = []
    seconds = 0.0
    for language, lines in texts:
        score = LanguageScore(language, texts=len(lines))
        begun = time.process_time()
        answers = [detector.detect(line, language if declared else None).language for line in lines]
        seconds += time.process_time() - begun
        for answer in answers:
            if answer is not None and answer.group == language.group:
                score.right += 1
            else:
                score.taken_for[answer.code if answer else "und"] += 1
        scores.append(score)
    return LidReport(detector.signature, scores, seconds)


def _of_aya(language: Language) -> bool:
    # Bosnian and Croatian are judged as Serbian, Akan as Twi: detectors cannot be asked to tell them apart.
    head = find(language.group)
    return language.aya is not None or (head is not None and head.aya is not None)
