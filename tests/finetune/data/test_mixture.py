"""Shares on two levels, kept exactly, with every example once in a pass."""

from collections import Counter

import numpy as np
import pytest

from core.errors import ConfigError, UnknownNameError
from finetune.data.config import DataConfig, SourceConfig, SpansConfig
from finetune.data.mixture import GroupName, Mixture


def sizes_of(use="answers", **sources):
    """{source: {dataset: {language: size}}} as groups."""
    return {
        GroupName(source, dataset, language, use): size
        for source, datasets in sources.items()
        for dataset, languages in datasets.items()
        for language, size in languages.items()
    }


def shares(config, sizes):
    mixture = Mixture.of(config, sizes)
    return {name[1:3]: round(float(share), 6) for name, share in zip(mixture.groups, mixture.shares, strict=True)}


def of(*sources, **more):
    return DataConfig(sources=sources, **more)


def source(name="a", **values):
    return SourceConfig(name=name, path=f"tokens/{name}", **values)


THREE = sizes_of(a={"dolly": {"swh": 10}, "xnli": {"swh": 300}, "xsum": {"swh": 100}})


def test_a_data_set_has_its_own_share_and_the_others_the_rest_by_size():
    assert shares(of(source(datasets={"dolly": 0.6})), THREE) == {
        ("dolly", "swh"): 0.6,
        ("xnli", "swh"): 0.3,
        ("xsum", "swh"): 0.1,
    }


def test_the_rest_may_be_shared_alike_or_by_capped_sizes():
    assert set(shares(of(source(by="uniform")), THREE).values()) == {round(1 / 3, 6)}
    assert shares(of(source(cap=90)), THREE) == {
        ("dolly", "swh"): round(10 / 190, 6),
        ("xnli", "swh"): round(90 / 190, 6),
        ("xsum", "swh"): round(90 / 190, 6),
    }


def test_shares_of_all_data_sets_are_relative():
    assert shares(of(source(datasets={"dolly": 0.1, "xnli": 0.1, "xsum": 0})), THREE) == {
        ("dolly", "swh"): 0.5,
        ("xnli", "swh"): 0.5,
    }


def test_weights_of_sources_are_relative_and_do_not_look_at_sizes():
    sizes = sizes_of(a={"x": {"swh": 10}}, b={"y": {"swh": 990}})
    assert shares(of(source("a", weight=3), source("b", weight=9)), sizes) == {("x", "swh"): 0.25, ("y", "swh"): 0.75}


@pytest.mark.parametrize(("alpha", "expected"), [(1, 0.8), (0.5, 2 / 3), (0, 0.5)])
def test_languages_of_a_data_set_count_by_a_power_of_their_size(alpha, expected):
    found = shares(of(source(alpha=alpha)), sizes_of(a={"x": {"eng": 400, "swh": 100}}))
    assert found["x", "eng"] == round(expected, 6)


def test_only_the_languages_that_are_asked_for():
    sizes = sizes_of(a={"x": {"eng_Latn": 400, "swh_Latn": 100}, "y": {"eng_Latn": 5}})
    assert shares(of(source(), languages=("swh_Latn",)), sizes) == {("x", "swh_Latn"): 1}


def test_span_corruption_takes_its_share_of_each_source():
    sizes = {**sizes_of(a={"x": {"swh": 10}}), **sizes_of("spans", a={"x": {"swh": 50}}, b={"y": {"swh": 7}})}
    config = of(source("a", weight=3), source("b", spans_share=1.0), spans=SpansConfig(share=0.2))
    mixture = Mixture.of(config, sizes)
    found = {(name.source, name.use): share for name, share in zip(mixture.groups, mixture.shares, strict=True)}
    assert found == pytest.approx({("a", "answers"): 0.6, ("a", "spans"): 0.15, ("b", "spans"): 0.25})


def test_what_is_not_there_is_an_error_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"unknown data set 'doly'; the nearest are dolly; see .* 'a'"):
        shares(of(source(datasets={"doly": 0.5})), THREE)
    with pytest.raises(ConfigError, match=r"no training rows in 'swa_Latn'; the nearest that there is: swh_Latn"):
        shares(of(source(), languages=("swa_Latn",)), sizes_of(a={"x": {"swh_Latn": 1, "eng_Latn": 2}}))
    with pytest.raises(ConfigError, match="'b' has no examples for training: leave it out"):
        shares(of(source("a"), source("b")), THREE)
    with pytest.raises(ConfigError, match="'b' has no examples in eng"):
        shares(of(source("a"), source("b"), languages=("eng",)), sizes_of(a={"x": {"eng": 1}}, b={"x": {"swh": 1}}))
    with pytest.raises(ConfigError, match=r"data\.sources is empty"):
        shares(of(), THREE)
    with pytest.raises(ConfigError, match="are all 0"):
        shares(of(source(datasets={"dolly": 0, "xnli": 0, "xsum": 0})), THREE)


MANY = Mixture.of(
    of(source("a", weight=1), source("b", weight=0.0137), source("c", weight=2.5, alpha=0.3), block=64),
    sizes_of(
        a={f"x{number}": {"swh": 1 + number} for number in range(40)},
        b={"y": {"swh": 5, "tha": 9}},
        c={"z": {code: 10**index for index, code in enumerate(("khm", "arb", "zho", "eng"))}},
    ),
)


def test_every_group_has_its_share_of_all_blocks_so_far_to_one_example():
    drawn = np.zeros(len(MANY.groups), np.int64)
    for block in range(200):
        drawn += np.bincount(MANY.draw(block).group, minlength=len(drawn))
        assert (np.abs(drawn - (block + 1) * 64 * MANY.shares) < 1).all()
        np.testing.assert_array_equal(drawn, MANY.given(block + 1))


def test_every_example_comes_once_in_a_pass_each_time_in_another_order():
    seen = {name: [] for name in MANY.groups}
    for block in range(300):
        drawn = MANY.draw(block)
        for group, item in zip(drawn.group.tolist(), drawn.item.tolist(), strict=True):
            seen[MANY.groups[group]].append(item)
    for name, size in zip(MANY.groups, MANY.sizes.tolist(), strict=True):
        items = seen[name]
        passes = [tuple(items[start : start + size]) for start in range(0, len(items) - size + 1, size)]
        assert all(sorted(one) == list(range(size)) for one in passes)
        if size > 9 and len(passes) > 2:
            assert len(set(passes)) == len(passes)
        assert max(Counter(items[len(passes) * size :]).values(), default=0) <= 1


def test_a_block_is_a_function_of_its_number_and_the_seed():
    first, again = MANY.draw(77), MANY.draw(77)
    np.testing.assert_array_equal(first.item, again.item)
    other = Mixture(MANY.groups, MANY.sizes, MANY.shares, MANY.block, seed=1).draw(77)
    assert first.item.tolist() != other.item.tolist()


def test_rare_groups_take_turns_so_that_blocks_are_of_about_one_size():
    sizes = sizes_of(a={f"x{number}": {"swh": 50} for number in range(100)})
    mixture = Mixture.of(of(source(), block=10), sizes)
    drawn = [len(mixture.draw(block).group) for block in range(50)]
    assert max(drawn) < 20 and min(drawn) > 3 and abs(sum(drawn) - 500) < 50
