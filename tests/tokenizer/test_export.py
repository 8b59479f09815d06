"""Both files of a tokenizer give the same ids for every text, and give the normalised text back."""

import json
import unicodedata

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer.normalizer import compositions, rules
from tokenizer.vocabulary import Tokenizer

HARD = [
    "",
    " ",
    "   ",
    "▁",
    "a▁b ▁ c▁",
    "  two  blanks  ",
    "line\nline\r\n\ttab",
    "\0 null \x07 bell",
    "<pad></s><unk><0x41><extra_id_0>",
    "a <extra_id_0> b<extra_id_99>c",
    "<|user|></s><extra_id_0><0x41><|user|><pad> <|user|><unk> <|user|></s>a<|user|>/s>",
    "<|user|>Habari?<|assistant|>Nzuri.<|user|>\u0301",
    "<extra_id_0>\u0338 >\u0338",
    "e\u0301 a\u0302\u0301 a\u0301\u0302 a\u0323\u0302 a\u0302\u0323 \u0301e",
    "가 가 각 각 한국어",
    "\ufb01n ² ²\u200d ½\u0301 Ａ\u0300 ｶﾞ カ\u3099 \u00a8",
    "שָׁלוֹם שָׁלוֹם",
    "\u202bعربي\u202c \u200fشَّ شَّ لا",
    "क\u093c क़ ক\u09c7\u09be கொ ကျ\u103a",
    "👨‍👩‍👧‍👦 🏳️‍🌈 👩🏽‍🚀 🇺🇳 #️⃣ ☝🏿",
    "\U00011935\U00011930 \U0001e040 𐍈 ߊߟߎ ⵣ 𞤀",
    "\ufffb",
    "\ufffb a\ufffb \ufffbb",
    "\ufeff\u2028\u0085\u00ad\u200b",
    "x" * 5000,
    "ไม่มีช่องว่างระหว่างคำ" * 200,
]

_SYMBOLS = ["<|user|>", "<|assistant|>", "<extra_id_0>", "<extra_id_99>"]
_NAMES = ["</s>", "<pad>", "<unk>", "<0x41>", "<0xE1>", "/s>", "<", " ", "▁"]
_composing = sorted({character for key in compositions() for character in key})
_pieces = st.one_of(
    st.text(),
    st.sampled_from(HARD),
    st.lists(st.sampled_from([*_SYMBOLS, *_NAMES]), max_size=5).map("".join),
    st.text(st.sampled_from(_composing), max_size=6),
    st.sampled_from(sorted(rules())),
    st.text(st.characters(categories=["Mn", "Mc", "Me", "Cf"]), max_size=4),
)
strings = st.lists(_pieces, max_size=6).map("".join)


class Pair:
    """The two files of one folder."""

    def __init__(self, folder):
        self.ours = Tokenizer.load(folder)
        self.theirs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))

    def check(self, text):
        [ids] = self.ours.encode([text])
        assert self.theirs.encode(text).ids == ids
        assert self.ours.decode(ids) == self.ours.normalize(text)
        assert self.theirs.decode(ids, skip_special_tokens=False) == self.ours.decode(ids)


@pytest.fixture(scope="module")
def pair(trained):
    return Pair(trained)


@pytest.fixture(scope="module")
def bpe_pair(bpe):
    return Pair(bpe)


@pytest.mark.parametrize("text", HARD)
def test_hard_texts_have_the_same_ids_and_come_back(pair, bpe_pair, text):
    pair.check(text)
    bpe_pair.check(text)


@settings(max_examples=400, deadline=None)
@given(strings)
def test_any_text_has_the_same_ids_and_comes_back(pair, text):
    pair.check(text)


@settings(max_examples=200, deadline=None)
@given(strings)
def test_any_text_has_the_same_ids_under_bpe_with_blanks_collapsed(bpe_pair, text):
    bpe_pair.check(text)


def test_naughty_strings_and_real_sentences(pair, shared):
    for text in json.loads((shared("data/blns") / "blns.json").read_text("utf-8")):
        pair.check(text)
    paths = sorted((shared("data/sib200") / "annotated").glob("*/train.tsv"))
    assert len(paths) == 205
    for path in paths:
        for line in path.read_text("utf-8").splitlines()[:4]:
            pair.check(line)


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_composed_text_is_normalised_as_nfkc_says(pair, text):
    # But for compatibility characters, and marks out of order, which the table does not put right.
    if unicodedata.normalize("NFKC", text) == unicodedata.normalize("NFC", text) == text and "\ufffb" not in text:
        assert pair.ours.normalize(text) == text.replace("▁", " ")


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("cafe\u0301", "café"),
        ("ệ", "ệ"),
        ("한", "한"),
        ("ﬁ ² Ⅳ ｱ", "fi 2 IV ア"),
        ("ส\u0e33", "สํา"),
        ("کتاب\u200cها", "کتاب\u200cها"),
        ("a\u0301\u0323", "á\u0323"),
    ],
)
def test_the_normaliser(pair, text, form):
    assert pair.ours.normalize(text) == form
