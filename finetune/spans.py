"""Span corruption, the task that T5 and mT5 are pretrained on (Raffel et al. 2020, section 3.1.4).

    text     A B C D E F G H I J
    inputs   A B <extra_id_0> E F G H <extra_id_1> J eos
    targets  <extra_id_0> C D <extra_id_1> I eos

The rule is that of T5's `random_spans_noise_mask`: as many ids are masked as the density says, in as many spans as the
mean length says, both rounded; spans and what lies between them get random lengths of at least one; a text begins
unmasked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.conversation import Lengths, Pair
from finetune.data_config import SpansConfig
from finetune.shuffle import mix
from finetune.vocabulary import Vocabulary
from glotmill.errors import ConfigError

SHORTEST = 2  # ids of a text of which some can be masked and some not


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


def longest(inputs: int, targets: int, config: SpansConfig, sentinels: int) -> int:
    """The longest text whose pair fits, as T5's `random_spans_helper` finds it; longer ones are taken in pieces.

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


def corrupt(ids: npt.NDArray[Any], key: int, config: SpansConfig, vocabulary: Vocabulary) -> Pair:
    """The pair of a text of 2 ids or more; which spans are masked is a function of the key."""
    noise, spans = (int(number) for number in masked(len(ids), config))
    kept = _segments(len(ids) - noise, spans, key)
    hidden = _segments(noise, spans, key + 1)
    ends = np.cumsum(np.stack([kept, hidden], axis=1).reshape(-1))  # of a kept stretch, of a hidden one, and so on
    kind = np.zeros(len(ids), np.int64)
    kind[ends[:-1]] = 1
    is_hidden = np.cumsum(kind) % 2 == 1
    sentinels = np.asarray(vocabulary.sentinels[:spans], np.int32)
    return Pair(
        _with_sentinels(ids[~is_hidden], np.cumsum(kept), sentinels, vocabulary.eos),
        _with_sentinels(ids[is_hidden], np.cumsum(hidden) - hidden, sentinels, vocabulary.eos),
    )


def _segments(total: int, count: int, key: int) -> npt.NDArray[np.int64]:
    """`count` random lengths of at least one that add up to `total`: each way to cut is as likely as another."""
    chance = mix(np.arange(total - 1, dtype=np.uint64) ^ mix(np.array([key & (1 << 64) - 1], np.uint64)))
    cuts = np.sort(np.argsort(chance, kind="stable")[: count - 1]) + 1
    return np.diff(np.concatenate([[0], cuts, [total]])).astype(np.int64)


def _with_sentinels(
    ids: npt.NDArray[Any], places: Sequence[int] | npt.NDArray[np.int64], sentinels: npt.NDArray[np.int32], eos: int
) -> npt.NDArray[np.int32]:
    out = np.insert(ids.astype(np.int32), places, sentinels)
    return np.append(out, np.int32(eos))
