"""Clean-up mends what is broken, leaves what a writing system needs, and its cheap looks miss nothing."""

import json
import re
import re._constants as constants
import re._parser as parser
import unicodedata

import ftfy
import pytest
from ftfy.badness import BADNESS_RE
from hypothesis import given, settings
from hypothesis import strategies as st

from collection import normalize as module
from collection.normalize import normalize

KEPT = [
    "میں نے کہا\u200cتھا",  # zero-width non-joiner
    "क्\u200dष और क्\u200cष",  # both joiners
    "👩\u200d👩\u200d👧\ufe0f",
    "שלום \u200fabc\u200e \u2067עברית\u2069 \u202bא\u202c",  # bidirectional marks, isolates, embeddings
    "\u061cعربي",
    "ភាសា\u200bខ្មែរ",  # zero-width space parts words
    "word\u2060joiner soft\xadhyphen",
    "a\xa0b\u3000c\u2009d",  # spaces of many widths
    "ไทย ราคา ๑๐ บาท",
    "བོད་ཡིག",
    "日本語、カタカナ",
    "Straße Œuvre çà et là",
    "« Où ça ? »  — “Là-bas”…",
    "Đặng Thị Ngọc Thịnh",
    "λόγος · ΑΛΦΑ",
    "tabs\tand\nlines\n\nstay",
    "  indented",
    "𐌲𐌿𐍄 🇰🇪 \U000e0067",
    "� alone",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_a_writing_system_needs_stays(text):
    assert normalize(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb\rc\u2028d\u2029e\x0bf\x0cg\x1ch", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("a\r\n\r\nb", "a\n\nb"),
        ("mwisho\r\n", "mwisho"),
        ("नमस्ते\r\nदुनिया", "नमस्ते\nदुनिया"),
        ("a\x00b\x07c\x1bd\x7fe", "abcde"),
        ("ก\x00ข\x1bค", "กขค"),
        ("wait\x85 \x93so\x94", "wait… “so”"),  # C1 controls are Windows characters in disguise
        ("\ufeffHabari \ufeffYako", "Habari Yako"),
        ("\ufeffПривет", "Привет"),
        ("a\ufffeb\uffffc\ufdd0d\ufff9e\u206af", "abcdef"),
        ("cafe\u0301", "café"),
        ("Tie\u0302\u0301ng Vie\u0323\u0302t", "Tiếng Việt"),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국"),
        ("क\u093c", "क़"),  # excluded from composition: NFC keeps it apart
        ("ｶﾞ Ａ ﬁ ①", "ｶﾞ Ａ ﬁ ①"),  # compatibility forms stay
        ("ﬁ ① ｶﾞ cafe\u0301", "ﬁ ① ｶﾞ café"),
        ("\u2126", "Ω"),
        ("a\ud83d\ude00b", "a😀b"),
        ("a\ud83db", "a�b"),
        ("\ude00\ud83d", "��"),
        ("trailing \t\n\u3000\xa0", "trailing"),
        ("\n\n\nfirst", "first"),
        ("\r\n\u2028first", "first"),
        ("\n  indented", "  indented"),
        ("", ""),
        (" \n\t ", ""),
        ("\x00\x00", ""),
        ("SlovenÅ¡Ä\x8dina", "Slovenščina"),
        ("Tiáº¿ng Viá»‡t", "Tiếng Việt"),
        ("à¤¨à¤®à¤¸à¥\x8dà¤¤à¥‡", "नमस्ते"),
        ("Ù…Ø±Ø\xadØ¨Ø§", "مرحبا"),
        ("donâ€™t", "don’t"),
    ],
)
def test_what_is_broken_is_mended(text, expected):
    assert normalize(text) == unicodedata.normalize("NFC", expected)


def test_mojibake_is_left_alone_where_that_is_wanted():
    assert normalize("Tiáº¿ng Viá»‡t\r\n", mojibake=False) == "Tiáº¿ng Viá»‡t"
    assert normalize("cafe\u0301\x00\x9f", mojibake=False) == "café"
    assert normalize("ก\x85ข", mojibake=False) == "ก\nข"


