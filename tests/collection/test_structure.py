"""What is translated of a text, and that all the rest comes through."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.languages import resolve
from collection.structure import MARK, dissect, protected

ENGLISH = resolve("eng_Latn")
# A text, and what of it is translated; ◆ stands for each mark.
HARD = {
    "plain": ("One. Two?", ["One.", "Two?"]),
    "lines": ("First line\nsecond line\n\n\nlast", ["First line", "second line", "last"]),
    "blanks": ("  One.   Two. \t\n", ["One.", "Two."]),
    "code block": ("Do this:\n\n```python\nprint('Good day')\n# a remark\n```\nDone.", ["Do this:", "Done."]),
    "code block without an end": ("Look:\n~~~\nif x:\n    go()\n", ["Look:"]),
    "code block of four": ("Look:\n````\n```\ninner\n```\n````\nEnd", ["Look:", "End"]),
    "inline code": ("Call `open(path)` and then ``a ` b`` now.", ["Call ◆ and then ◆ now."]),
    "list": ("- one thing\n* another\n  1. a third\n  2) a fourth\n• fifth\n> said", ["one thing", "another", "a third", "a fourth", "fifth", "said"]),
    "headings and boxes": ("# Title\n### 3. Part\n- [ ] to do\n- [x] done", ["Title", "Part", "to do", "done"]),
    "choices": ("A) red\nB) blue\n(c) green\niv. gold", ["red", "blue", "green", "gold"]),
    "table": ("| Name | Age |\n|---|---:|\n| Good day | 5 |", ["Name", "Age", "Good day"]),
    "tabs": ("one\ttwo words\t3", ["one", "two words"]),
    "links": ("See https://a.org/b_(c)?d=1&e=2. Or www.b.org/x, or me@c.org!", ["See", "Or ◆, or"]),
    "markdown": ("A [good link](http://x.org/a_(b) \"title\") and **bold** text.", ["A [good link◆ and ◆bold◆ text."]),
    "html": ("<p>Hello <b>big</b> world&nbsp;here</p><br/>", ["Hello ◆big◆ world◆here"]),
    "pre": ("Look <pre>\nkeep this\n</pre> here", ["Look", "here"]),
    "placeholders": ("Dear {name}, {{ user.id }} has %d of %(all)s, ${HOME} or [NAME] <PHONE>.", ["Dear ◆, ◆ has ◆ of ◆, ◆ or"]),
    "percent": ("100% sure, 5 %.", ["100% sure, 5 %."]),
    "formulas": ("Let $x^2+y$ be \\(a\\) and \\alpha, \\frac{1}{2}.\n$$\na = b\n$$\nIt costs $5 or $10.", ["Let ◆ be ◆ and ◆,", "It costs $5 or $10."]),
    "environment": ("So:\n\\begin{align}\nx &= y\n\\end{align}\nDone", ["So:", "Done"]),
    "names of code": ("Set max_value or call run() in ./a/b.py please", ["Set ◆ or call ◆ in ◆ please"]),
    "people and topics": ("@ann likes #rain a lot 👩‍👧 indeed", ["likes ◆ a lot ◆ indeed"]),
    "roles": ("<|user|>Hello there<|end|>", ["Hello there"]),
    "right to left": ("- مرحبا `code` بك. كيف حالك؟\n1. انظر https://x.org/؟", ["مرحبا ◆ بك.", "كيف حالك؟", "انظر"]),
    "no spaces": ("1、今天用 `pip` 安装。好吗？\n　第二行", ["今天用 ◆ 安装。", "好吗？", "第二行"]),
    "Devanagari": ("* नमस्ते {name}। आप कैसे हैं?", ["नमस्ते", "आप कैसे हैं?"]),
    "mixed scripts": ("The word 水 means water. कमल means lotus.", ["The word 水 means water.", "कमल means lotus."]),
    "backticks that are no fence": ("```print(1)``` prints one.\n\nThen more.", ["prints one.", "Then more."]),
    "name before no space": ("@小明今天我们去公园玩吧。", ["@小明今天我们去公园玩吧。"]),
    "link before no space": ("https://a.org/x这个网站很好用", ["这个网站很好用"]),
    "mail before no space": ("我的邮箱是foo@bar.com请联系我", ["我的邮箱是◆请联系我"]),
    "code before no space": ("my_var的值是%d吗，请看www.a.org。", ["的值是◆吗，请看"]),
    "kana and Thai": ("foo()を使う #tagです", ["を使う ◆です"]),
    "code with accents": ("Set naïve_my_var and café_name here", ["Set ◆ and ◆ here"]),
    "letters of other scripts": ("Я вижу @Анну у https://ru.wikipedia.org/wiki/Россия и #España там", ["Я вижу ◆ у ◆ и ◆ там"]),
    "nothing to say": ("123 + 4 = 127\n---\n* * *\n", []),
    "private characters": ("a \ue123 b", ["a ◆ b"]),
    "empty": ("", []),
}  # fmt: skip


@pytest.mark.parametrize("name", HARD)
def test_what_is_no_language_is_not_translated(name):
    text, expected = HARD[name]
    dissected = dissect(text, ENGLISH)
    assert [MARK.sub("◆", segment.text) for segment in dissected.segments] == expected
    assert dissected.joined([segment.text for segment in dissected.segments]) == text


@pytest.mark.parametrize("name", HARD)
def test_translated_text_keeps_all_that_must_be_kept(name):
    text, _ = HARD[name]
    dissected = dissect(text, ENGLISH)
    shouted = dissected.joined([segment.text.upper() for segment in dissected.segments])
    assert protected(shouted) == protected(text)
    assert shouted.count("\n") == text.count("\n")


@pytest.mark.parametrize("name", HARD)
def test_whole_lines_can_be_asked_for(name):
    text, _ = HARD[name]
    dissected = dissect(text, ENGLISH, sentencewise=False)
    assert dissected.joined([segment.text for segment in dissected.segments]) == text
    assert len(dissected.segments) <= len(dissect(text, ENGLISH).segments)


@given(
    st.text(alphabet=st.sampled_from(list("ab .\n`*_$|<>{}[]()#-1\\/@&;水مक\ue000\u200d")), max_size=200), st.booleans()
)
def test_any_text_is_put_together_again(text, sentencewise):
    dissected = dissect(text, ENGLISH, 30, sentencewise=sentencewise)
    assert dissected.joined([segment.text for segment in dissected.segments]) == text


def test_a_translation_that_loses_a_mark_is_told():
    (segment,) = dissect("Call `a` and `b` now.", ENGLISH).segments
    assert segment.keeps_marks("Ahora \ue001 y \ue000.")
    assert not segment.keeps_marks("Ahora \ue001.")
    assert not segment.keeps_marks("Ahora \ue001 y \ue000 y \ue000.")
    assert segment.fragments() == ["Call ", "\ue000", " and ", "\ue001", " now."]
    assert segment.filled("Ahora \ue001 y \ue000.") == "Ahora `b` y `a`."


def test_markup_without_end_takes_no_time():
    for text in (
        "`" * 5_000 + "a",
        "$" * 5_000 + "a",
        "<a " * 5_000,
        "{" * 5_000 + "a",
        "[x](" * 3_000,
        "*a" * 5_000,
        "/a" * 5_000,
        "a_" * 5_000,
        "a" * 40_000,
        "<!-- " * 8_000,
        "\\begin{a}" * 6_000,
        "<pre>" * 8_000,
        "<pre " * 8_000,
        "\\( " * 6_000,
        "\\[ " * 6_000,
        "a" + " " * 1_500 + "b",
        "| a" + " " * 10_000 + "b",
    ):
        start = time.process_time()
        assert dissect(text, ENGLISH).joined([s.text for s in dissect(text, ENGLISH).segments]) == text
        assert time.process_time() - start < 1, text[:10]


@pytest.mark.parametrize(
    ("text", "source", "target", "translations", "expected"),
    [
        ("今天很好。我们走吧！", "zho_Hans", "eng_Latn", ["Today is good.", "Let us go!"], "Today is good. Let us go!"),
        ("今天很好。\n我们走吧！", "zho_Hans", "eng_Latn", ["Today is good.", "Go!"], "Today is good.\nGo!"),
        ("今天很好。我们走吧！", "zho_Hans", "jpn_Jpan", ["良い日だ。", "行こう！"], "良い日だ。行こう！"),
        ("今天很好。我们走吧！", "zho_Hans", "tha_Thai", ["วันนี้ดี", "ไปกัน"], "วันนี้ดี ไปกัน"),
        ("Today is good. Let us go!", "eng_Latn", "zho_Hans", ["今天很好。", "我们走吧！"], "今天很好。我们走吧！"),
        ("Today is good. Let us go!", "eng_Latn", "tha_Thai", ["วันนี้ดี", "ไปกัน"], "วันนี้ดี ไปกัน"),
        ("  Good.\n - Go! Now!", "eng_Latn", "zho_Hans", ["好。", "走！", "现在！"], "  好。\n - 走！现在！"),
    ],
)
def test_sentences_stand_apart_as_they_do_in_the_target(text, source, target, translations, expected):
    source, target = resolve(source), resolve(target)
    assert dissect(text, source).joined(translations, source, target) == expected
