"""Metrics of texts beside references: chrF++ and BLEU by sacrebleu, ROUGE by rouge-score, answers by SQuAD's rules.

Each function gives an item's row of statistics; the metrics in `metrics.py` make scores of them.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from eval import words
from eval.metric import Rows

_NUMBER: Final = re.compile(r"[-−]?\d[\d\s,.٫٬'’]*")


@functools.cache
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(word_order=2)


@functools.cache
def _bleu(tokenize: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenize, effective_order=False)


def chrf_statistics(answer: str, references: Sequence[str]) -> list[float]:
    """n-grams of the answer, of its best reference, and in both, for six orders of characters and two of words."""
    return _statistics(_chrf(), answer, references)


def bleu_statistics(answer: str, references: Sequence[str], tokenize: str = "13a") -> list[float]:
    """Lengths of both, matches and n-grams of four orders."""
    return _statistics(_bleu(tokenize), answer, references)


def _statistics(metric: Any, answer: str, references: Sequence[str]) -> list[float]:
    (row,) = metric._extract_corpus_statistics([answer], [[one] for one in references])
    return [float(value) for value in row]


def chrf_of_sums(sums: Rows, n: int) -> Rows:
    """chrF++, 0 to 100, of summed statistics [b, 24]."""
    return np.array([_chrf()._compute_f_score(row.tolist()) for row in sums])


def bleu_of_sums(sums: Rows, n: int) -> Rows:
    """BLEU, 0 to 100, of summed statistics [b, 10]."""
    metric = _bleu("13a")  # how texts were cut is in the statistics already
    return np.array([metric._compute_score_from_stats([int(value) for value in row]).score for row in sums])


def bleu_tokenizer(iso639_3: str, spaced: bool) -> str:
    """The way of sacrebleu to cut a language: Chinese has its own; what else has no spaces is cut into characters."""
    return "zh" if iso639_3 in ("zho", "cmn", "yue") else "13a" if spaced else "char"


def flores_model() -> str | None:
    """The SHA-256 of the SentencePiece model that spBLEU takes, where it is at hand; never fetched.

    sacrebleu itself takes any file of that name, so its hash goes into the signature.
    """
    folder = Path(os.environ.get("SACREBLEU", Path.home() / ".sacrebleu")) / "models"
    path = folder / "flores200sacrebleuspm"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


@functools.cache
def _rouge() -> Any:
    from rouge_score import rouge_scorer

    class Words:
        """rouge-score's own tokenizer keeps the letters a to z alone."""

        @staticmethod
        def tokenize(text: str) -> list[str]:
            return words.words(text)

    return rouge_scorer.RougeScorer(["rougeLsum"], tokenizer=Words())


def rouge_lsum(answer: str, references: Sequence[str]) -> float:
    """The F-measure of RougeLsum, 0 to 100, with the best reference; sentences are lines."""
    return max(100 * float(_rouge().score(one, answer)["rougeLsum"].fmeasure) for one in references)


def token_f1(answer: str, references: Sequence[str], iso639_3: str = "") -> float:
    """SQuAD's F1 of words, 0 to 1, with the best reference; an empty answer has none."""
    found = Counter(words.words(words.answer(answer, iso639_3)))
    return max(_f1(found, Counter(words.words(words.answer(one, iso639_3)))) for one in references)


def _f1(found: Counter[str], expected: Counter[str]) -> float:
    common = (found & expected).total()
    return 2 * common / (found.total() + expected.total()) if common else 0.0


def exact_match(answer: str, references: Sequence[str], iso639_3: str = "") -> float:
    """1 where the folded answer is a reference's; an empty one is none."""
    found = words.answer(answer, iso639_3)
    return float(bool(found) and any(found == words.answer(one, iso639_3) for one in references))


def number_match(answer: str, references: Sequence[str]) -> float:
    """1 where the last number in the answer, in any script's digits, is the expected one (MGSM)."""
    found = _NUMBER.findall(answer)
    return float(bool(found) and any(_value(found[-1]) == _value(one) for one in references))


def _value(text: str) -> float | None:
    """A number as it is written: digits of any script, commas and blanks between thousands."""
    text = text.strip().rstrip(".,").replace("−", "-").replace("٫", ".")
    text = re.sub(r"[\s,٬'’]", "", text)
    if re.fullmatch(r"-?\d{1,3}(\.\d{3})+", text):
        text = text.replace(".", "")  # 1.000 as half of Europe writes a thousand
    try:
        return float(text)
    except ValueError:
        return None
