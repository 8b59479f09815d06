"""The examples of a source: sorted by group, whatever the batches of the shards, in memory or mapped."""

import numpy as np
import pytest

from finetune.data import example_index, token_store
from finetune.data.conversation import AnswerExamples
from finetune.data.example_index import ExampleIndex, RowSelection
from finetune.data.special_ids import SpecialIds
from finetune.data.token_store import TokenStore

ANSWERS = AnswerExamples(SpecialIds(1000), 100, 100)


@pytest.fixture
def rows(plain):
    return [
        *plain(30, language="khm_Khmr", dataset="a"),
        *plain(30, first=100, language="zho_Hans", dataset="a", split="train"),
        *plain(9, first=200, language="zho_Hans", split="validation"),
        *plain(5, first=300, split="test"),
    ]


@pytest.fixture
def store(shards, rows):
    return TokenStore.open(shards("tokens", rows))


def first_ids(index):
    """By group, the first id of each example's turn."""
    return {
        group[:3]: sorted(
            int(index.store.batches[example["batch"]].turn(example["turn"])[0])
            for example in index.examples[group.start : group.start + group.size]
        )
        for group in index.groups
    }


EXPECTED = {
    ("a", "khm_Khmr", "train"): list(range(10, 40)),
    ("a", "zho_Hans", "train"): list(range(100, 130)),
    ("aya", "zho_Hans", "validation"): list(range(200, 209)),
}


@pytest.mark.parametrize("parts", [1, 3, 40])
def test_groups_hold_their_examples_whatever_the_shards(shards, rows, parts):
    store = TokenStore.open(shards("tokens", rows, parts=parts))
    index = ExampleIndex.of(store, ANSWERS, RowSelection())
    assert first_ids(index) == EXPECTED
    assert len(np.unique(index.examples["batch"])) > max(parts // 2, 5)
    for group in index.groups:
        assert (np.diff(index.examples["batch"][group.start : group.start + group.size]) >= 0).all()


def test_a_large_index_is_in_a_temporary_file(store, monkeypatch):
    index = ExampleIndex.of(store, ANSWERS, RowSelection())
    monkeypatch.setattr(token_store, "_IN_MEMORY_BYTES", 10)
    mapped = ExampleIndex.of(store, ANSWERS, RowSelection())
    assert isinstance(mapped.examples.base, np.memmap)
    np.testing.assert_array_equal(mapped.examples, index.examples)
    assert first_ids(mapped) == EXPECTED


def test_held_out_rows_depend_on_ids_and_languages_only(store):
    selection = RowSelection(hold_out=0.3, hold_out_of=("khm_Khmr",))
    groups = first_ids(ExampleIndex.of(store, ANSWERS, selection))
    held, kept = groups["a", "khm_Khmr", "validation"], groups["a", "khm_Khmr", "train"]
    assert sorted(held + kept) == list(range(10, 40)) and 2 < len(held) < 20
    assert groups["a", "zho_Hans", "train"] == list(range(100, 130))
    ids = np.random.default_rng(0).integers(0, 1 << 63, (20_000, 2), dtype=np.uint64)
    assert abs(example_index.is_held_out(ids, 0.1).mean() - 0.1) < 0.01
    few, many = example_index.is_held_out(ids, 0.1), example_index.is_held_out(ids, 0.2)
    assert (many | ~few).all()  # a larger share holds what a smaller one held
