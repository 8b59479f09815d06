"""Span corruption by T5's rule: nothing of the text is lost, in any script."""

import numpy as np
import pytest

from core.errors import ConfigError
from finetune.data import spans
from finetune.data.config import SpansConfig
from finetune.data.special_ids import SpecialIds

T5 = SpansConfig()
CODEPOINTS = SpecialIds(1_200_000, sentinels=tuple(range(1_199_999, 1_199_899, -1)))
TEXTS = (
    "Habari ya asubuhi, rafiki yangu mpendwa?",
    "صباح الخير يا صديقي العزيز",
    "สวัสดีตอนเช้าเพื่อนรัก",
    "អរុណសួស្តី មិត្តភក្តិ",
    "我的朋友早上好",
    "नमस्ते 👍🏽",
    "ab",
)


def filled_in(pair, sentinels):
    """The text again: each sentinel of the inputs gives way to what follows it in the targets."""
    hidden, out = {}, []
    for number in pair.targets[:-1].tolist():
        if number in sentinels:
            hidden[number] = current = []
        else:
            current.append(number)
    for number in pair.inputs[:-1].tolist():
        out += hidden.pop(number) if number in sentinels else [number]
    assert not hidden
    return out


@pytest.mark.parametrize("text", TEXTS)
def test_inputs_and_targets_together_are_the_text(text):
    ids = np.array([ord(character) for character in text])
    for key in range(20):
        pair = spans.corrupt(ids, key, T5, CODEPOINTS)
        assert filled_in(pair, CODEPOINTS.sentinels) == ids.tolist()
        assert pair.inputs[-1] == pair.targets[-1] == 1 and pair.targets[0] == CODEPOINTS.sentinels[0]
        assert pair.inputs[0] == ids[0]  # a text begins unmasked


def test_lengths_are_known_beforehand_and_shares_are_as_configured():
    for length in range(2, 600, 7):
        pair = spans.corrupt(np.arange(length), length, T5, CODEPOINTS)
        found = spans.measure(length, T5)
        assert (len(pair.inputs), len(pair.targets)) == (found.inputs, found.targets)
    noise, count = spans.masked(568, T5)
    assert (int(noise), int(count)) == (85, 28)  # 15% in spans of 3


def test_the_longest_text_is_what_t5_computes():
    """T5 pretrains with 512 ids of 568, whose targets have 114; mT5 with 1,024 of 1,137 and 229."""
    assert spans.longest_text(512, 512, T5, 100) == 568
    assert spans.measure([568], T5).targets.tolist() == [114]
    assert spans.longest_text(1024, 1024, T5, 100) == 1137
    assert spans.measure([1137], T5).targets.tolist() == [229]
    assert spans.longest_text(512, 50, T5, 100) < 250  # the targets decide
    assert spans.masked(spans.longest_text(9000, 9000, T5, 100), T5)[1] == 100  # the sentinels do


def test_where_the_spans_are_is_decided_by_the_key():
    ids = np.arange(100)
    inputs = [spans.corrupt(ids, key, T5, CODEPOINTS).inputs.tolist() for key in (1, 1, 2)]
    assert inputs[0] == inputs[1] != inputs[2]
    hidden = np.zeros(100)
    for key in range(2000):
        hidden[[number for number in spans.corrupt(ids, key, T5, CODEPOINTS).targets[:-1] if number < 100]] += 1
    assert abs(hidden.mean() / 2000 - 0.15) < 0.001
    assert (abs(hidden[5:-8] / 2000 - 0.13) < 0.03).all()  # alike, but for the ends: a text ends masked


def test_pieces_cover_a_long_text():
    bounds = [spans.piece_bounds(2300, number, 1000) for number in range(int(spans.pieces(2300, 1000)))]
    assert [(int(begin), int(end)) for begin, end in bounds] == [(0, 766), (766, 1533), (1533, 2300)]


def test_without_sentinels_or_room_there_are_no_spans():
    with pytest.raises(ConfigError, match=r"needs sentinels .* which the tokenizer has none of"):
        spans.longest_text(512, 512, T5, 0)
    with pytest.raises(ConfigError, match="too short for span corruption"):
        spans.longest_text(2, 2, T5, 100)
