"""Where the examples stand: sorted by group, in pieces of the work, made again when damaged."""

import numpy as np
import pytest

from finetune.data import example_index
from finetune.data.example_index import ExampleIndex, Selection
from finetune.data.token_store import ExampleStore


@pytest.fixture
def store(shards, plain):
    rows = [
        *plain(30, language="khm_Khmr", dataset="a"),
        *plain(30, first=100, language="zho_Hans", dataset="a", split="train"),
        *plain(9, first=200, language="zho_Hans", split="validation"),
        *plain(5, first=300, split="test"),
    ]
    return ExampleStore.open(shards("tokens", rows))


def first_ids(store, index):
    """By group, the first id of each example's turn."""
    return {
        group[:3]: sorted(
            int(store.turn(turn)[0]) for turn in index.pointers["turn"][group.start : group.start + group.size]
        )
        for group in index.groups
    }


EXPECTED = {
    ("a", "khm_Khmr", "train"): list(range(10, 40)),
    ("a", "zho_Hans", "train"): list(range(100, 130)),
    ("aya", "zho_Hans", "validation"): list(range(200, 209)),
}


@pytest.mark.parametrize("chunk", [7, 1 << 20])
def test_groups_hold_their_examples_whatever_the_pieces_of_work(store, monkeypatch, chunk):
    monkeypatch.setattr(example_index, "_CHUNK", chunk)
    assert first_ids(store, ExampleIndex.open(store, Selection("answers"))) == EXPECTED


def test_a_damaged_index_is_made_again(store):
    index = ExampleIndex.open(store, Selection("answers"))
    index.path.write_bytes(b"")
    assert first_ids(store, ExampleIndex.open(store, Selection("answers"))) == EXPECTED
    assert len(list(store.folder.glob("index-*.bin"))) == 1


def test_what_is_held_out_depends_on_ids_alone_and_on_languages(store):
    selection = Selection("answers", hold_out=0.3, hold_out_of=("khm_Khmr",))
    found = first_ids(store, ExampleIndex.open(store, selection))
    held, kept = found["a", "khm_Khmr", "validation"], found["a", "khm_Khmr", "train"]
    assert sorted(held + kept) == list(range(10, 40)) and 2 < len(held) < 20
    assert found["a", "zho_Hans", "train"] == list(range(100, 130))
    ids = np.random.default_rng(0).integers(0, 256, (20_000, 16), dtype=np.uint8)
    assert abs(example_index.is_held_out(ids, 0.1).mean() - 0.1) < 0.01
    few, many = example_index.is_held_out(ids, 0.1), example_index.is_held_out(ids, 0.2)
    assert (many | ~few).all()  # a larger share holds what a smaller one held
