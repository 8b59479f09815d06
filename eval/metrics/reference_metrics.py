"""Compare generated answers with references: one class a metric, and the table of them.

Each class turns an answer into a row of statistics; `eval/metrics/table.py` turns the rows into a score.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from core.errors import ConfigError
from eval.metrics import text_metrics
from eval.metrics.table import metric


class AnswerLanguage(NamedTuple):
    """The language of answers; the default is one that differs from answer to answer."""

    iso639_3: str = ""
    spaced: bool = True  # whether it sets words apart by spaces

    @property
    def bleu_tokenizer(self) -> str:
        """Return the name of sacrebleu's tokenizer for this language."""
        return text_metrics.bleu_tokenizer(self.iso639_3, self.spaced)


class ReferenceMetric(ABC):
    """A metric of an answer and its references."""

    @abstractmethod
    def statistics(self, answer: str, references: Sequence[str], language: AnswerLanguage) -> Sequence[float]:
        """Return the row of statistics of an answer."""

    def signature_parts(self, language: AnswerLanguage) -> dict[str, Any]:
        """Return what else a score depends on."""
        return {}

    def missing(self) -> str:
        """Return why the metric cannot be computed on this machine, or an empty text."""
        return ""


class ChrFPlusPlus(ReferenceMetric):
    """chrF++, by sacrebleu."""

    def statistics(self, answer: str, references: Sequence[str], language: AnswerLanguage) -> Sequence[float]:
        return text_metrics.chrf_statistics(answer, references)


class Bleu(ReferenceMetric):
    """BLEU, by sacrebleu, with its tokenizer for the language."""

    def statistics(self, answer: str, references: Sequence[str], language: AnswerLanguage) -> Sequence[float]:
        return text_metrics.bleu_statistics(answer, references, language.bleu_tokenizer)

    def signature_parts(self, language: AnswerLanguage) -> dict[str, Any]:
        return {"bleu_tok": language.bleu_tokenizer}


class SpBleu(ReferenceMetric):
    """BLEU of SentencePiece pieces (FLORES-200), by sacrebleu."""

    def statistics(self, answer: str, references: Sequence[str], language: AnswerLanguage) -> Sequence[float]:
        return text_metrics.bleu_statistics(answer, references, "flores200")

    def signature_parts(self, language: AnswerLanguage) -> dict[str, Any]:
        return {"spm": (text_metrics.flores_model() or "")[:16]}

    def missing(self) -> str:
        if text_metrics.flores_model():
            return ""
        return "no spBLEU, since its SentencePiece model is not on this machine (docs/evaluation.md)"


class RougeLsum(ReferenceMetric):
    """RougeLsum, by rouge-score, with words of every script."""

    def statistics(self, answer: str, references: Sequence[str], language: AnswerLanguage) -> Sequence[float]:
        return (text_metrics.rouge_lsum(answer, references),)


class WordF1(ReferenceMetric):
    """The F1 of words, by SQuAD's rules."""

    def statistics(self, answer: str, references: Sequence[str], language: AnswerLanguage) -> Sequence[float]:
        return (text_metrics.token_f1(answer, references, language.iso639_3),)


class NumberMatch(ReferenceMetric):
    """Whether the last number of the answer is the expected one."""

    def statistics(self, answer: str, references: Sequence[str], language: AnswerLanguage) -> Sequence[float]:
        return (text_metrics.number_match(answer, references),)


class ExactMatch(ReferenceMetric):
    """Whether the answer is a reference, by SQuAD's rules."""

    def statistics(self, answer: str, references: Sequence[str], language: AnswerLanguage) -> Sequence[float]:
        return (text_metrics.exact_match(answer, references, language.iso639_3),)


REFERENCE_METRICS: Final[Mapping[str, ReferenceMetric]] = {
    "chrf2++": ChrFPlusPlus(),
    "bleu": Bleu(),
    "spbleu": SpBleu(),
    "rougeLsum": RougeLsum(),
    "f1_words": WordF1(),
    "number_match": NumberMatch(),
    "exact_match": ExactMatch(),
}


def reference_metric(name: str) -> ReferenceMetric:
    """Return the metric of a name; an error names the nearest where there is none."""
    if name not in REFERENCE_METRICS:
        metric(name)  # an unknown name is refused with the nearest names
        raise ConfigError(f"{name} is not a metric of generated text: expected {', '.join(REFERENCE_METRICS)}")
    return REFERENCE_METRICS[name]
