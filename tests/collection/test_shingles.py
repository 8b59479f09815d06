"""Shingles are the pieces that they are said to be, in every script, wherever a text stands in its batch."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.languages import resolve, table
from collection.shingles import ShingleRule, Shingles, comparable, cut, jaccards, n_grams, shingle_rule

LONG = {
    "swh_Latn": "Jua huvukiza maji ya bahari na maziwa, mvuke hupanda angani, hupoa na kuwa mawingu, kisha mvua hunyesha "
    "juu ya nchi na mito hurudisha maji yote baharini tena.",
    "arb_Arab": "تبخر الشمس مياه البحار والبحيرات فيصعد البخار إلى السماء ويبرد ويصير غيوما ثم يهطل المطر على الأرض "
    "وتعيد الأنهار المياه كلها إلى البحر من جديد.",
    "tha_Thai": "ดวงอาทิตย์ทำให้น้ำทะเลระเหย ไอน้ำลอยขึ้นสู่ท้องฟ้า เย็นลงกลายเป็นเมฆ แล้วฝนก็ตกลงมา",
    "zho_Hans": "太阳使海水蒸发，水蒸气升上天空，冷却后变成云，然后下雨，河流把水带回大海。",
    "mya_Mymr": "နေသည် ပင်လယ်ရေကို အငွေ့ပျံစေသည်။ ရေငွေ့သည် ကောင်းကင်သို့ တက်ပြီး တိမ်ဖြစ်လာသည်။",
}


def pieces_of(text, code):
    """The same by plain Python: sets of words or of characters, or both near the limit."""
    shape, text = shingle_rule(resolve(code)), comparable(text)
    words = text.split(" ") if text else []
    by_words = [tuple(words[i : i + 5]) for i in range(len(words) - 4)] if shape.spaced and len(words) >= 20 else []
    short = not shape.spaced or len(words) < 25
    size = shape.characters
    by_characters = [text[i : i + size] for i in range(len(text) - size + 1)] if short else []
    return by_words, by_characters


def hashed(text, code):
    words, characters = cut([comparable(text)], [shingle_rule(resolve(code))])
    return words.hashes.tolist(), characters.hashes.tolist()


@pytest.mark.parametrize("code", LONG)
def test_there_is_a_hash_for_each_piece_and_equal_ones_for_equal_pieces(code):
    expected, found = pieces_of(LONG[code] * 2, code), hashed(LONG[code] * 2, code)
    for pieces, hashes in zip(expected, found, strict=True):
        assert len(hashes) == len(pieces)
        assert [hashes.index(one) for one in hashes] == [pieces.index(one) for one in pieces]


def test_words_where_there_are_enough_and_spaces_else_characters_and_both_near_the_limit():
    def kinds(text, code):
        return [len(one) > 0 for one in hashed(text, code)]

    assert kinds("neno " * 19, "swh") == [False, True]
    assert kinds("neno " * 20, "swh") == [True, True] == kinds("neno " * 24, "swh")
    assert kinds("neno " * 25, "swh") == [True, False]
    assert kinds(LONG["tha_Thai"] * 3, "tha") == kinds("水 " * 40, "zho_Hans") == [False, True]


@pytest.mark.parametrize(("text", "code"), [("", "swh"), ("Ndiyo", "swh"), ("はい", "jpn"), ("ใช่", "tha")])
def test_a_text_shorter_than_a_shingle_has_none(text, code):
    assert hashed(text, code) == ([], [])


def test_a_shingle_of_characters_is_as_long_as_the_script_is_dense():
    assert shingle_rule(resolve("zho_Hans")).characters < shingle_rule(resolve("kor")).characters
    assert shingle_rule(resolve("kor")).characters < shingle_rule(resolve("eng")).characters
    assert all(3 <= shingle_rule(language).characters <= 20 for language in table().values())


def test_case_and_blanks_make_no_difference():
    assert comparable(" Straße\n\tDER  Sonne\u3000x ") == "strasse der sonne x"
    assert hashed("Ndiyo,  KABISA  ndugu", "swh") == hashed("ndiyo, kabisa\nndugu", "swh")


texts = st.lists(
    st.text(st.sampled_from("ab ไท水م\u0301😀\ud800"), max_size=60) | st.sampled_from(list(LONG.values())), max_size=6
)


@given(texts, st.lists(st.sampled_from(sorted(LONG)), min_size=6, max_size=6))
def test_the_neighbours_in_a_batch_change_nothing(some, codes):
    some = [comparable(text) for text in some]
    shapes = [shingle_rule(resolve(code)) for code in codes[: len(some)]]
    for shingles, way in zip(cut(some, shapes), (0, 1), strict=True):
        alone = [cut([text], [shape])[way].hashes.tolist() for text, shape in zip(some, shapes, strict=True)]
        bounds = shingles.offsets.tolist()
        assert [shingles.hashes[a:b].tolist() for a, b in itertools.pairwise(bounds)] == alone


def test_no_two_pieces_of_many_have_one_hash():
    drawn = random.Random(1)
    text = " ".join("".join(drawn.choices("abcdefghij", k=drawn.randint(1, 4))) for _ in range(60_000))
    words, _ = cut([text], [shingle_rule(resolve("eng"))])
    pieces = text.split(" ")
    assert len(set(words.hashes.tolist())) == len({tuple(pieces[i : i + 5]) for i in range(len(pieces) - 4)})
    assert len(set((words.hashes & np.uint64(0xFFFFFFFF)).tolist())) > 0.9999 * len(words.hashes)


@given(st.lists(st.tuples(*[st.lists(st.integers(0, 12), max_size=12)] * 2), max_size=6))
def test_jaccard_is_what_two_sets_have_in_common_over_what_either_has(pairs):
    def shingles(lists):
        flat = np.array([one * 2**20 + 3 for some in lists for one in some], np.uint64)
        return Shingles(flat, np.cumsum([0, *map(len, lists)]))

    found, both = jaccards(shingles([a for a, _ in pairs]), shingles([b for _, b in pairs]))
    assert both.tolist() == [bool(a) and bool(b) for a, b in pairs]
    assert found.tolist() == pytest.approx([len({*a} & {*b}) / max(len({*a} | {*b}), 1) for a, b in pairs])


def test_n_grams_are_words_or_so_many_characters():
    some = [comparable(LONG["swh_Latn"]), comparable(LONG["tha_Thai"]), ""]
    words, characters = n_grams(some, ShingleRule(0, True), 8), n_grams(some, ShingleRule(40, False), 8)
    assert np.diff(words.offsets).tolist() == [len(some[0].split(" ")) - 7, 0, 0]
    assert np.diff(characters.offsets).tolist() == [len(some[0]) - 39, len(some[1]) - 39, 0]
