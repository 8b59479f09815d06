"""Masks find personal data in every script, leave what only looks like it, and their cheap looks miss nothing."""

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection import privacy
from collection.privacy import mask

KEYS = [
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "gho_" + "a1B2" * 9,
    "ghu_" + "a1B2" * 9,
    "ghs_" + "a1B2" * 9,
    "ghr_" + "a1B2" * 9,
    "github_pat_" + "A1_b" * 10,
    "sk-" + "a1B2" * 8,
    "sk-proj-" + "a1B2" * 8,
    "sk_live_" + "a1B2" * 5,
    "rk_test_" + "a1B2" * 5,
    "xoxb-1234567890-abcdefghij",
    "AIza" + "a1B2_" * 7,
    "hf_" + "a1B2" * 9,
    "glpat-" + "a1B2" * 5,
    "npm_" + "a1B2" * 9,
    "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeK",
    "-----BEGIN PRIVATE KEY-----\nMIIE\nvQIB\n-----END PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\ncut off",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Andika kwa a.b+c@example.org.", "Andika kwa [EMAIL]."),
        ("mailto:a@b.co?subject=x", "mailto:[EMAIL]?subject=x"),
        ("<user_1%x@mail.example.co.ke>", "<[EMAIL]>"),
        ("联系test@example.cn谢谢", "联系[EMAIL]谢谢"),
        ("メールはinfo@example.jpまで", "メールは[EMAIL]まで"),
        ("이메일 abc@naver.com으로 보내세요", "이메일 [EMAIL]으로 보내세요"),
        ("ส่งที่info@example.thนะ", "ส่งที่[EMAIL]นะ"),
        ("пишите на почта@пример.рф!", "пишите на [EMAIL]!"),
        ("راسل info@example.com الآن", "راسل [EMAIL] الآن"),
        ("a@b.org,c@d.org;e@f.org", "[EMAIL],[EMAIL];[EMAIL]"),
        ("info@example.com-এ লিখুন", "[EMAIL]-এ লিখুন"),
        ("írjon az info@pelda.hu-ra", "írjon az [EMAIL]-ra"),
        ("მომწერეთ info@example.ge-ზე", "მომწერეთ [EMAIL]-ზე"),
        ("write to a@b.com- or not", "write to [EMAIL]- or not"),
    ],
)
def test_an_address_for_mail_is_masked_whatever_stands_around_it(text, expected):
    assert mask(text)[0] == expected


@pytest.mark.parametrize(
    "text", ["@mtumiaji", "a @ b", "user@localhost", "a@b.c", "@Override void f()", "x@", "@example.org", "3@4.5"]
)
def test_what_is_no_address_for_mail_stays(text):
    assert mask(text) == (text, {})


@pytest.mark.parametrize(
    "number",
    [
        "+44 20 7946 0958",
        "+254 712 345 678",
        "+254712345678",
        "+1 (555) 123-4567",
        "+49-30-123456",
        "00 49 30 123456",
        "0049 30 123456",
        "(555) 123-4567",
        "(0712) 345 6789",
        "555-123-4567",
        "555.123.4567",
        "0712 345 678",
        "090-1234-5678",
        "+966\u00a050\u00a0123\u00a04567",
        "٠٥٥٥ ١٢٣ ٤٥٦",
        "۰۹۱۲ ۳۴۵ ۶۷۸۹",
        "०९८१ २३४ ५६७",
        "০১৭১২ ৩৪৫ ৬৭৮",
        "๐๘๑ ๒๓๔ ๕๖๗๘",
    ],
)
@pytest.mark.parametrize("around", ["{}", "Piga {} leo.", "電話は{}です", "โทร{}นะ", "({})", "Tel: {}", "电话：{}。"])
def test_a_telephone_number_is_masked_whatever_stands_around_it(number, around):
    assert mask(around.format(number)) == (around.format("[PHONE]"), {"PHONE": 1})


@pytest.mark.parametrize(
    "number",
    ["၀၉၁ ၁၂၃ ၄၅၆", "០១២ ៣៤៥ ៦៧៨", "０９０-１２３４-５６７８", "૦૯૮૧ ૨૩૪ ૫૬૭", "+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧", "+۹۸ ۹۱۲ ۳۴۵ ۶۷۸۹"],
)
def test_digits_of_every_script_are_digits_of_a_telephone_number(number):
    assert mask(number) == ("[PHONE]", {"PHONE": 1})


def test_a_number_may_begin_with_the_zero_of_any_script():
    zeros = [chr(c) for c in range(sys.maxunicode) if unicodedata.decimal(chr(c), None) == 0]
    assert len(zeros) > 60
    assert [zero for zero in zeros if mask(f"{zero}712 345 678")[0] != "[PHONE]"] == []


@pytest.mark.parametrize("text", ["10:0712 345 678", "12:30:45 555-123-4567x"])
def test_a_number_behind_the_colon_of_a_time_stays(text):
    assert mask(text) == (text, {})


@pytest.mark.parametrize("text", ["Tel:+44 20 7946 0958", "tel:0712 345 678", "Simu:(555) 123-4567"])
def test_a_telephone_number_right_behind_a_colon_is_masked(text):
    assert mask(text) == (f"{text.split(':')[0]}:[PHONE]", {"PHONE": 1})


