"""From a large vocabulary to the one wanted: pieces are taken away where the languages, as weighed, miss them least.

This is the pruning of the unigram model (Kudo 2018) with a weight for every language, and with the best segmentation in
place of the expectation over all. SentencePiece itself segments, in C++; what is ours is the counting.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tokenizer import model_file
from tokenizer.normalizer import SPACE

_SHRINK: Final = 0.6
_LINES: Final = 20_000
# Scores are multiples of this, so that sums of them are exact in the 32-bit floats of SentencePiece and in the 64-bit
# ones of others: where two segmentations are equally good, all take the same.
GRAIN: Final = 1 / 256
_THREADS: Final = 4


@dataclass(frozen=True)
class PieceCounts:
    """Every word of a text once, and how often each language has it."""

    texts: list[str]
    word: npt.NDArray[np.int64]
    language: npt.NDArray[np.int64]
    count: npt.NDArray[np.float64]
    languages: tuple[str, ...]

    def weighed(self, weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """How much each word counts."""
        by_language = np.array([weights[code] for code in self.languages])
        weighed = self.count * by_language[self.language]
        return np.bincount(self.word, weights=weighed, minlength=len(self.texts)).astype(np.float64)


def words(lines: Mapping[str, Sequence[str]], processor: Any) -> PieceCounts:
    """The words of all lines, as the processor normalises them, each with the blank before it."""
    index: dict[str, int] = {}
    word: list[int] = []
    language: list[int] = []
    count: list[int] = []
    codes = tuple(sorted(lines))
    for place, code in enumerate(codes):
        counted: Counter[str] = Counter()
        for start in range(0, len(lines[code]), _LINES):
            for line in processor.normalize(list(lines[code][start : start + _LINES])):
                counted.update(filter(None, line.replace(SPACE, " " + SPACE).split(" ")))
        for text, times in sorted(counted.items()):
            word.append(index.setdefault(text, len(index)))
            language.append(place)
            count.append(times)
    return PieceCounts(
        list(index), np.array(word, np.int64), np.array(language, np.int64), np.array(count, np.float64), codes
    )


def prune(model: Any, counts: PieceCounts, weights: Mapping[str, float], size: int, done: Callable[[], None]) -> Any:
    """A model of `size` pieces, of the given one. Single characters stay. `done` is called as the work goes on."""
    weighed = counts.weighed(weights)
    model = model_file.copy(model)
    while True:
        used = _score(model, counts.texts, weighed)
        done()
        if len(model.pieces) <= size:
            _score(model, counts.texts, weighed)
            return model
        target = max(size, int(len(model.pieces) * _SHRINK))
        _drop(model, used, len(model.pieces) - target)


def rounds(pieces: int, size: int) -> int:
    """How often `prune` calls `done`."""
    count = 1
    while pieces > size:
        pieces, count = max(size, int(pieces * _SHRINK)), count + 1
    return count


def only(model: Any, characters: frozenset[str]) -> Any:
    """The model without the pieces that hold other characters than these."""
    other = model_file.copy(model)
    del other.pieces[:]
    other.pieces.extend(
        piece for piece in model.pieces if piece.type != model_file.NORMAL or characters.issuperset(piece.piece)
    )
    return other


def _score(model: Any, texts: Sequence[str], weighed: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Gives every piece its logarithmic share of the weighed segmentations; how often each is used."""
    segmented = model_file.verbatim(model).encode(list(texts), num_threads=_THREADS)
    lengths = np.fromiter(map(len, segmented), np.int64, len(segmented))
    ids = np.fromiter(itertools.chain.from_iterable(segmented), np.int64, int(lengths.sum()))
    used = np.bincount(ids, weights=np.repeat(weighed, lengths), minlength=len(model.pieces)).astype(np.float64)
    whole = max(float(used.sum()), 1.0)
    for piece, times in zip(model.pieces, used.tolist(), strict=True):
        if piece.type == model_file.NORMAL:
            piece.score = round(math.log(max(times, 0.1) / whole) / GRAIN) * GRAIN
    return used


def _drop(model: Any, used: npt.NDArray[np.float64], number: int) -> None:
    """Takes away the pieces without which the text loses least likelihood, each put together from others instead."""
    processor = model_file.verbatim(model)
    scores = [piece.score for piece in model.pieces]
    candidates, losses = [], []
    for index, piece in enumerate(model.pieces):
        if piece.type != model_file.NORMAL or len(piece.piece) == 1:
            continue
        best = processor.nbest_encode(piece.piece, nbest_size=2)
        other = next((ids for ids in best if len(ids) > 1), None)
        if other is not None:
            candidates.append(index)
            losses.append(used[index] * (scores[index] - sum(scores[part] for part in other)))
    order = np.argsort(np.array(losses), kind="stable")[:number]
    gone = set(np.array(candidates, np.int64)[order].tolist())
    kept = [piece for index, piece in enumerate(model.pieces) if index not in gone]
    slim = model_file.new()
    slim.pieces.extend(kept)
    del model.pieces[:]
    model.pieces.extend(slim.pieces)
