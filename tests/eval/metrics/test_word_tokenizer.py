import re
import string
from collections import Counter

import pytest

from eval.metrics import text_metrics, word_tokenizer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Héllo, WORLD!", ["héllo", "world"]),
        ("He\u0301llo", ["héllo"]),
        ("हिन्दी में लिखो।", ["हिन्दी", "में", "लिखो"]),
        ("שלום, עולם", ["שלום", "עולם"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("東京は、日本", ["東", "京", "は", "日", "本"]),
        ("ありがGPT使う", ["あ", "り", "が", "gpt", "使", "う"]),
        ("서울은 한국", ["서울은", "한국"]),
        ("ভাষা", ["ভাষা"]),
        ("", []),
        ("؟! …", []),
    ],
)
def test_words_in_every_script(text, expected):
    assert word_tokenizer.words(text) == expected


def test_thai_marks_stay_with_their_letter():
    assert word_tokenizer.words("ที่") == ["ที่"]


def test_rouge_knows_other_letters_than_a_to_z():
    assert text_metrics.rouge_lsum("Москва большая", ["Москва большая"]) == pytest.approx(100)
    assert 0 < text_metrics.rouge_lsum("ผมรักแมว", ["ผมรักหมา"]) < 100
    assert text_metrics.rouge_lsum("", ["Москва"]) == 0


@pytest.mark.parametrize(
    ("answer", "reference", "code", "exact", "f1"),
    [
        ("The Beatles.", "the beatles", "eng", 1, 1),
        ("a", "the", "eng", 0, 0),  # nothing is left of either
        ("", "", "", 0, 0),
        ("東京", "東京都", "jpn", 0, 0.8),
        ("القاهرة", "القاهرة؟", "arb", 1, 1),
        ("The cat", "cat", "deu", 0, 2 / 3),  # articles are English
        ("1000", "1,000", "swh", 1, 1),
        ("U.S.", "US", "", 1, 1),
        ("l’eau", "l'eau", "fra", 1, 1),
        ("ה-רצל", "הרצל", "heb", 1, 1),
        ("ሰላም፡ለዓለም", "ሰላም ለዓለም", "amh", 1, 1),  # a sign that stands for a blank
        ("हिन्दी", "हिनदी", "hin", 0, 0),  # a mark is no sign
    ],
)
def test_answers_are_compared_by_squads_rules(answer, reference, code, exact, f1):
    assert text_metrics.exact_match(answer, [reference], code) == exact
    assert text_metrics.token_f1(answer, [reference], code) == pytest.approx(f1)


def _squad(text):
    """SQuAD's normalisation: lower case, no ASCII signs, no articles, single blanks."""
    bare = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def _squad_f1(found, expected):
    found, expected = Counter(_squad(found).split()), Counter(_squad(expected).split())
    common = sum((found & expected).values())
    if not common:
        return 0.0
    precision, recall = common / sum(found.values()), common / sum(expected.values())
    return 2 * precision * recall / (precision + recall)


ENGLISH = [
    ("1000", "1,000"),
    ("US", "U.S."),
    ("its", "it's"),
    ("the well-known author", "a wellknown author"),
    ("\"Rock 'n' Roll\"", "rock n roll"),
    ("$3.5 million", "35 million"),
    ("and/or", "and or"),
    ("in 1914-1918 (the Great War)", "1914 - 1918"),
    ("The_Hague", "Hague"),
    ("an apple; a pear...", "Apple, the pear"),
    ("another theatre", "other theatre"),
]


@pytest.mark.parametrize(("answer", "reference"), ENGLISH)
def test_english_answers_score_as_squads_own_functions_say(answer, reference):
    assert text_metrics.exact_match(answer, [reference], "eng") == (_squad(answer) == _squad(reference))
    assert text_metrics.token_f1(answer, [reference], "eng") == pytest.approx(_squad_f1(answer, reference))


def test_signs_part_words_for_rouge():
    assert word_tokenizer.words("a well-known U.S. author") == ["a", "well", "known", "u", "s", "author"]


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [
        ("Anapata $18 kila siku.", "18", 1),
        ("ni ١٬٢٣٤", "1234", 1),
        ("= 1,000.50", "1000.5", 1),
        ("Es sind 1.000", "1000", 1),
        ("उत्तर १८ है", "18", 1),
        ("first 18, then 20", "18", 0),
        ("-5", "5", 0),
        ("no number", "0", 0),
        ("3\n18", "18", 1),
        ("17, 18", "18", 1),
        ("17,18,19", "19", 1),
        ("18 18", "18", 1),
        ("9-18", "18", 1),
        ("COVID-18", "18", 1),
        ("答案是-18", "-18", 1),
        ("-$18", "-18", 1),
        ("−١٨", "-18", 1),
        ("1, 8", "18", 0),
        ("1 8", "18", 0),
        ("1\n800", "1800", 0),
        ("18.000", "18", 1),  # a fraction, or thousands
        ("18.000", "18000", 1),
        ("18.00", "18", 1),
        ("1.234.567,5", "1234567.5", 1),
        ("1 234 567", "1234567", 1),
        ("1\u202f234,5", "1234.5", 1),
        ("1\u00a0234", "1234", 1),
        ("1'234", "1234", 1),
        ("1’234", "1234", 1),
        ("17 1 000", "1000", 1),
        ("12,34,567.5", "1234567.5", 1),
        ("१,००,०००", "100000", 1),
        ("١٬٢٣٤٫٥", "1234.5", 1),
        ("１，２３４", "1234", 1),
        ("1,23,4", "1234", 0),
        ("0.125", "125", 0),
        ("1.2.3", "3/4", 0),
        ("1.2.3", "1.2.3", 0),
        ("18.", "18", 1),
        ("5 m²", "5", 1),
    ],
)
def test_the_last_number_counts_in_any_digits(answer, expected, right):
    assert text_metrics.number_match(answer, [expected]) == right


def test_bleu_cuts_scripts_without_spaces():
    assert [text_metrics.bleu_tokenizer(*one) for one in (("zho", False), ("tha", False), ("swh", True))] == [
        "zh",
        "char",
        "13a",
    ]