@pytest.mark.parametrize(
    "text",
    [
        "2021-03-04",
        "04.03.2021",
        "12/31/1999 23:59:59",
        "1,234,567.89",
        "1 234 567 euro",
        "12 345 678",
        "3.14159265358979",
        "0.00123456789",
        "KSh 1500.50",
        "٢٠٢١-٠٣-٠٤",
        "ISBN 978-3-16-148410-0",
        "10:30 - 11:45",
        "1999-2005",
        "id=4711123456789",
        "a1234567890b",
        "0x0049301234567",
        "12345",
        "2+1234567",
        "192.168.100.200",
    ],
)
def test_a_date_a_price_or_another_number_stays(text):
    assert mask(text) == (text, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seva 8.8.8.8 na", "seva [IP] na"),
        ("https://93.184.216.34:8080/x", "https://[IP]:8080/x"),
        ("地址8.8.4.4。", "地址[IP]。"),
        ("8.8.8.8, 1.1.1.1.", "[IP], [IP]."),
        ("2001:4860:4860::8888", "[IP]"),
        ("[2a00:1450:4001:81b::200e]:443", "[[IP]]:443"),
        ("2606:2800:220:1:248:1893:25c8:1946", "[IP]"),
        ("2620:fe::fe", "[IP]"),
        ("2a00:1450:: ndiyo", "[IP] ndiyo"),
        ("2001:4860:4860::8888: haijibu", "[IP]: haijibu"),
    ],
)
def test_an_address_on_the_net_is_masked(text, expected):
    assert mask(text)[0] == expected


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "192.168.1.1",
        "10.0.0.7",
        "192.0.2.1",
        "0.0.0.0",
        "::1",
        "fe80::1",
        "2001:db8::1",
        "3.11.4",
        "v1.2.3.4",
        "1.2.3.4.5",
        "256.1.1.1",
        "12:30:45",
        "00:1A:2B:3C:4D:5E",
    ],
)
def test_a_shared_address_a_version_or_a_time_stays(text):
    assert mask(text) == (text, {})


@pytest.mark.parametrize(
    "text", ["std::vector<int>", "numbers[::2]", "numbers[1::3]", "numbers[10::-1]", "A::B", "Fa::Cade.dec()"]
)
def test_code_is_no_address_on_the_net(text):
    assert mask(text) == (text, {})


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("around", ["{}", "ufunguo={}", "密钥是{}"])
def test_a_key_is_masked(key, around):
    assert mask(around.format(key)) == (around.format("[KEY]"), {"KEY": 1})


@pytest.mark.parametrize(
    "text",
    [
        "sk-short",
        "AKIA na ASIA",
        "task-force-of-many-words-in-a-row",
        "hf_hub",
        "ghp_tooshort",
        "xoxo-love",
        "eyJ",
        "npm_config_cache",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
    ],
)
def test_what_only_begins_like_a_key_stays(text):
    assert mask(text) == (text, {})


def test_all_that_was_found_is_counted_by_kind():
    text = f"a@b.org, c@d.org, +44 20 7946 0958, 8.8.8.8, 2001:4860:4860::8888, {KEYS[0]}"
    masked, found = mask(text)
    assert masked == "[EMAIL], [EMAIL], [PHONE], [IP], [IP], [KEY]"
    assert found == {"EMAIL": 2, "PHONE": 1, "IP": 2, "KEY": 1}
    assert mask(masked) == (masked, {})


def without_looks(text):
    """The same searches in the same order, each made on every text."""
    found = {}
    text = privacy._replaced(text, privacy._EMAIL, "EMAIL", found)
    text = privacy._replaced(text, privacy._KEY, "KEY", found)
    text = privacy._mask_addresses(privacy._IPV4, text, found)
    text = privacy._replaced(text, privacy._PHONE, "PHONE", found)
    text = privacy._mask_addresses(privacy._IPV6, text, found)
    return text, found


DIGITS = ["0", "1", "9", "55", "123", "2001", "٠", "٥", "۰۹", "०९", "๐", "５"]
GAPS = [" ", "-", ".", "(", ")", " (", ") ", "+", ":", "::", "/", ",", "\u00a0", "\u2011", "", "", ""]
PIECES = [
    *DIGITS,
    *GAPS,
    *DIGITS,
    "@",
    "a",
    "f",
    "ab.cd",
    ".org",
    "字",
    "ก",
    "_",
    "8.8.8.8",
    " 2a00::1 ",
    *(key[:6] for key in KEYS),
]


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.sampled_from(KEYS), max_size=24).map("".join))
def test_the_cheap_looks_miss_nothing(text):
    assert mask(text) == without_looks(text)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["+", "00", "(", "", "٠"]),
    st.lists(st.tuples(st.sampled_from(["", " ", "-", "(", ") ", " ("]), st.sampled_from(["12", "٣٤", "5", "678"]))),
)
def test_the_look_for_five_digits_misses_no_number(start, parts):
    text = start + "".join(gap + digits for gap, digits in parts)
    assert mask(text) == without_looks(text)
