"""Writing systems agree with Unicode, character by character."""

import re
import unicodedata

import pytest
import regex

from collection.scripts import SCRIPTS, dominant_script

UNICODE = {
    "Latn": "Latin",
    "Cyrl": "Cyrillic",
    "Grek": "Greek",
    "Arab": "Arabic",
    "Hebr": "Hebrew",
    "Syrc": "Syriac",
    "Thaa": "Thaana",
    "Nkoo": "Nko",
    "Armn": "Armenian",
    "Geor": "Georgian",
    "Goth": "Gothic",
    "Ethi": "Ethiopic",
    "Tfng": "Tifinagh",
    "Deva": "Devanagari",
    "Beng": "Bengali",
    "Guru": "Gurmukhi",
    "Gujr": "Gujarati",
    "Orya": "Oriya",
    "Taml": "Tamil",
    "Telu": "Telugu",
    "Knda": "Kannada",
    "Mlym": "Malayalam",
    "Sinh": "Sinhala",
    "Olck": "Ol_Chiki",
    "Mtei": "Meetei_Mayek",
    "Limb": "Limbu",
    "Thai": "Thai",
    "Laoo": "Lao",
    "Khmr": "Khmer",
    "Mymr": "Myanmar",
    "Tibt": "Tibetan",
    "Java": "Javanese",
    "Mong": "Mongolian",
    "Cher": "Cherokee",
    "Cans": "Canadian_Aboriginal",
}
# Scripts whose writing mixes several of Unicode's.
MIXED = {
    "Hang": "Hangul Han",
    "Hans": "Han Bopomofo",
    "Hant": "Han Bopomofo",
    "Hani": "Han Bopomofo Hiragana Katakana",
    "Jpan": "Han Hiragana Katakana",
    "Hira": "Han Hiragana Katakana",
    "Kana": "Han Hiragana Katakana",
}
ASSIGNED = [
    chr(point)
    for point in [*range(0xD800), *range(0xE000, 0x20000), *range(0x20000, 0x32000, 37)]
    if unicodedata.category(chr(point)) not in ("Cn", "Co")
]
# Of the Basic Multilingual Plane, what may be missing: marks and symbols that are no letters of a text in this script,
# a few phonetic letters, the filler of half-width Hangul, and the ohm sign, which NFC makes an omega.
LEFT_OUT = {
    *"\ufe2e\ufe2f\u02ea\u02eb\uab65\uab66\uab67\uab68\uab69\u302e\u302f\uffa0\u2126",
    *map(chr, range(0x3200, 0x3280)),
}


def in_unicode(names):
    return regex.compile("[" + "".join(rf"\p{{Script={name}}}" for name in names.split()) + "]")


@pytest.mark.parametrize(("code", "names"), [*UNICODE.items(), *MIXED.items()])
def test_a_script_has_the_characters_that_unicode_gives_it(code, names):
    ours = re.compile(f"[{SCRIPTS[code].characters}]")
    theirs, shared_by_many = in_unicode(names), in_unicode("Common Inherited")
    for character in ASSIGNED:
        here, there = ours.match(character), theirs.match(character)
        if here and not there:
            # A vowel sign or a mark of length that Unicode files under no script may stand with its block, a letter of
            # another script never.
            assert shared_by_many.match(character), f"{character!r} is no {code}"
        elif there and not here and character < "\U00010000":
            assert character in LEFT_OUT, f"{character!r} is {code}"


def test_no_character_alone_tells_two_scripts():
    alone = {code: re.compile(f"[{SCRIPTS[code].characters}]") for code in UNICODE}
    for character in ASSIGNED:
        found = [code for code, pattern in alone.items() if pattern.match(character)]
        assert len(found) <= 1
        if found:
            assert dominant_script(character) == found[0]


def test_every_character_is_in_the_common_script():
    pattern = re.compile(f"[{SCRIPTS['Zyyy'].characters}]+")
    text = "a \n\0\U0010ffff界"
    assert pattern.fullmatch(text)
    assert SCRIPTS["Zyyy"].count(text) == len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Habari ya dunia", "Latn"),
        ("Tiê\u0301ng Viê\u0323t", "Latn"),  # decomposed
        ("Здраво свете", "Cyrl"),
        ("Zdravo свете", "Latn"),
        ("Zdr свете", "Cyrl"),
        ("مرحبا بالعالم", "Arab"),
        ("שלום עולם", "Hebr"),
        ("नमस्ते दुनिया", "Deva"),
        ("สวัสดีชาวโลก", "Thai"),
        ("សួស្តី​ពិភពលោក", "Khmr"),
        ("안녕하세요 世界", "Hang"),
        ("你好世界", "Hani"),
        ("ㄅㄆㄇ", "Hani"),
        ("日本語の文字", "Jpan"),
        ("カタカナ", "Jpan"),
        ("日本", "Hani"),
        ("𞤀𞤣", None),  # Adlam is not in the table
        ("ⵜⴰⵎⴰⵣⵉⵖⵜ", "Tfng"),
        ("ߒߞߏ", "Nkoo"),
        ("𐌲𐌿𐍄", "Goth"),
        ("1234 ... !? 👩‍👩‍👧", None),
        ("", None),
        ("Ω", "Grek"),
        ("ﬀ", "Latn"),
        ("\ud800a", "Latn"),
    ],
)
def test_the_script_of_most_characters_is_found(text, expected):
    assert dominant_script(text) == expected


def test_kana_make_all_han_characters_japanese():
    assert dominant_script("漢字漢字漢字 hiragana の") == "Latn"
    assert dominant_script("漢字漢字漢字漢字漢字 romaji の") == "Jpan"
    assert dominant_script("漢字漢字漢字漢字漢字 romaji") == "Hani"


@pytest.mark.parametrize(
    ("code", "text", "count"),
    [
        ("Latn", "abc déf 123 жй", 6),
        ("Cyrl", "abc жй", 2),
        ("Deva", "नमस्ते!", 6),  # vowel signs and virama count
        ("Deva", "नमस्ते।", 6),  # the danda is shared by many scripts
        ("Jpan", "日本語のテスト abc", 7),
        ("Hans", "日本語のテスト", 3),
        ("Hang", "한국어 韓國", 5),
        ("Arab", "سلام، ١٢٣", 7),  # Arabic digits count, the comma that Syriac shares does not
        ("Thai", "ราคา 10 บาท", 7),
        ("Latn", "", 0),
        ("Zyyy", "x = 1\n", 6),
    ],
)
def test_characters_of_a_script_are_counted(code, text, count):
    assert SCRIPTS[code].count(text) == count


def test_densities_stand_in_the_order_that_parallel_text_shows():
    assert all(0.2 < script.density < 2 for script in SCRIPTS.values())
    order = ["Hant", "Hans", "Jpan", "Hang", "Ethi", "Arab", "Latn", "Grek", "Mymr"]
    assert sorted(order, key=lambda code: SCRIPTS[code].density) == order
