"""Train, validation and test by a stable hash: a row falls into the same split in every run and in every collection.

What was made from a row falls where that row falls, so that a translation of a training row is never tested on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import xxhash

from core.errors import ConfigError

SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitConfig:
    """The share of rows in each held-out split; all others are for training."""

    validation: float = 0.01  # share of the rows
    test: float = 0.01  # share of the rows

    def __post_init__(self) -> None:
        if not (self.validation >= 0 and self.test >= 0 and self.validation + self.test < 1):  # not a number fails, too
            raise ConfigError(
                f"splits: validation {self.validation}, test {self.test}: expected shares that add up to less than 1"
            )


def split_of(record_id: str, parent_id: str | None, config: SplitConfig) -> str:
    """Return the split of a record, by its parent's id, or by its own if it has no parent."""
    share = xxhash.xxh3_64_intdigest((parent_id or record_id).encode()) / 2**64
    if share < config.test:
        return "test"
    return "validation" if share < config.test + config.validation else "train"
