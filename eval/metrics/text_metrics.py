"""Metrics of texts beside references: chrF++ and BLEU by sacrebleu, ROUGE by rouge-score, answers by SQuAD's rules.

Each function gives an item's row of statistics; the metrics in `metrics.py` make scores of them.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from eval.metrics import word_tokenizer
from eval.metrics.base import Rows

_BLANKS: Final = " \u00a0\u2007\u2009\u202f"  # that part thousands; never the end of a line
# Digits with at most one mark between them. A minus is none after a digit (a range) or a Latin letter (a hyphen).
_NUMBER: Final = re.compile(rf"(?:(?<![\dA-Za-z])[-−－][$€£¥₹]?)?\d+(?:[{_BLANKS},.'’٬٫،，．]\d+)*")
_PLAIN: Final = re.compile(r"-?\d+(?:[.,٫]\d+)?")
_GROUPED: Final = re.compile(r"(-?[1-9]\d{0,2}(?:([ ,.'])\d{3})(?:\2\d{3})*)(?:(?!\2)[.,٫](\d+))?")
_GROUPED_IN_INDIA: Final = re.compile(r"(-?[1-9]\d?(?:(,)\d{2})+,\d{3})(?:[.٫](\d+))?")


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

    class _WordTokenizer:
        """rouge-score's own tokenizer keeps the letters a to z alone."""

        @staticmethod
        def tokenize(text: str) -> list[str]:
            return word_tokenizer.words(text)

    return rouge_scorer.RougeScorer(["rougeLsum"], tokenizer=_WordTokenizer())


def rouge_lsum(answer: str, references: Sequence[str]) -> float:
    """The F-measure of RougeLsum, 0 to 100, with the best reference; sentences are lines."""
    return max(100 * float(_rouge().score(one, answer)["rougeLsum"].fmeasure) for one in references)


def token_f1(answer: str, references: Sequence[str], iso639_3: str = "") -> float:
    """SQuAD's F1 of words, 0 to 1, with the best reference; an empty answer has none."""
    found = Counter(word_tokenizer.words(word_tokenizer.answer(answer, iso639_3)))
    return max(_f1(found, Counter(word_tokenizer.words(word_tokenizer.answer(one, iso639_3)))) for one in references)


def _f1(found: Counter[str], expected: Counter[str]) -> float:
    common = (found & expected).total()
    return 2 * common / (found.total() + expected.total()) if common else 0.0


def exact_match(answer: str, references: Sequence[str], iso639_3: str = "") -> float:
    """1 where the folded answer is a reference's; an empty one is none."""
    found = word_tokenizer.answer(answer, iso639_3)
    return float(bool(found) and any(found == word_tokenizer.answer(one, iso639_3) for one in references))


def number_match(answer: str, references: Sequence[str]) -> float:
    """1 where the last number in the answer, in any script's digits, is the expected one (MGSM).

    A number may have marks between groups of three digits, or of two before the last three as in India, and a decimal
    part. What can be read in two ways, as 18.000 and 18,000 can, is right where either is. What is no number, such as
    1.2.3, is never right; numerals that are not digits (十八) are not read.
    """
    found = _NUMBER.findall(answer)
    last = _last_value(found[-1]) if found else frozenset()
    return float(any(last & _values(_written_plainly(one.strip())) for one in references))


def _last_value(run: str) -> frozenset[float]:
    """What the last number of a run of digits and marks may be: by blanks and commas a run may be a list, too."""
    run = _written_plainly(run)
    places = [0, *(place + 1 for place, sign in enumerate(run) if sign == " ")]
    tried = [run[place:] for place in places]  # the longest first: 1 000 is one number, 18 18 are two
    tried += [run[run.rindex(",") + 1 :]] if "," in run else []
    return next((values for one in tried if (values := _values(one))), frozenset())


def _written_plainly(number: str) -> str:
    """With the digits 0 to 9, and one sign for each kind of mark."""
    number = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in number)
    return re.sub("[$€£¥₹]", "", number).translate(_MARKS)


_MARKS: Final = str.maketrans(dict.fromkeys(_BLANKS, " ") | dict(zip("−－’٬،，．", "--',,,.", strict=True)))


def _values(number: str) -> frozenset[float]:
    """All that a number may mean; nothing where it is none."""
    found = set()
    if _PLAIN.fullmatch(number):
        found.add(float(re.sub("[,٫]", ".", number)))
    for grouped in (_GROUPED, _GROUPED_IN_INDIA):
        if match := grouped.fullmatch(number):
            whole, mark, part = match.groups()
            found.add(float(f"{whole.replace(mark, '')}.{part or 0}"))
    return frozenset(found)
