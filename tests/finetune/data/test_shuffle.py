"""Permutations without a state."""

import doctest

import numpy as np
import pytest

from finetune.data import shuffle
from finetune.data.shuffle import key_of, order, permuted


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 64, 65, 1000, 4097])
def test_every_position_is_taken_once(size):
    for key in range(4):
        assert sorted(order(size, key).tolist()) == list(range(size))


def test_orders_of_different_keys_differ_and_each_is_as_likely():
    seen = [tuple(order(4, key)) for key in range(2400)]
    counts = [seen.count(one) for one in set(seen)]
    assert len(counts) == 24 and min(counts) > 50 and max(counts) < 150


def test_sizes_and_keys_may_differ_from_one_element_to_the_next():
    sizes, keys = np.repeat([3, 1000, 2], [3, 1000, 2]), np.repeat([1, 2, 3], [3, 1000, 2])
    positions = np.concatenate([np.arange(3), np.arange(1000), np.arange(2)])
    together = permuted(positions, sizes, keys)
    alone = np.concatenate([order(3, 1), order(1000, 2), order(2, 3)])
    np.testing.assert_array_equal(together, alone)


def test_positions_far_beyond_memory():
    size = 10**12 + 7
    found = permuted(np.arange(1000), size, 5)
    assert len(set(found.tolist())) == 1000 and found.min() >= 0 and found.max() < size


def test_the_order_is_the_same_on_every_machine_and_in_every_version():
    assert order(8, 7).tolist() == [7, 4, 6, 2, 5, 1, 0, 3]
    assert key_of("swh_Latn", 3) == key_of("swh_Latn", 3) != key_of("swh_Latn3")


def test_the_examples_in_its_text_are_true():
    found = doctest.testmod(shuffle)
    assert found.attempted and not found.failed
