"""The mixture: which share of the examples comes from which group, and which example a group gives next.

Two levels, as Aya mixed: every source has a weight; inside a source some data sets have shares of their own, and the
rest is shared out among the others by size or alike. Inside a data set, languages count by n^alpha.

Nothing here has a state. After b blocks a group of share p has given floor(b * block * p + phase) examples, so its
share is exact to one example at every block; its k-th example is number k % size, in an order of the pass k // size, so
that every example comes once in each pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, UnknownNameError, nearest
from finetune.data.config import DataConfig, SourceConfig
from finetune.data.examples import Use
from finetune.data.shuffle import key_of, permuted


class GroupName(NamedTuple):
    """What an order is drawn by; it stays when other groups come or go."""

    source: str
    dataset: str
    language: str
    use: Use


class Drawn(NamedTuple):
    """The examples of a block, group by group; all arrays are [examples]."""

    group: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]  # how many the group gave before
    item: npt.NDArray[np.int64]  # number in the group


@dataclass(frozen=True)
class Mixture:
    """Groups with their sizes and shares; shares add up to 1."""

    groups: tuple[GroupName, ...]
    sizes: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    block: int
    seed: int

    @classmethod
    def of(cls, config: DataConfig, sizes: Mapping[GroupName, int]) -> Mixture:
        """The mixture of a configuration over the groups that there are.

        ConfigError or UnknownNameError where nothing is there to mix, or a name is not there.
        """
        _check_languages(config.languages, sizes)
        shares: dict[GroupName, float] = {}
        total = sum(source.weight for source in config.sources)
        for source in config.sources:
            for use, share in (("answers", 1 - config.spans_share(source)), ("spans", config.spans_share(source))):
                own = {name: size for name, size in sizes.items() if name.source == source.label and name.use == use}
                if share > 0:
                    for name, part in _shares(source, own, config.languages).items():
                        shares[name] = share * source.weight / total * part
        if not shares:
            raise ConfigError("data.sources is empty: expected at least one [[data.sources]] with a path")
        names = tuple(sorted(name for name, share in shares.items() if share > 0))
        found = np.array([shares[name] for name in names])
        return cls(names, np.array([sizes[name] for name in names]), found / found.sum(), config.block, config.seed)

    def given(self, blocks: int) -> npt.NDArray[np.int64]:
        """[groups]: how many examples each group has given after so many blocks."""
        return np.floor(blocks * self.block * self.shares + self._phases()).astype(np.int64)

    def _phases(self) -> npt.NDArray[np.float64]:
        """Rare groups take turns, instead of all coming in the same block."""
        keys = np.array([key_of("phase", self.seed, *name) >> 11 for name in self.groups], np.uint64)
        return np.asarray(keys / 2.0**53)

    def draw(self, block: int) -> Drawn:
        """The examples of a block, [about `block` of them]."""
        first = self.given(block)
        counts = self.given(block + 1) - first
        group = np.repeat(np.arange(len(self.groups)), counts)
        count = np.arange(len(group)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        passes, place = np.divmod(count, self.sizes[group])
        # Few groups are in more than one pass in a block: a key for each pair that occurs.
        pairs, inverse = np.unique(np.stack([group, passes], axis=1), axis=0, return_inverse=True)
        keys = [key_of("pass", self.seed, *self.groups[index], number) for index, number in pairs.tolist()]
        item = permuted(place, self.sizes[group], np.array(keys, np.uint64)[inverse.reshape(-1)])
        return Drawn(group, count, item)


def _check_languages(languages: Sequence[str], sizes: Mapping[GroupName, int]) -> None:
    there = {name.language for name in sizes}
    for language in languages:
        if language not in there:
            near = nearest(language, there)
            hint = f"the nearest that there is: {near[0]}" if near else f"there are {', '.join(sorted(there)[:5])}"
            raise ConfigError(f"data.languages: no training rows in {language!r}; {hint}")


def _shares(source: SourceConfig, sizes: Mapping[GroupName, int], languages: Sequence[str]) -> dict[GroupName, float]:
    """The share of each group of one source for one use; they add up to 1."""
    kept = {name: size for name, size in sizes.items() if not languages or name.language in languages}
    by_dataset: dict[str, dict[GroupName, int]] = {}
    for name, size in kept.items():
        by_dataset.setdefault(name.dataset, {})[name] = size
    known = {name.dataset for name in sizes}
    for dataset in source.datasets:
        if dataset not in known:
            raise UnknownNameError("data set", dataset, known, f"see datasets of data.sources {source.label!r}")
    if not by_dataset:
        what = f"in {', '.join(languages)}" if languages and sizes else "for training"
        raise ConfigError(f"data.sources {source.label!r} has no examples {what}: leave it out")
    shares = _dataset_shares(source, {dataset: sum(groups.values()) for dataset, groups in by_dataset.items()})
    out = {}
    for dataset, groups in by_dataset.items():
        weights = {name: size**source.alpha for name, size in groups.items()}
        for name, weight in weights.items():
            out[name] = shares[dataset] * weight / sum(weights.values())
    return out


def _dataset_shares(source: SourceConfig, sizes: Mapping[str, int]) -> dict[str, float]:
    """Of each data set its own share, or its part of what the others leave."""
    own = {dataset: source.datasets[dataset] for dataset in sizes if dataset in source.datasets}
    rest = [dataset for dataset in sizes if dataset not in own]
    weights = {
        dataset: 1.0 if source.by == "uniform" else float(min(sizes[dataset], source.cap or sizes[dataset]))
        for dataset in rest
    }
    left = 1 - sum(own.values())
    shares = {**own, **{dataset: left * weight / sum(weights.values()) for dataset, weight in weights.items()}}
    total = sum(shares.values())  # less than 1 where all data sets have a share of their own
    if total <= 0:
        raise ConfigError(f"data.sources {source.label!r}: the shares of its data sets are all 0")
    return {dataset: share / total for dataset, share in shares.items()}
