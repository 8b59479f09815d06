"""How likely answers are: what the model's own logits say, whatever the batch."""

import dataclasses

import numpy as np
import pytest

from core.errors import ConfigError, SourceError
from finetune.checkpoints.base import LoadedModel
from finetune.decoding.likelihood import Scorer
from tokenizer.vocabulary import Tokenizer

PAIRS = [
    ("habari", "nzuri"),
    ("привет мир", "неделя"),
    ("你好 世界", ""),
    ("", "一天"),
    ("siku moja " * 6, "mbili tatu"),
]


@pytest.fixture(scope="module")
def model(tiny, small_tokenizer):
    architecture = dataclasses.replace(tiny.shape, vocabulary=384)
    return LoadedModel(architecture, tiny.params(architecture), small_tokenizer)


@pytest.fixture(scope="module")
def scorer(model):
    return Scorer(model, rows=4, max_input=16)


def test_a_likelihood_is_the_sum_of_the_log_probabilities_of_the_answers_tokens(tiny, model, scorer, small_tokenizer):
    tokenizer = Tokenizer.load(small_tokenizer)
    prompt, answer = PAIRS[0]
    ids, target = ([*tokenizer.encode([text])[0], 1] for text in (prompt, answer))
    logits = tiny.logits(tiny.model(model.architecture), model.params, np.array([ids]), np.array([[0, *target[:-1]]]))[
        0
    ]
    shifted = logits - logits.max(-1, keepdims=True)
    expected = sum(shifted[place, one] - np.log(np.exp(shifted[place]).sum()) for place, one in enumerate(target))
    (found,) = scorer.log_likelihoods([PAIRS[0]])
    assert found.log_probability == pytest.approx(float(expected), abs=1e-4) and found.tokens == len(target)


def test_neither_padding_nor_company_changes_it_and_order_is_kept(scorer):
    together = scorer.log_likelihoods(PAIRS)
    alone = [scorer.log_likelihoods([pair])[0] for pair in PAIRS]
    assert [one.log_probability for one in together] == pytest.approx([one.log_probability for one in alone], abs=1e-4)
    assert [one.truncated for one in together] == [False, False, False, False, True]
    assert together[2].tokens == 1 and scorer.log_likelihoods([]) == []


def test_settings_that_cannot_be(model):
    with pytest.raises(ConfigError, match="expected 1 or more, and 2 or more"):
        Scorer(model, rows=0)
    with pytest.raises(SourceError, match="has no tokenizer"):
        Scorer(dataclasses.replace(model, tokenizer=None))
