"""A row falls into the same split in every run; what was made from a row falls where that row falls."""

import math
from collections import Counter

import pytest

from collection.splits import SPLITS, SplitConfig, split_of
from core.errors import ConfigError

IDS = [f"{number:032x}" for number in range(20_000)]


def test_a_split_never_changes():
    config = SplitConfig(validation=0.2, test=0.2)
    assert " ".join(split_of(one, None, config) for one in IDS[:12]) == (
        "train validation test train train train test train validation train train train"
    )


@pytest.mark.parametrize(
    ("validation", "test"), [(0.01, 0.01), (0.1, 0.05), (0.3, 0.6), (0.0, 0.2), (0.2, 0.0), (0, 0)]
)
def test_the_splits_have_their_shares(validation, test):
    counts = Counter(split_of(one, None, SplitConfig(validation, test)) for one in IDS)
    assert counts.keys() <= set(SPLITS)
    for split, share in (("validation", validation), ("test", test), ("train", 1 - validation - test)):
        slack = 4 * math.sqrt(share * (1 - share) / len(IDS))  # four standard deviations
        assert abs(counts[split] / len(IDS) - share) <= slack


def test_what_was_made_from_a_row_falls_where_that_row_falls():
    config = SplitConfig(0.2, 0.2)
    for one, parent in zip(IDS[:500], IDS[500:1000], strict=True):
        assert split_of(one, parent, config) == split_of(parent, None, config)


def test_a_row_tested_on_is_never_trained_on_when_shares_grow():
    small, large = SplitConfig(0.01, 0.01), SplitConfig(0.05, 0.05)
    tested = [one for one in IDS if split_of(one, None, small) == "test"]
    assert tested and {split_of(one, None, large) for one in tested} == {"test"}


@pytest.mark.parametrize(
    ("validation", "test"), [(-0.1, 0.1), (0.1, -0.1), (0.5, 0.5), (1.0, 0.0), (0.0, 1.0), (2, 2), (math.nan, 0.1)]
)
def test_shares_that_leave_nothing_to_train_on_are_refused(validation, test):
    with pytest.raises(ConfigError, match="expected shares"):
        SplitConfig(validation, test)
