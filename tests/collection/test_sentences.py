"""Sentences of every script, of which nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.languages import resolve, table
from collection.sentences import sentences

TEXTS = {
    "eng": 'Dr. Smith paid $3.50 for it. |He left at noon. |"Really?" she asked.',
    "zho": "今天天气很好。|我们去公园吧！|你觉得呢？",
    "jpn": "今日は天気がいい。|公園に行こう！",
    "hin": "मैं घर जा रहा हूँ। |तुम कहाँ हो?",
    "arb": "مرحبا بك. |كيف حالك؟ |أنا بخير.",
    "urd": "میں گھر جا رہا ہوں۔ |تم کہاں ہو؟",
    "amh": "ሰላም ነው። |እንዴት ነህ፧ |ደህና ነኝ።",
    "mya": "မင်္ဂလာပါ။ |နေကောင်းလား။",
    "khm": "សួស្តី។ |តើអ្នកសុខសប្បាយទេ? |ខ្ញុំសុខសប្បាយ។",
    "hye": "Բարեւ Ձեզ։ |Լավ եմ։",
    "bod": "བཀྲ་ཤིས་བདེ་ལེགས། |ཁྱེད་རང་སྐུ་གཟུགས་བདེ་པོ་ཡིན་པས།",
    "sat": "ᱡᱚᱦᱟᱨ᱾ |ᱵᱮᱥ ᱜᱮᱭᱟ᱾",
    "heb": "שלום. |מה שלומך? |טוב.",
    "tha": "สวัสดีครับ ผมชื่อสมชาย",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_is_cut_behind_its_sentences(language):
    expected = TEXTS[language].split("|")
    assert sentences("".join(expected), resolve(language)) == expected


@given(st.text(max_size=300), st.sampled_from(sorted(table())), st.integers(0, 40))
def test_all_sentences_together_are_the_text(text, code, most):
    assert "".join(sentences(text, table()[code], most)) == text


@pytest.mark.parametrize("language", ["eng", "tha", "zho", "arb"])
def test_a_sentence_that_is_too_long_is_cut_where_it_hurts_least(language):
    clause = {
        "eng": "and so it went on, ",
        "tha": "และมันก็เป็นเช่นนั้นต่อไป ",
        "zho": "就这样一直继续下去，",
        "arb": "وهكذا استمر الأمر، ",
    }
    text = clause[language] * 40
    pieces = sentences(text, resolve(language), 100)
    assert "".join(pieces) == text
    density = resolve(language).script.density
    assert all(len(piece) <= round(100 * density) for piece in pieces) and len(pieces) < 40
    # Cut behind a clause, not inside one.
    assert all(text[: sum(map(len, pieces[:n]))].endswith(clause[language]) for n in range(1, len(pieces)))


def test_nothing_is_no_sentence():
    assert sentences("", None) == []
