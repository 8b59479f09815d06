"""Refusals are told by how they begin, in whatever language; helpful answers are not."""

import pytest

from collection.languages import find
from collection.refusals import find_refusal, phrases


@pytest.mark.parametrize(("language", "phrase"), phrases())
def test_every_phrase_is_found_at_the_start_and_after_a_greeting(language, phrase):
    assert find(language), f"{language} is no language"
    for text in (f"{phrase} …", f"«{phrase} …", f"Hm. {phrase} …", f"👋\n{phrase} …"):
        assert find_refusal(text), text


@pytest.mark.parametrize(
    "text",
    [
        "I’m sorry, but I can’t help with that.",
        "Hello! I'm unable to assist with this request.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "很抱歉，我无法回答这个问题。",
        "您好。抱歉，我不能提供这些内容。",
        "申し訳ありませんが、お答えできません。",
        "עליך לדעת. אני מצטער, אבל אני לא יכול לעזור.",
        "متأسفم، اما نمی‌توانم کمک کنم.",
        "मुझे खेद है, लेकिन मैं इसमें मदद नहीं कर सकता।",
        "खेद है। माफ़ कीजिए, लेकिन मैं यह नहीं कर सकता।",
    ],
)
def test_refusals_are_found(text):
    assert find_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Seven.",
        "As an AI engineer you will build models.",
        "Some people say: 'sorry'. They cannot always mean it.",
        "The letter could begin like this: we are sorry for the delay.",
        "Un modelo de lenguaje aprende de textos.",
        "人工智能是计算机科学的一个分支。",
        "อากาศวันนี้ดีมาก",
        "यह एक भाषा मॉडल है।",
        "x" * 5_000 + " I'm sorry, but I can't help with that.",
    ],
)
def test_answers_are_no_refusals(text):
    assert find_refusal(text) is None
