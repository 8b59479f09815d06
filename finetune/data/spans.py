"""Mask spans of a text: span corruption, the pretraining task of T5 and mT5 (Raffel et al. 2020, section 3.1.4).

    text     A B C D E F G H I J
    inputs   A B <extra_id_0> E F G H <extra_id_1> J eos
    targets  <extra_id_0> C D <extra_id_1> I eos

The rule is that of T5's `random_spans_noise_mask`: as many ids are masked as the density says, in as many spans as the
mean length says, both rounded; spans and what lies between them get random lengths of at least one; a text begins
unmasked.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from finetune.data.config import SpansConfig
from finetune.data.examples import BatchExamples, ExamplePointer, Lengths, Pair, pointers
from finetune.data.shuffle import chances
from finetune.data.special_ids import SpecialIds
from finetune.data.token_store import TokenBatch, TokenStore

SHORTEST = 2  # ids of a text of which some can be masked and some not


@dataclass(frozen=True)
class SpanExamples:
    """Turns of all roles as texts under span corruption; texts longer than `longest` ids are taken in pieces."""

    special_ids: SpecialIds
    config: SpansConfig
    longest: int

    def find(self, batch: TokenBatch) -> BatchExamples:
        """Return every turn of two ids or more, in pieces."""
        lengths, rows = np.diff(batch.turn_starts), batch.turn_rows()
        long_enough = lengths >= SHORTEST
        counts = pieces(lengths[long_enough], self.longest)
        turns = np.repeat(np.flatnonzero(long_enough), counts)
        numbers = np.arange(len(turns)) - np.repeat(np.cumsum(counts) - counts, counts)
        begins, ends = piece_bounds(lengths[turns], numbers, self.longest)
        sizes = measure(ends - begins, self.config)
        out = pointers(rows[turns], turns, sizes.inputs, sizes.targets)
        out["piece"] = numbers
        return BatchExamples(out, {"texts of one id or none": rows[~long_enough]})

    def cut(self, store: TokenStore, examples: npt.NDArray[Any]) -> Lengths:
        """Return the lengths of the pairs; pieces fit, so nothing is cut."""
        uncut = np.zeros(len(examples), bool)
        return Lengths(examples["inputs"], examples["targets"], uncut, uncut)

    def render(self, store: TokenStore, example: ExamplePointer, key: int) -> Pair:
        """Return the pair of one piece; which spans are masked is a function of the key."""
        ids = store.batches[example.batch].turn(example.turn)
        begin, end = piece_bounds(len(ids), example.piece, self.longest)
        return corrupt(ids[begin:end], key, self.config, self.special_ids)


def masked(lengths: npt.ArrayLike, config: SpansConfig) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """How many ids are masked in texts of these lengths, and in how many spans."""
    length = np.asarray(lengths, np.int64)
    noise = np.clip(np.rint(length * config.density), 1, length - 1).astype(np.int64)
    spans = np.clip(np.rint(noise / config.mean_length), 1, np.minimum(noise, length - noise)).astype(np.int64)
    return noise, spans


def measure(lengths: npt.ArrayLike, config: SpansConfig) -> Lengths:
    """The lengths of the pairs that texts of these lengths become, eos included; nothing is ever cut."""
    length = np.asarray(lengths, np.int64)
    noise, spans = masked(length, config)
    uncut = np.zeros(length.shape, bool)
    return Lengths((length - noise + spans + 1).astype(np.int32), (noise + spans + 1).astype(np.int32), uncut, uncut)


def longest_text(inputs: int, targets: int, config: SpansConfig, sentinels: int) -> int:
    """Return the length of the longest text whose pair fits, as T5's `random_spans_helper` finds it.

    ConfigError where the tokenizer has no sentinels, or no text fits.
    """
    if not sentinels:
        raise ConfigError(
            "data.spans needs sentinels (<extra_id_0> and so on), which the tokenizer has none of: "
            "train one with vocabulary.sentinels = 100, or set data.spans.share = 0"
        )
    lengths = np.arange(SHORTEST, 4 * (inputs + targets) + SHORTEST)
    _, spans = masked(lengths, config)
    found = measure(lengths, config)
    fits = (found.inputs <= inputs) & (found.targets <= targets) & (spans <= sentinels)
    if not fits[0]:
        raise ConfigError(
            f"data.inputs is {inputs}, data.targets {targets}: too short for span corruption; expected 3 or more"
        )
    return int(lengths[np.argmin(fits) - 1]) if not fits.all() else int(lengths[-1])


def pieces(lengths: npt.ArrayLike, most: int) -> npt.NDArray[np.int64]:
    """How many pieces, as equal as can be, texts of these lengths are taken in."""
    return np.asarray(-(-np.asarray(lengths, np.int64) // most), np.int64)


def piece_bounds(lengths: npt.ArrayLike, numbers: npt.ArrayLike, most: int) -> tuple[Any, Any]:
    """Where each numbered piece of a text begins and ends."""
    length, number = np.asarray(lengths, np.int64), np.asarray(numbers, np.int64)
    count = pieces(length, most)
    return number * length // count, (number + 1) * length // count


def corrupt(ids: npt.NDArray[Any], key: int, config: SpansConfig, special_ids: SpecialIds) -> Pair:
    """The pair of a text of 2 ids or more; which spans are masked is a function of the key, a number of 64 bits."""
    noise, spans = _counts(len(ids), config)
    chance = chances(len(ids), key)
    kept = _ends(chance[noise:], spans)
    hidden = _ends(chance[:noise], spans)
    # Kept and hidden stretches take turns: the id after the n-th kept stretch begins the n-th span, and so on.
    changes = np.zeros(len(ids) + 1, np.int8)
    changes[kept[1:] + hidden[:-1]] = 1
    changes[kept[1:] + hidden[1:]] = -1
    is_hidden = np.cumsum(changes[:-1], dtype=np.int8).view(bool)
    sentinels = special_ids.sentinels[:spans]
    return Pair(
        _with_sentinels(ids[~is_hidden], kept[1:], sentinels, special_ids.eos),
        _with_sentinels(ids[is_hidden], hidden[:-1], sentinels, special_ids.eos),
    )


@functools.lru_cache(maxsize=8192)
def _counts(length: int, config: SpansConfig) -> tuple[int, int]:
    noise, spans = masked(length, config)
    return int(noise), int(spans)


def _ends(chance: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.int64]:
    """[count + 1]: 0, and the ends of `count` random stretches that make up the whole, none of them empty.

    Each way to cut is as likely as another: the cuts stand where the chances are smallest.
    """
    out = np.zeros(count + 1, np.int64)
    out[1:-1] = np.sort(np.argsort(chance[1:])[: count - 1]) + 1
    out[-1] = len(chance)
    return out


def _with_sentinels(
    ids: npt.NDArray[Any], places: npt.NDArray[np.int64], sentinels: Sequence[int], eos: int
) -> npt.NDArray[np.int32]:
    """The ids with a sentinel before each of the places, and eos."""
    out = np.empty(len(ids) + len(sentinels) + 1, np.int32)
    is_id = np.ones(len(out), bool)
    marks = places + np.arange(len(sentinels))
    is_id[marks] = is_id[-1] = False
    out[marks], out[-1] = sentinels, eos
    out[is_id] = ids
    return out