def test_ftfys_own_cases_are_mended_as_ftfy_mends_them(shared):
    cases = json.loads((shared("data/encodings") / "ftfy_mojibake_cases.json").read_text("utf-8"))
    mended = 0
    for case in cases:
        original = case["original"]
        assert normalize(original) == normalize(ftfy.fix_encoding(original), mojibake=False), case["label"]
        if case["expect"] == "pass":
            assert normalize(original) == normalize(case.get("fixed-encoding", case["fixed"]), mojibake=False)
            mended += normalize(original) != normalize(original, mojibake=False)
    assert mended > 50


def test_no_stray_character_is_printable():
    stray = [chr(point) for point in range(0x110000) if module._ANY_STRAY.match(chr(point))]
    assert len(stray) > 2000 and not any(map(str.isprintable, stray))


# The gate before ftfy.


def in_gate(point):
    return module._mojibake_clue().search(chr(point)) is not None


def needs_gate(sequence):
    """Whether every text that a parsed pattern matches has a character that the gate looks for."""
    return any(item_needs_gate(kind, argument) for kind, argument in sequence)


def item_needs_gate(kind, argument):
    if kind is constants.LITERAL:
        return in_gate(argument)
    if kind is constants.IN:
        return all(
            (member is constants.LITERAL and in_gate(value))
            or (member is constants.RANGE and all(map(in_gate, range(value[0], value[1] + 1))))
            for member, value in argument
        )
    if kind is constants.BRANCH:
        return all(map(needs_gate, argument[1]))
    if kind is constants.SUBPATTERN:
        return needs_gate(argument[3])
    if kind in (constants.MAX_REPEAT, constants.MIN_REPEAT):
        return argument[0] > 0 and needs_gate(argument[2])
    return False  # a category, any character, an assertion: matches without the gate's help


def test_every_pattern_of_ftfys_test_for_badness_needs_a_character_of_the_gate():
    parsed = parser.parse(BADNESS_RE.pattern, BADNESS_RE.flags)
    assert not BADNESS_RE.flags & re.IGNORECASE  # else the letters of a pattern would not be all that it matches
    ((kind, (_, alternatives)),) = parsed
    assert kind is constants.BRANCH and len(alternatives) > 25
    assert [index for index, alternative in enumerate(alternatives) if not needs_gate(alternative)] == []


def test_the_proof_would_notice_a_pattern_that_needs_no_character_of_the_gate():
    assert needs_gate(parser.parse("a[Ã-Ä]|(?:xÂ)+|\\wŒ?€"))
    assert not needs_gate(parser.parse("a[Ã-Ä]|b"))
    assert not needs_gate(parser.parse("a[Ãa]"))
    assert not needs_gate(parser.parse("aÃ?|aÃ*"))
    assert not needs_gate(parser.parse("[^Ã]"))


# Text that looks as if it went through the wrong encoding, a little of everything else.
mojibake = st.text(max_size=8).map(lambda text: text.encode().decode("latin-1"))
windows = st.sampled_from(["Ã©", "â€™", "Ð¿Ñ€", "à¸ª", "вЂ", "ГўВЂВ", "œ", "°", "×²", "√±", "ā€", "Œ ", "a Â ", "β€™"])
broken = st.sampled_from(["\x00", "\ud83d", "\ude00", "\r\n", "\x85", "\ufeff", "\u0301", "\u200d", "\xa0", "\n"])
anything = st.lists(st.text(max_size=8) | mojibake | windows | broken, max_size=6).map("".join)


@settings(max_examples=400, deadline=None)
@given(anything)
def test_the_looks_before_ftfy_turn_away_no_text_that_ftfy_would_change(text):
    assert normalize(text) == normalize(ftfy.fix_encoding(text), mojibake=False)


@settings(max_examples=400, deadline=None)
@given(anything, st.booleans())
def test_clean_text_is_composed_without_controls_and_fit_for_utf_8(text, mojibake):
    clean = normalize(text, mojibake=mojibake)
    clean.encode("utf-8")
    assert unicodedata.is_normalized("NFC", clean)
    assert clean == clean.rstrip() and not clean.startswith("\n")
    assert not [c for c in clean if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c not in "\n\t"]
    assert not set(clean) & set("\ufeff\ufffe\uffff\r")


@settings(max_examples=200, deadline=None)
@given(anything)
def test_clean_text_is_not_changed_again(text):
    clean = normalize(text, mojibake=False)
    assert normalize(clean, mojibake=False) == clean
