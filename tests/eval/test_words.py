import pytest

from eval import text_metrics as texts
from eval import words


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
    assert words.words(text) == expected


def test_thai_marks_stay_with_their_letter():
    assert words.words("ที่") == ["ที่"]


def test_rouge_knows_other_letters_than_a_to_z():
    assert texts.rouge_lsum("Москва большая", ["Москва большая"]) == pytest.approx(100)
    assert 0 < texts.rouge_lsum("ผมรักแมว", ["ผมรักหมา"]) < 100
    assert texts.rouge_lsum("", ["Москва"]) == 0


@pytest.mark.parametrize(
    ("answer", "reference", "code", "exact", "f1"),
    [
        ("The Beatles.", "the beatles", "eng", 1, 1),
        ("a", "the", "eng", 0, 0),  # nothing is left of either
        ("", "", "", 0, 0),
        ("東京", "東京都", "jpn", 0, 0.8),
        ("القاهرة", "القاهرة؟", "arb", 1, 1),
        ("The cat", "cat", "deu", 0, 2 / 3),  # articles are English
    ],
)
def test_answers_are_compared_by_squads_rules(answer, reference, code, exact, f1):
    assert texts.exact_match(answer, [reference], code) == exact
    assert texts.token_f1(answer, [reference], code) == pytest.approx(f1)


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
    ],
)
def test_the_last_number_counts_in_any_digits(answer, expected, right):
    assert texts.number_match(answer, [expected]) == right


def test_bleu_cuts_scripts_without_spaces():
    assert [texts.bleu_tokenizer(*one) for one in (("zho", False), ("tha", False), ("swh", True))] == [
        "zh",
        "char",
        "13a",
    ]
