"""Validation: a fixed choice of every language, in few shapes, summed by language, with what is missing told."""

import numpy as np
import pytest

from core.errors import ConfigError
from finetune.data.config import DataConfig, SourceConfig, SpansConfig, ValidationConfig
from finetune.data.sources import DataSources
from finetune.data.special_ids import SpecialIds
from finetune.data.validation import ValidationData

VOCABULARY = SpecialIds(1000, sentinels=tuple(range(999, 899, -1)), sha256="tokenizer")


@pytest.fixture
def open_validation(shards, plain):
    rows = [
        *plain(30, language="swh_Latn", split="train", task="qa"),
        *plain(20, first=100, language="swh_Latn", split="validation", task="qa", dataset="tydi"),
        *plain(30, first=200, language="khm_Khmr", split="train"),
        *plain(3, first=300, language="arb_Arab", split="train"),
        {
            "turns": [("user", list(range(400, 430))), ("assistant", [400])],
            "language": "arb_Arab",
            "split": "validation",
        },
    ]
    folder = shards("tokens", rows)

    def run(examples=8, hold_out=0.0, rows=0, **more):
        config = DataConfig(
            sources=(SourceConfig(path=str(folder)),),
            inputs=64,
            targets=32,
            rows=6,
            validation=ValidationConfig(examples, hold_out, rows),
            **more,
        )
        return ValidationData(DataSources.open(config, VOCABULARY))

    return run


def test_so_many_examples_of_each_language_the_same_ones_every_time(open_validation):
    first, again = open_validation(), open_validation()
    assert first.languages == ("arb_Arab", "swh_Latn") and len(first) == 1 + 8
    assert [one.id for one in first.examples(9)] == [one.id for one in again.examples(9)]
    wider = [one.id for one in open_validation(examples=12).examples(99)]
    assert len(wider) == 13 and {one.id for one in first.examples(9)} < set(wider)


def test_a_language_without_validation_rows_is_told_or_gives_some_of_its_own(open_validation):
    data = open_validation()
    assert data.missing == ("khm_Khmr",)
    assert data.notes() == [
        "no validation rows in khm_Khmr: their validation loss is not measured; "
        "data.validation.hold_out = 0.01 would set some apart"
    ]
    held = open_validation(hold_out=0.2)
    assert held.languages == ("arb_Arab", "khm_Khmr", "swh_Latn") and held.notes() == []
    own = [one for one in held.examples(99) if one.language == "swh_Latn"]
    assert {one.dataset for one in own} == {"tydi"}  # it has a split: no training row is taken


def test_batches_have_few_shapes_and_padding_weighs_nothing(open_validation):
    data = open_validation(examples=20)
    seen = []
    for batch in data.batches():
        assert batch.features.encoder_input_tokens.shape in {(6, 8), (6, 32)}
        real = batch.weight > 0
        np.testing.assert_array_equal(batch.features.decoder_loss_weights.any(1), real)
        assert set(batch.features.encoder_segment_ids.max(1)[real]) == {1}
        for row in np.flatnonzero(real):
            ids = batch.features.encoder_input_tokens[row]
            seen.append((data.languages[batch.language[row]], int(ids[0])))
    assert sorted(seen) == sorted([("arb_Arab", 400), *(("swh_Latn", 100 + number) for number in range(20))])


def test_the_hosts_together_read_what_one_host_reads(open_validation):
    data = open_validation(examples=20)
    parts = [list(data.batches(process, 3)) for process in range(3)]
    for number, batch in enumerate(data.batches()):
        np.testing.assert_array_equal(np.concatenate([part[number].weight for part in parts]), batch.weight)
        targets = [part[number].features.decoder_target_tokens for part in parts]
        np.testing.assert_array_equal(np.concatenate(targets), batch.features.decoder_target_tokens)
    with pytest.raises(ConfigError, match=r"data\.validation\.rows is 6: expected a multiple of the 4"):
        next(data.batches(0, 4))


def test_examples_for_generation_have_their_prompt_and_answer(open_validation):
    one = next(one for one in open_validation().examples(1) if one.language == "swh_Latn")
    assert one.task == "qa" and one.inputs[-1] == 1 and one.targets[-1] != 1 and len(one.id) == 32
    assert set(one.inputs[:-1].tolist()) == set(one.targets.tolist())


def test_pretraining_validates_span_corruption(open_validation):
    data = open_validation(spans=SpansConfig(share=1.0))
    assert data.languages == ("arb_Arab", "swh_Latn") and data.examples(5) == []
    batches = list(data.batches())
    assert any((batch.features.decoder_target_tokens[:, 0] == 999).any() for batch in batches)
    mixed = open_validation(spans=SpansConfig(share=0.5))
    assert not any((batch.features.decoder_target_tokens == 999).any() for batch in mixed.batches())


def test_no_validation_where_none_is_wanted(open_validation):
    data = open_validation(examples=0)
    assert len(data) == 0 and list(data.batches()) == [] and data.notes() == []
