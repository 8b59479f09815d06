import pytest

from collection.detectors import make_detector
from collection.languages import resolve
from eval.metrics.confusion import han_form, statistics

HANS = "今天天气很好，孩子们在外面玩耍，老师也来了。"
HANT = "今天天氣很好，孩子們在外面玩耍，老師也來了。"
CYRILLIC = "Данас је лепо време и деца се играју напољу испред куће."
LATIN = "Danas je lepo vreme i deca se igraju napolju ispred kuće."
ENGLISH = "The weather is nice today and the children are playing outside."


@pytest.fixture(scope="module")
def told():
    detector = make_detector("vote")
    return lambda answer, code: {name: row[0] for name, row in statistics(answer, resolve(code), detector).items()}


@pytest.mark.parametrize("answer", ["42", "", " \n", "٤٢", "...!", "🙂"])
def test_an_answer_without_letters_is_in_no_language(told, answer):
    assert told(answer, "arb_Arab") == {"right_language": 0}


def test_a_language_that_is_not_found_is_not_the_right_one():
    class Silent:
        def knows(self, language):
            return True

        def detect(self, text):
            from collection.detectors import UNKNOWN

            return UNKNOWN

    found = statistics("neno moja na maneno mengine", resolve("swh_Latn"), Silent())
    assert found == {"right_language": (0,), "right_language_lines": (0,)}


@pytest.mark.parametrize(
    ("answer", "code", "right"),
    [
        (HANS, "zho_Hans", 1),
        (HANS, "zho_Hant", 0),
        (HANT, "zho_Hant", 1),
        (HANT, "zho_Hans", 0),
        ("你好，今天大家都好，明天再見不見都可以", "zho_Hant", 1),
        ("大家好，我在家中看一本小的地理文章", "zho_Hans", 1),  # written alike in both
        (CYRILLIC, "srp_Cyrl", 1),
        (CYRILLIC, "hrv_Latn", 0),
        (LATIN, "srp_Latn", 1),
        (LATIN, "srp_Cyrl", 0),
        (LATIN, "hrv_Latn", 1),  # one language to detectors
        ("今日は天気が良いので子供たちは外で遊んでいます", "jpn_Jpan", 1),
        ("오늘은 날씨가 좋아서 아이들이 밖에서 놀고 있습니다", "kor_Hang", 1),
    ],
)
def test_answers_and_lines_must_be_in_the_languages_script(told, answer, code, right):
    found = told(answer, code)
    assert (found["right_language"], found["right_language_lines"]) == (right, right)


def test_letters_tell_by_word_where_no_blank_parts_words(told):
    thai = "วันนี้อากาศดีมาก"
    mixed = told(f"{thai}beautiful{thai}", "tha_Thai")["right_language_words"]
    assert mixed == pytest.approx(24 / 33)
    assert told("今日はsunnyです", "jpn_Jpan")["right_language_words"] == pytest.approx(5 / 10)
    assert "right_language_words" not in told(ENGLISH, "swh_Latn")


def test_of_a_language_that_the_detector_cannot_name_script_alone_is_told(told):
    assert told("ߒߞߏ ߞߊ߲ ߦߋ߫ ߞߊ߲ ߘߏ߫ ߟߋ߬ ߘߌ߫", "nqo_Nkoo") == {"right_language_words": 1}
    assert told("", "nqo_Nkoo") == {} == told(ENGLISH, "fuv_Latn")


def test_code_is_in_no_language(told):
    code = "```python\ndef the_function_of_interest():\n    return everything_that_was_asked\n```"
    assert told(code, "arb_Arab") == {}
    arabic = "الطقس جميل اليوم والأطفال يلعبون خارج منزلهم"
    assert set(told(f"{arabic}\n{code}\n{arabic}", "arb_Arab").values()) == {1}


def test_characters_tell_the_forms_of_han_apart():
    assert [han_form(text) for text in (HANS, HANT, "你好", "hello")] == ["Hans", "Hant", None, None]
