"""The layout: who stands where, and what cannot be a symbol."""

import pytest

from core.errors import ConfigError, SourceError
from tokenizer import model_file
from tokenizer.vocabulary import BYTES, Tokenizer, VocabularyConfig


def test_the_layout_is_that_of_mt5(trained):
    pieces = model_file.read(trained / "tokenizer.model").pieces
    names = [piece.piece for piece in pieces]
    assert len(names) == 2048 == len(set(names))
    assert names[:5] == ["<pad>", "</s>", "<unk>", "<|user|>", "<|assistant|>"]
    assert tuple(names[5:261]) == BYTES
    assert names[-100:] == [f"<extra_id_{number}>" for number in range(99, -1, -1)]
    scores = [piece.score for piece in pieces[261:-100]]
    assert scores == sorted(scores, reverse=True)
    assert all(score * 256 == round(score * 256) for score in scores)
    processor = Tokenizer.load(trained).processor
    assert (processor.pad_id(), processor.eos_id(), processor.unk_id(), processor.bos_id()) == (0, 1, 2, -1)


def test_symbols_and_sentinels_are_one_piece_and_special_pieces_are_not_found_in_text(trained):
    tokenizer = Tokenizer.load(trained)
    [ids] = tokenizer.encode(["a<|user|>b<extra_id_0><extra_id_99>"])
    assert 3 in ids and 2047 in ids and 1948 in ids
    [ids] = tokenizer.encode_text(["a<|user|>b<extra_id_0><extra_id_99>"])
    assert not {3, 2047, 1948} & set(ids) and tokenizer.decode(ids) == "a<|user|>b<extra_id_0><extra_id_99>"
    [ids] = tokenizer.encode(["</s><pad><unk><0x41>"])
    assert min(ids) > 260


def test_every_byte_comes_back(trained):
    tokenizer = Tokenizer.load(trained)
    text = "".join(map(chr, range(1, 0x3000, 7))) + "\U0001f9ff\U000e0041"
    [ids] = tokenizer.encode([text])
    assert tokenizer.processor.unk_id() not in ids
    assert tokenizer.decode(ids) == tokenizer.normalize(text)


def test_digits_stand_alone(trained):
    names = [piece.piece for piece in model_file.read(trained / "tokenizer.model").pieces[261:-100]]
    assert not [name for name in names if sum(map(str.isdigit, name)) and len(name.strip("▁")) > 1]


def test_the_file_tells_nothing_of_the_machine(trained):
    assert str(trained.parent).encode() not in (trained / "tokenizer.model").read_bytes()
    assert b"lines.txt" not in (trained / "tokenizer.model").read_bytes()


@pytest.mark.parametrize(
    ("symbols", "told"),
    [
        ([""], "is empty"),
        (["a b"], "holds a blank"),
        (["①"], "into '1'"),
        (["<|x|>", "<|x|>"], "there already"),
        (["</s>"], "there already"),
        (["<extra_id_7>"], "there already"),
        (["a"], "could be part of a text"),
        (["."], "two characters or more"),
        (["the"], "could be part of a text"),
        (["<កក"], "no letter, mark or digit"),
    ],
)
def test_what_cannot_be_a_symbol(symbols, told):
    with pytest.raises(ConfigError, match=told):
        VocabularyConfig(symbols=tuple(symbols))


def test_sizes_are_rounded_up_to_a_multiple_of_128():
    assert [VocabularyConfig(size=size).rounded for size in (1, 128, 129, 32000, 250_100)] == [
        128,
        128,
        256,
        32000,
        250_112,
    ]


def test_what_is_no_tokenizer_is_told(tmp_path):
    (tmp_path / "a.model").write_bytes(b"not a model at all")
    for path in (tmp_path, tmp_path / "a.model", tmp_path / "no.model"):
        with pytest.raises(SourceError):
            Tokenizer.load(path)
    with pytest.raises(SourceError, match=r"expected a SentencePiece model \(tokenizer\.model\)"):
        Tokenizer.load(tmp_path / "tokenizer.json")
