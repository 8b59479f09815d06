"""Filters are right for every script, on both sides of each limit."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection.languages import resolve
from collection.quality import (
    FilterConfig,
    copies,
    find_fault,
    find_script_fault,
    markup_share,
    prose,
    repetition,
    script_share,
    url_share,
)
from collection.record import Message
from collection.reject import Reason

CONFIG = FilterConfig()
# One thing in many scripts, none of it repetitive.
SOUND = {
    "swh_Latn": (
        "Eleza jinsi mvua hunyesha.",
        "Jua huvukiza maji ya bahari, mvuke hupanda angani, hupoa na kuwa mawingu.",
    ),
    "arb_Arab": ("اشرح كيف يتكون المطر.", "تتبخر مياه البحر بفعل الشمس، ثم يصعد البخار ويبرد فيصير غيوما."),
    "heb_Hebr": ("הסבר איך נוצר גשם.", "מי הים מתאדים בחום השמש, האדים עולים, מתקררים ונעשים עננים."),
    "tha_Thai": ("ฝนเกิดได้อย่างไร", "น้ำทะเลระเหยเพราะแดด ไอน้ำลอยขึ้นไปแล้วเย็นลงกลายเป็นเมฆ"),
    "zho_Hans": ("雨是怎么形成的？", "海水被太阳蒸发，水汽上升后冷却，变成云。"),
    "jpn_Jpan": ("雨はどうやって降りますか。", "海の水が太陽で蒸発し、上空で冷えて雲になります。"),
    "kor_Hang": ("비는 어떻게 내리나요?", "바닷물이 햇볕에 증발해 올라가 식으면 구름이 됩니다."),
    "hin_Deva": ("बारिश कैसे होती है?", "समुद्र का पानी धूप से भाप बनकर ऊपर उठता है और ठंडा होकर बादल बनता है।"),
    "khm_Khmr": ("ភ្លៀងកើតឡើងដោយរបៀបណា?", "ទឹកសមុទ្រហួតដោយសារព្រះអាទិត្យ ហើយក្លាយជាពពក។"),
    "mya_Mymr": ("မိုးဘယ်လိုရွာသလဲ။", "ပင်လယ်ရေသည် နေရောင်ကြောင့် အငွေ့ပြန်ပြီး တိမ်ဖြစ်လာသည်။"),
    "vie_Latn": ("Mưa hình thành thế nào?", "Nước biển bốc hơi dưới nắng, bay lên cao rồi lạnh đi thành mây."),
    "srp_Cyrl": ("Како настаје киша?", "Сунце испарава морску воду, пара се пење, хлади и постаје облак."),
    "amh_Ethi": ("ዝናብ እንዴት ይፈጠራል?", "የባሕር ውሃ በፀሐይ ሙቀት ይተናል፤ እንፋሎቱም ወደ ላይ ወጥቶ ደመና ይሆናል።"),
}


def talk(*contents, roles=("user", "assistant")):
    return [Message(roles[index % len(roles)], content) for index, content in enumerate(contents)]


def reason_of(messages, language="swh_Latn", config=CONFIG):
    fault = find_fault(messages, resolve(language) if language else None, config)
    return fault.reason if fault else None


@pytest.mark.parametrize("code", SOUND)
def test_a_sound_row_has_no_fault_in_any_script(code):
    language = resolve(code)
    assert reason_of(talk(*SOUND[code]), code) is None
    assert reason_of(talk(*SOUND[code]), None) is None
    assert find_script_fault(talk(*SOUND[code]), language, CONFIG) is None


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (talk("", "Jua huvukiza maji."), Reason.EMPTY_PROMPT),
        (talk(" \n\u3000", "Jua huvukiza maji."), Reason.EMPTY_PROMPT),
        ([Message("assistant", "Jua huvukiza maji ya bahari.")], Reason.EMPTY_PROMPT),
        (talk("Wewe ni msaidizi.", "Jua huvukiza maji.", roles=("system", "assistant")), Reason.EMPTY_PROMPT),
        (talk("", "Sawa.", "Eleza mvua.", "Jua huvukiza maji."), None),  # another turn asks
        (talk("Eleza jinsi mvua hunyesha.", ""), Reason.EMPTY_TARGET),
        (talk("Eleza jinsi mvua hunyesha.", " \u3000\n"), Reason.EMPTY_TARGET),
        (talk("Eleza jinsi mvua hunyesha.", "...!?"), Reason.TRIVIAL_TARGET),
        (talk("Eleza jinsi mvua hunyesha.", "؟ ، ۔"), Reason.TRIVIAL_TARGET),
        (talk("Eleza jinsi mvua hunyesha.", "👩‍👩‍👧 ❤️"), Reason.TRIVIAL_TARGET),
        (talk("Eleza jinsi mvua hunyesha.", "____"), Reason.TRIVIAL_TARGET),
        (talk("Tatu kujumlisha nne ni ngapi?", "7"), None),
        (talk("ثلاثة زائد أربعة يساوي كم؟", "٧"), None),
        (talk("三加四等于多少呢？请回答", "七"), None),
        (talk("Eleza mvua kwa kifupi.", "Eleza mvua kwa kifupi."), Reason.TARGET_COPIES_PROMPT),
        (talk("Eleza mvua kwa kifupi.", "eleza  mvua\nkwa KIFUPI."), Reason.TARGET_COPIES_PROMPT),
        (talk("Habari ya leo?", "Nzuri sana.", "Eleza mvua.", "Habari ya leo?"), None),  # only the last question counts
    ],
)
def test_an_answer_must_say_something_to_a_prompt(messages, reason):
    assert reason_of(messages) is reason


@pytest.mark.parametrize(
    ("prompt", "target", "expected"),
    [
        ("Habari yako", "Habari yako", True),
        ("STRASSE nach Köln", "straße  nach\tköln", True),
        ("ΟΔΟΣ προς", "οδος ΠΡΟΣ", True),
        ("你好 世界", "你好  世界", True),
        ("  Habari yako", "Habari yako", True),
        ("Habari yako", "\tHabari yako", True),
        ("السلام عليكم", "السلام  عليكم\n", True),
        ("Habari yako", "Habari yangu", False),
        ("Habari yako", "Habari yako ni nzuri", False),
        ("你好世界", "你好 世界", False),
        ("x", "", False),
        ("", "x", False),
    ],
)
def test_an_answer_that_is_the_prompt_is_known_whatever_its_case_and_blanks(prompt, target, expected):
    assert copies(prompt, target) is expected


@settings(max_examples=300, deadline=None)
@given(*[st.text("sSßſΐıİﬃΣςσ \t\u3000你a", max_size=6)] * 2)
def test_the_cheap_look_misses_no_copy(prompt, target):
    assert copies(prompt, target) is (prompt.casefold().split() == target.casefold().split())


@pytest.mark.parametrize(
    ("language", "shortest"),
    [
        ("eng_Latn", 11),
        ("swh_Latn", 11),
        ("zho_Hans", 4),
        ("zho_Hant", 4),
        ("jpn_Jpan", 5),
        ("kor_Hang", 6),
        ("khm_Khmr", 12),
        ("amh_Ethi", 7),
        ("mya_Mymr", 14),
        ("zxx_Zyyy", 10),
    ],
)
def test_a_row_may_be_as_short_as_its_script_is_dense(language, shortest):
    text = "a" * (shortest - 1)
    assert reason_of(talk("b", text), language) is None
    assert reason_of(talk("b", text[:-1]), language) is Reason.TOO_SHORT


@pytest.mark.parametrize(
    ("character", "shortest"), [("a", 11), ("字", 5), ("の", 5), ("글", 6), ("ល", 12), ("ሀ", 7), ("ع", 9)]
)
def test_the_density_of_a_row_without_a_language_is_that_of_its_script(character, shortest):
    # Han without a language is as dense as Japanese, the least dense of what it may be.
    assert reason_of(talk("?!", character * (shortest - 2)), None) is None
    assert reason_of(talk("?!", character * (shortest - 3)), None) is Reason.TOO_SHORT


@pytest.mark.parametrize(
    ("language", "longest"), [("eng_Latn", 107), ("zho_Hans", 34), ("kor_Hang", 51), ("mya_Mymr", 135)]
)
def test_a_row_may_be_as_long_as_its_script_is_dense(language, longest):
    config = replace(CONFIG, max_characters=100, max_repetition=1)
    assert reason_of(talk("b", "a" * (longest - 1)), language, config) is None
    assert reason_of(talk("b", "a" * longest), language, config) is Reason.TOO_LONG


def test_a_fault_of_length_says_how_long_the_row_is():
    fault = find_fault(talk("问", "答"), resolve("zh"), CONFIG)
    assert fault.reason is Reason.TOO_SHORT
    assert fault.detail == "2 characters, as long as 6 of English"


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (talk("Eleza mvua.", "Jua huvukiza maji ya b�hari"), None),
        (talk("Eleza mvua.", "Jua h�vuk�za m�ji ya b�hari"), Reason.DAMAGED_TEXT),
        (talk("El�z� mv�a.", "Jua huvukiza maji ya bahari"), Reason.DAMAGED_TEXT),
        (talk("El�z� mv�a.", "Sawa.", "Eleza tena tafadhali.", "Jua huvukiza maji ya bahari"), None),
        (talk("请解释雨的形成", "海水被太��蒸发，水汽上升后冷却"), Reason.DAMAGED_TEXT),
    ],
)
def test_text_that_lost_characters_is_turned_away(messages, reason):
    assert reason_of(messages) is reason


def test_the_limit_of_damage_is_a_share():
    target = "maji " * 19 + "�" * 5  # 5 of 100
    config = replace(CONFIG, max_repetition=1)
    assert reason_of(talk("Eleza mvua.", target), config=config) is None
    assert reason_of(talk("Eleza mvua.", target[1:]), config=config) is Reason.DAMAGED_TEXT


@pytest.mark.parametrize("code", SOUND)
def test_one_sentence_over_and_over_is_repetition_in_any_script(code):
    language, sentence = resolve(code), SOUND[code][1]
    assert repetition(sentence * 8, language) == repetition(sentence * 8) == 1.0
    assert repetition(" ".join([sentence] * 8), language) > CONFIG.max_repetition
    assert reason_of(talk(SOUND[code][0], sentence * 8), code) is Reason.REPETITION
    everything = " ".join(target for _, target in SOUND.values())
    assert repetition(everything, language) == 0.0


def test_repetition_is_the_share_that_repeats():
    once, over = "".join(map(chr, range(0x4E00, 0x4E00 + 300))), "水汽上升。" * 60
    language = resolve("zh")
    assert repetition(once, language) == 0.0
    assert repetition(over, language) == 1.0
    assert 0.4 <= repetition(once + over, language) <= 0.6
    assert repetition("ha" * 10, resolve("sw")) == 0.0  # too short to tell
    assert repetition(once * 2, language) == 0.0  # twice is not over and over
    assert repetition(once * 3, language) > 0.8


def test_repetition_in_code_is_no_fault():
    code = "```\n" + "push(0); pop(0); swap(); " * 20 + "\n```"
    assert reason_of(talk(SOUND["swh_Latn"][0], f"{SOUND['swh_Latn'][1]}\n{code}")) is None
    assert reason_of(talk(SOUND["swh_Latn"][0], f"{SOUND['swh_Latn'][1]}\n{code.strip('`')}")) is Reason.REPETITION


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("hakuna kiungo", 0, 0),
        ("https://example.org/a", 1, 1),
        ("HTTPS://EXAMPLE.ORG/A", 1, 1),
        ("WWW.example.org", 1, 1),
        ("ftp://example.org", 1, 1),
        ("tazama https://example.org/a", 0.7, 0.8),
        ("<https://example.org> (ona)", 0.7, 0.8),
        ('"https://example.org"', 0.9, 0.95),
        ("見よ「https://example.org」", 0.75, 0.85),
        ("http:// peke yake", 0, 0),
        ("https://ar.wikipedia.org/wiki/مطر_غزير", 1, 1),
        ("https://ko.wikipedia.org/wiki/비", 1, 1),
        pytest.param("deadbeef" * 20_000 + " https://example.org", 0, 0.001, id="long run of letters"),
    ],
)
def test_the_share_of_links_is_that_of_their_characters(text, low, high):
    assert low <= url_share(text) <= high


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("zho_Hans", "详见https://example.cn/yu，那里说明了雨是怎么形成的，也说明了云和雾有什么不同，还有许多图片。"),
        ("zho_Hant", "詳見https://example.tw/yu。那裡說明了雨是怎麼形成的，也說明了雲和霧有什麼不同，還有許多圖片。"),
        (
            "jpn_Jpan",
            "https://example.jp/ameを見てください。雨がどうやって降るのか、雲と霧は何が違うのかが書いてあります。",
        ),
        ("tha_Thai", "อ่านได้ที่https://example.th/fonซึ่งอธิบายว่าฝนเกิดขึ้นได้อย่างไรและเมฆต่างจากหมอกอย่างไร"),
        ("khm_Khmr", "សូមមើលhttps://example.kh/ដែលពន្យល់ពីរបៀបដែលភ្លៀងកើតឡើងនិងភាពខុសគ្នារវាងពពកនិងអ័ព្ទ"),
    ],
)
def test_text_without_spaces_behind_a_link_is_no_part_of_the_link(code, text):
    assert url_share(text) < CONFIG.max_url
    assert reason_of(talk("Eleza jinsi mvua hunyesha.", text), code) is None


@pytest.mark.parametrize(
    "link",
    ["https://ar.wikipedia.org/wiki/مطر", "https://ru.wikipedia.org/wiki/Дождь", "https://example.org/%E9%9B%A8?q=1#a"],
)
def test_a_link_may_have_letters_of_its_language(link):
    assert url_share(link) == 1.0
    assert reason_of(talk("Eleza jinsi mvua hunyesha.", f"ona {link}")) is Reason.MOSTLY_URLS


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("<p>maji</p>", 0.6, 0.7),
        ("<br/>", 1, 1),
        ("<!DOCTYPE html><html></html>", 1, 1),
        ("a < b and c > d", 0, 0),
        ("1 <2> 3 <- 4 ->", 0, 0),
        ("<a href='x'>ไทย</a>", 0.8, 0.9),
        ("`<p>` hufungua aya", 0, 0),
        ("```html\n<p><b>maji</b></p>\n```", 0, 0),
    ],
)
def test_the_share_of_markup_is_that_of_tags_outside_code(text, low, high):
    assert low <= markup_share(text) <= high


def test_mostly_markup_is_turned_away_and_code_about_markup_is_not():
    page = "<div class='a'><p id='b'>Jua</p></div>"
    assert reason_of(talk("Eleza jinsi mvua hunyesha.", page)) is Reason.MOSTLY_MARKUP
    assert reason_of(talk("Andika ukurasa mmoja wa HTML.", f"```html\n{page}\n```")) is None
    assert reason_of(talk("Andika ukurasa.", page), config=replace(CONFIG, max_markup=1)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a `b` c", "a  c"),
        ("a ```py\nb\n``` c", "a  c"),
        ("a ```\nnever closed", "a "),
        ("`a\nb`", "`a\nb`"),  # a backtick at the end of a line closes nothing on the next
        ("นี่คือ ```x``` และ `y`", "นี่คือ  และ "),
        ("no code", "no code"),
        ("", ""),
    ],
)
def test_prose_is_what_is_left_without_code(text, expected):
    assert prose(text) == expected


@pytest.mark.parametrize(
    ("code", "text", "low", "high"),
    [
        ("hin_Deva", "बारिश कैसे होती है", 1, 1),
        ("hin_Deva", "Barish kaise hoti hai", 0, 0),
        ("srp_Cyrl", "Kako nastaje kiša", 0, 0),
        ("srp_Latn", "Kako nastaje kiša", 1, 1),
        ("uzb_Cyrl", "Ёмғир қандай ёғади", 1, 1),
        ("tha_Thai", "ฝน rain ฝน", 0.5, 1),
        ("tha_Thai", "ฝ rain and wind", 0.05, 0.15),
        ("zho_Hans", "雨", 1, 1),
        ("jpn_Jpan", "雨が降る rain", 0.4, 0.6),
        ("kor_Hang", "12 + 7 = 19", 1, 1),  # no letters: nothing speaks against it
        ("arb_Arab", "١٢٣ 👍", 1, 1),
        ("zxx_Zyyy", "for i in range(3):", 1, 1),
        ("zxx_Zyyy", "для и", 1, 1),
        ("vie_Latn", "Tie\u0302\u0301ng Vie\u0323\u0302t", 1, 1),
    ],
)
def test_the_share_of_a_script_is_that_of_letters(code, text, low, high):
    assert low <= script_share(text, resolve(code)) <= high


@pytest.mark.parametrize(
    ("code", "messages", "wrong"),
    [
        ("hin_Deva", talk("बारिश कैसे होती है?", "H₂O"), False),  # a formula may answer a question in Hindi
        ("hin_Deva", talk("How does it rain?", "बादल"), False),
        ("hin_Deva", talk("How does it rain?", "The sun draws water from the sea."), True),
        ("tha_Thai", talk("เขียนโค้ดให้ดู", "```py\nfor index in range(10): print(index)\n```"), False),
        ("tha_Thai", talk("Write a loop", "```py\n# พิมพ์ตัวเลข\n``` done here"), True),
        ("arb_Arab", talk("1 + 1 = ?", "2"), False),
        ("amh_Ethi", talk("ሰላም", "👍"), False),
    ],
)
def test_a_row_is_in_the_wrong_script_when_no_part_of_it_is_in_the_right_one(code, messages, wrong):
    fault = find_script_fault(messages, resolve(code), CONFIG)
    assert (fault.reason if fault else None) is (Reason.WRONG_SCRIPT if wrong else None)


def test_the_limit_of_the_script_is_kept_by_the_answer_or_by_the_whole():
    exactly = replace(CONFIG, min_script=0.1)
    assert find_script_fault(talk("QQ", "अ" + "b" * 9), resolve("hi"), exactly) is None
    assert find_script_fault(talk("अ", "b" * 9), resolve("hi"), exactly) is None
    assert find_script_fault(talk("अ", "b" * 10), resolve("hi"), exactly) is not None


def test_the_limit_of_the_script_is_a_share_and_the_fault_names_both_scripts():
    messages = talk("Q", "अ" + "b" * 8)  # 1 of 10 letters
    hindi = resolve("hi")
    assert find_script_fault(messages, hindi, replace(CONFIG, min_script=0.1)) is None
    fault = find_script_fault(messages, hindi, replace(CONFIG, min_script=0.115))
    assert fault.detail == "0.10 of the letters are Devanagari, most are Latin"
    assert find_script_fault(talk("Q", "bbb"), hindi, replace(CONFIG, min_script=0)) is None


texts = st.text("ab <>/`\n.ع字ก1�", max_size=60)


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, min_size=2, max_size=3), st.sampled_from([None, *map(resolve, SOUND)]))
def test_no_text_is_too_odd_for_the_filters(contents, language):
    find_fault(talk(*contents), language, CONFIG)
    find_script_fault(talk(*contents), language or resolve("sw"), CONFIG)
    for text in contents:
        assert 0 <= repetition(text, language) <= 1
        assert 0 <= url_share(text) <= 1
        assert 0 <= markup_share(text) <= 1
        assert 0 <= script_share(text, language or resolve("sw")) <= 1


@pytest.mark.parametrize(
    "messages",
    [
        talk("Q", "A"),
        talk("Q?", "�" * 40),
        talk("Q?", "maji " * 100),
        talk("Q?", "https://example.org/" + "a" * 40),
        talk("Q?", "<p></p>" * 3 + "a"),
    ],
)
def test_a_limit_at_its_end_turns_its_filter_off(messages):
    off = FilterConfig(min_characters=0, max_damaged=1, max_repetition=1, max_url=1, max_markup=1, min_script=0)
    assert reason_of(messages) is not None
    assert reason_of(messages, config=off) is (Reason.TRIVIAL_TARGET if "\ufffd" in messages[1].content else None)
