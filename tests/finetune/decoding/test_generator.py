"""Texts to texts: order, lengths, stops, and a stream that never tells half a character."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import ConfigError, SourceError
from finetune.checkpoints.base import LoadedModel
from finetune.decoding.decoder import Decoded, Decoding
from finetune.decoding.generator import EncodedPrompt, GeneratedText, TextGenerator, TextStream, _batches, _shape
from tokenizer.vocabulary import Tokenizer

TEXTS = ["habari", "你好 世界 一天", "", "siku moja mbili tatu " * 9, "привет мир", "wiki " * 5]


@pytest.fixture(scope="module")
def model(tiny, small_tokenizer):
    architecture = dataclasses.replace(tiny.shape, vocabulary=384)
    return LoadedModel(architecture, tiny.params(architecture, seed=1), small_tokenizer)


@pytest.fixture(scope="module")
def generator(model):
    return TextGenerator(model, Decoding(max_tokens=6), rows=4, max_input=16)


def test_answers_come_in_order_whatever_the_batch(model, generator):
    answers = list(generator.answers(TEXTS))
    assert [answer.truncated for answer in answers] == [False, False, False, True, False, True]
    assert answers[3].prompt_tokens == 16 and answers[2].prompt_tokens == 1
    alone = TextGenerator(model, Decoding(max_tokens=6), rows=1, max_input=16)
    for answer, other in zip(answers, alone.answers(TEXTS), strict=True):
        assert dataclasses.replace(answer, score=None) == dataclasses.replace(other, score=None)
        assert answer.score == pytest.approx(other.score, rel=1e-4)


def test_a_stream_is_the_answer_in_pieces(generator):
    answers = list(generator.answers(TEXTS[:2]))
    for text, answer in zip(TEXTS, answers, strict=False):
        stream = generator.stream(text)
        assert "".join(stream) == answer.text
        assert stream.answer == dataclasses.replace(answer, score=None)


def test_prompts_end_with_eos_even_where_they_are_cut(generator, small_tokenizer):
    ids = Tokenizer.load(small_tokenizer).encode([TEXTS[3]])[0]
    (prompt,) = generator.prompts([TEXTS[3]])
    assert prompt.truncated and prompt.ids.tolist() == [*ids[:15], 1]


@pytest.fixture
def streamed(small_tokenizer):
    """The pieces, and the answer, of a stream of given ids."""
    tokenizer = Tokenizer.load(small_tokenizer)

    def run(ids, stop=()):
        real = TextGenerator.text
        fake = SimpleNamespace(
            tokenizer=tokenizer,
            stop=stop,
            prompts=lambda texts: [EncodedPrompt(np.array([1]), False)],
            ids_of=lambda prompt, row: iter(ids),
        )
        fake.text = lambda ids: real(fake, ids)
        stream = TextStream(fake, "", 0)
        return list(stream), stream.answer

    return run


def byte_ids(tokenizer, text):
    text = text.encode() if isinstance(text, str) else text
    return [tokenizer.processor.piece_to_id(f"<0x{byte:02X}>") for byte in text]


def test_half_a_character_waits_for_the_other_half(streamed, small_tokenizer):
    tokenizer = Tokenizer.load(small_tokenizer)
    text = "ሰላም👩‍👧 नमस्ते"
    pieces, answer = streamed([*byte_ids(tokenizer, text), 1])
    assert "".join(pieces) == text == answer.text and answer.finish_reason == "eos"
    assert len(pieces) == len(text) and "\ufffd" not in "".join(pieces)
    broken, answer = streamed(byte_ids(tokenizer, "ab👩")[:-1])
    assert "".join(broken) == answer.text == "ab" and answer.finish_reason == "length" and answer.tokens == 5
    for meant in ("ab\ufffd", b"ab\x80", b"ab\xe4\xff"):  # what no more bytes would make a character stays
        pieces, answer = streamed(byte_ids(tokenizer, meant))
        assert "".join(pieces) == answer.text == "ab" + "\ufffd" * (len(answer.text) - 2) != "ab"


def test_nothing_of_a_stop_string_is_told(streamed, small_tokenizer):
    tokenizer = Tokenizer.load(small_tokenizer)
    ids = byte_ids(tokenizer, "one\n\ntwo\nQ: three")
    pieces, answer = streamed(ids, stop=("\nQ:", "zzz"))
    assert "".join(pieces) == "one\n\ntwo" == answer.text and answer.finish_reason == "stop"
    assert answer.tokens == len("one\n\ntwo\nQ:") and len(pieces) > 3
    pieces, answer = streamed([*byte_ids(tokenizer, "ends with \n"), 1], stop=("\nQ:",))
    assert "".join(pieces) == "ends with \n" and answer.finish_reason == "eos"


def test_ids_without_a_meaning_say_nothing(generator, small_tokenizer):
    ids = Tokenizer.load(small_tokenizer).encode(["habari"])[0]
    assert generator.text([0, *ids, 383, 1]) == "habari"


@pytest.mark.parametrize("beams", [1, 2])
def test_a_batch_stops_where_a_stream_does(model, beams):
    decoding, text = Decoding(max_tokens=8, beams=beams), "wiki mbili"
    (plain,) = TextGenerator(model, decoding).answers([text])
    # The second begins before the first, but is there later.
    cut = TextGenerator(model, decoding, stop=(plain.text[2:4], plain.text[1:5]))
    (answer,) = cut.answers([text])
    assert answer.text == plain.text[:2] and answer.finish_reason == "stop" and answer.tokens < plain.tokens
    stream = cut.stream(text)
    assert "".join(stream) == answer.text and stream.answer == dataclasses.replace(answer, score=None)
    shorter = dataclasses.replace(decoding, max_tokens=answer.tokens)
    if beams == 1:  # a shorter search finds other beams
        (same,) = TextGenerator(model, shorter).answers([text])
        assert same.score == pytest.approx(answer.score, rel=1e-4)
    else:
        assert answer.score * answer.tokens > plain.score * plain.tokens


def test_half_a_character_at_the_end_of_a_batch_is_left_out(generator, small_tokenizer):
    ids = byte_ids(Tokenizer.load(small_tokenizer), "ab你")[:-1]
    scores = np.zeros((1, len(ids)), np.float32)
    decoded = Decoded(np.array([ids]), np.array([len(ids)]), scores, scores.sum(-1))
    answer = generator._answer(decoded, 0, EncodedPrompt(np.array([1]), False))
    assert answer.text == "ab" and answer.tokens == 4 and answer.finish_reason == "length"


def test_few_shapes_are_compiled():
    batches = list(_batches([3, 900, 5, 700, 2], 2))
    assert batches == [[1, 3], [2, 0], [4]]
    assert (
        _shape(900, 2, 16, 1000) == (2, 1000)
        and _shape(3, 5, 16, 1000) == (8, 16)
        and _shape(17, 16, 12, 64) == (12, 32)
    )


def test_what_cannot_be_is_told(model):
    with pytest.raises(SourceError, match="no tokenizer: import it again with --tokenizer"):
        TextGenerator(dataclasses.replace(model, tokenizer=None))
    with pytest.raises(ConfigError, match="a stop string is empty"):
        TextGenerator(model, stop=("",))
    with pytest.raises(ConfigError, match="rows is 0"):
        TextGenerator(model, rows=0)
    assert isinstance(next(TextGenerator(model, Decoding(max_tokens=2)).answers(iter(["x"]))), GeneratedText)
