"""Signatures agree as often as sets are alike, and bands collide as often as the formula says."""

import numpy as np
import pytest

from collection.minhash import BANDS, ROWS, band_keys, signatures
from collection.shingles import Shingles


def pairs_alike(share, size, count):
    """Signatures of pairs of sets of `size` that are about `share` alike, and how alike they truly are."""
    drawn = np.random.default_rng(7)
    common = round(share * 2 * size / (1 + share))
    sets = []
    for _ in range(count):
        members = drawn.integers(0, 2**64, 2 * size - common, np.uint64)
        sets += [members[:size], np.concatenate([members[:common], members[size:]])]
    found = signatures(Shingles(np.concatenate(sets), np.arange(len(sets) + 1) * size))
    return found[0::2], found[1::2], common / (2 * size - common)


@pytest.mark.parametrize("size", [10, 40, 200])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.95])
def test_signatures_agree_as_often_as_sets_are_alike(share, size):
    first, second, true = pairs_alike(share, size, 600)
    agree = (first == second).mean(axis=1)
    deviation = (true * (1 - true) / (BANDS * ROWS)) ** 0.5
    assert agree.mean() == pytest.approx(true, abs=4 * deviation / 600**0.5 + 0.002)
    assert agree.std() == pytest.approx(deviation, rel=0.15)


@pytest.mark.parametrize(("share", "size"), [(0.3, 60), (0.5, 60), (0.8, 100), (0.9, 100)])
def test_bands_collide_as_often_as_the_formula_says(share, size):
    first, second, true = pairs_alike(share, size, 1500)
    salts = np.zeros(1500, np.uint64)
    met = (band_keys(first, salts) == band_keys(second, salts)).any(axis=1).mean()
    assert met == pytest.approx(1 - (1 - true**ROWS) ** BANDS, abs=0.03)


def test_equal_sets_meet_in_every_band_and_never_across_salts():
    first, _, _ = pairs_alike(0.5, 30, 50)
    here, there = (band_keys(first, np.full(50, salt, np.uint64)) for salt in (2, 3))
    assert (here == band_keys(first, np.full(50, 2, np.uint64))).all()
    assert not np.intersect1d(here, there).size
    assert len(np.unique(here)) == here.size  # bands of one signature never stand for each other


def test_order_and_repetitions_make_no_difference():
    members = np.random.default_rng(3).integers(0, 2**64, 30, np.uint64)
    both = np.concatenate([members, members[::-1], members[:5]])
    found = signatures(Shingles(both, np.array([0, 30, 65])))
    assert (found[0] == found[1]).all()


def test_no_sets_have_no_signatures():
    none = signatures(Shingles(np.empty(0, np.uint64), np.array([0])))
    assert none.shape == (0, BANDS * ROWS)
    assert band_keys(none, np.empty(0, np.uint64)).shape == (0, BANDS)
