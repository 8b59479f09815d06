"""First fit on both sides."""

import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finetune.data import packing
from finetune.data.packing import first_fit

LENGTHS = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 9)), max_size=60)


def by_hand(sides, most_inputs, most_targets):
    rows, out = [], []
    for inputs, targets in sides:
        room = [left + inputs <= most_inputs and right + targets <= most_targets for left, right in rows]
        number = [*room, True].index(True)
        if number == len(rows):
            rows.append((0, 0))
        rows[number] = (rows[number][0] + inputs, rows[number][1] + targets)
        out.append(number)
    return out


@given(LENGTHS)
def test_each_example_goes_into_the_first_row_with_room_on_both_sides(sides):
    inputs, targets = [left for left, _ in sides], [right for _, right in sides]
    assert first_fit(inputs, targets, 20, 9).tolist() == by_hand(sides, 20, 9)


def test_rows_of_instruction_lengths_are_95_percent_full_on_their_fuller_side():
    chance = np.random.default_rng(0)
    inputs, targets = (np.minimum(chance.lognormal(mean, 1.1, 8192).astype(int) + 2, 1024) for mean in (5.2, 4.5))
    rows = first_fit(inputs, targets, 1024, 1024)
    fuller = np.maximum(np.bincount(rows, inputs), np.bincount(rows, targets)) / 1024
    assert fuller.max() <= 1 and fuller.mean() >= 0.95


def test_examples_as_long_as_a_row_have_one_each_and_none_is_no_row():
    assert first_fit([10, 10, 10], [1, 1, 1], 10, 7).tolist() == [0, 1, 2]
    assert first_fit([], [], 10, 7).tolist() == []


def test_the_examples_in_its_text_are_true():
    found = doctest.testmod(packing)
    assert found.attempted and not found.failed
