"""Conversations become pairs: the form, what is cut, and lengths that are known beforehand."""

import doctest
import random

import numpy as np
import pytest

from collection.record import ROLES
from finetune.data import conversation
from finetune.data.conversation import AnswerExamples
from finetune.data.examples import ExamplePointer
from finetune.data.special_ids import SpecialIds
from finetune.data.token_store import TokenStore

SYMBOLS = SpecialIds(1000, roles=(3, 4, 5, 6))  # system, user, assistant, tool
BARE = SpecialIds(1000)


@pytest.fixture
def pair_of(shards):
    """The pair of one turn of a conversation."""

    def render(turns, vocabulary, inputs=100, targets=100, turn=-1):
        store = TokenStore.open(shards(f"tokens{random.random()}", [{"turns": turns}]))
        example = ExamplePointer(0, 0, turn % len(turns), 0, 0, 0)
        pair = AnswerExamples(vocabulary, inputs, targets).render(store, example)
        return pair.inputs.tolist(), pair.targets.tolist()

    return render


CHAT = [
    ("system", [50]),
    ("user", [60, 61]),
    ("assistant", [70]),
    ("tool", [80]),
    ("assistant", [90, 91]),
]


def test_one_prompt_and_one_answer_have_no_marks_but_eos(pair_of):
    for vocabulary in (SYMBOLS, BARE):
        assert pair_of([("user", [10, 11]), ("assistant", [12])], vocabulary) == ([10, 11, 1], [12, 1])


def test_earlier_turns_stand_before_the_last_one_with_their_role_symbols(pair_of):
    assert pair_of(CHAT, SYMBOLS) == ([3, 50, 4, 60, 61, 5, 70, 6, 80, 1], [90, 91, 1])
    assert pair_of(CHAT, SYMBOLS, turn=2) == ([3, 50, 4, 60, 61, 1], [70, 1])


def test_without_symbols_eos_parts_the_turns(pair_of):
    assert pair_of(CHAT, BARE) == ([50, 1, 60, 61, 1, 70, 1, 80, 1], [90, 91, 1])


def test_too_long_inputs_lose_their_oldest_turns_whole_but_keep_what_the_system_said(pair_of):
    assert pair_of(CHAT, SYMBOLS, inputs=9)[0] == [3, 50, 5, 70, 6, 80, 1]
    assert pair_of(CHAT[1:], SYMBOLS, inputs=7)[0] == [5, 70, 6, 80, 1]
    assert pair_of(CHAT, BARE, inputs=6)[0] == [50, 1, 70, 1, 80, 1]
    assert pair_of(CHAT, SYMBOLS, inputs=4)[0] == [6, 80, 1]  # no room for the system turn


def test_a_last_turn_that_is_too_long_alone_loses_its_end(pair_of):
    long = [("user", [9]), ("assistant", [8]), ("user", list(range(10, 30))), ("assistant", [40])]
    assert pair_of(long, SYMBOLS, inputs=5)[0] == [4, 10, 11, 12, 1]
    assert pair_of(long, BARE, inputs=5)[0] == [10, 11, 12, 13, 1]
    assert pair_of(long[2:], SYMBOLS, inputs=5)[0] == [10, 11, 12, 13, 1]


def test_a_target_that_is_cut_does_not_end(pair_of):
    turns = [("user", [9]), ("assistant", list(range(10, 15)))]
    assert pair_of(turns, BARE, targets=6)[1] == [10, 11, 12, 13, 14, 1]
    assert pair_of(turns, BARE, targets=5)[1] == [10, 11, 12, 13, 14]
    assert pair_of(turns, BARE, targets=3)[1] == [10, 11, 12]


@pytest.mark.parametrize("vocabulary", [SYMBOLS, BARE], ids=["symbols", "bare"])
def test_lengths_are_known_without_the_ids(shards, vocabulary):
    chance = random.Random(5)
    rows = []
    for _ in range(200):
        roles = [chance.choice(ROLES) for _ in range(chance.randint(1, 7))] + ["assistant"]
        rows.append({"turns": [(role, chance.choices(range(10, 99), k=chance.randint(0, 12))) for role in roles]})
    store = TokenStore.open(shards("many", rows))
    answers = AnswerExamples(vocabulary, 20, 8)
    cuts, count = [], 0
    for number, batch in enumerate(store.batches):
        examples = answers.find(batch).examples
        examples["batch"] = number
        lengths = answers.cut(store, examples)
        cuts.append((lengths.inputs_cut, lengths.targets_cut))
        for index, values in enumerate(examples.tolist()):
            pair = answers.render(store, ExamplePointer(*values))
            assert (len(pair.inputs), len(pair.targets)) == (lengths.inputs[index], lengths.targets[index])
            assert len(pair.inputs) <= 20 and pair.inputs[-1] == 1
            assert lengths.targets_cut[index] == (pair.targets[-1] != 1)
            count += 1
    inputs_cut, targets_cut = (np.concatenate(side) for side in zip(*cuts, strict=True))
    assert count > 200 and inputs_cut.any() and targets_cut.any() and not inputs_cut.all()


def test_the_examples_in_its_text_are_true():
    found = doctest.testmod(conversation)
    assert found.attempted and not found.failed
