"""The last turn decides; the rest of a conversation can speak for the declared language, never against it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection.detectors import UNKNOWN, Detection, make_detector
from collection.language_id import LanguageIdConfig, LanguageVerdict, decide
from collection.languages import resolve, table
from collection.record import Message

CONFIG = LanguageIdConfig()
ENGLISH = "What is the word for water in this language? Please answer with a single word and with nothing else."
LONG = {
    "swh_Latn": "Jua huvukiza maji ya bahari, mvuke hupanda angani, hupoa na kuwa mawingu, kisha mvua hunyesha.",
    "yor_Latn": "Oòrùn máa ń mú kí omi òkun gbẹ, ooru náà á gòkè lọ sí ojú ọ̀run, á tutù, á sì di ìkùukùu tó ń rọ òjò.",
    "vie_Latn": "Nước biển bốc hơi dưới nắng, bay lên cao rồi lạnh đi thành mây và mưa rơi xuống mặt đất.",
    "srp_Cyrl": "Сунце испарава морску воду, пара се пење на небо, хлади се и претвара у облаке из којих пада киша.",
    "srp_Latn": "Glavni grad Srbije je Beograd, koji se nalazi na ušću Save u Dunav i ima oko milion i po stanovnika.",
    "arz_Arab": "الشمس بتبخر مية البحر، والبخار بيطلع لفوق في السما ويبرد ويبقى سحاب وبعدين المطر ينزل.",
    "heb_Hebr": "מי הים מתאדים בחום השמש, האדים עולים לשמיים, מתקררים והופכים לעננים.",
    "tha_Thai": "น้ำทะเลระเหยเพราะแดด ไอน้ำลอยขึ้นไปบนฟ้าแล้วเย็นลงกลายเป็นเมฆและฝน",
    "zho_Hant": "海水被太陽曬熱後蒸發，水汽上升到天空，遇冷變成雲，然後下雨，雨水又流回大海。",
    "amh_Ethi": "የባሕር ውሃ በፀሐይ ሙቀት ይተናል፤ እንፋሎቱም ወደ ሰማይ ወጥቶ ቀዝቅዞ ደመና ይሆናል።",
    "hin_Deva": "सूरज की गर्मी से समुद्र का पानी भाप बनकर ऊपर उठता है और ठंडा होकर बादल बन जाता है।",
    "rus_Cyrl": "Солнце испаряет морскую воду, пар поднимается в небо, остывает и превращается в облака, из которых идёт дождь.",
    "fra_Latn": "Le soleil fait évaporer l'eau de mer, la vapeur monte dans le ciel, se refroidit et devient des nuages.",
    "eng_Latn": "The sun draws water from the sea, the vapour rises into the sky, cools and turns into clouds.",
}
SHORT = {
    "swh_Latn": "maji",
    "yor_Latn": "omi",
    "vie_Latn": "nước",
    "arz_Arab": "مية",
    "heb_Hebr": "מים",
    "tha_Thai": "น้ำ",
    "zho_Hant": "水",
    "amh_Ethi": "ውሃ",
    "hin_Deva": "पानी",
    "rus_Cyrl": "вода",
    "fra_Latn": "de l'eau",
    "zul_Latn": "amanzi",
    "gle_Latn": "uisce",
    "mri_Latn": "wai",
}


class Scripted:
    """A detector that answers as it was told, and notes what it was asked."""

    signature = "scripted"

    def __init__(self, answers=(), knows=True):
        self._answers, self._knows = dict(answers), knows
        self.asked = []

    def detect(self, text, declared=None):
        self.asked.append(text)
        return self._answers.get(text, UNKNOWN)

    def knows(self, language):
        return self._knows


@pytest.fixture(scope="module")
def vote():
    return make_detector("vote")


def talk(*contents, system=None):
    turns = [Message(("user", "assistant")[index % 2], content) for index, content in enumerate(contents)]
    return [Message("system", system), *turns] if system else turns


def said(code, score=0.99, groups=()):
    language = resolve(code)
    return Detection(language, score, frozenset({language.group, *groups}))


def verdict(answers, last, declared="swh_Latn", knows=True, config=CONFIG):
    decision = decide(talk("", last), resolve(declared) if declared else None, Scripted(answers, knows), config)
    return decision.verdict


# What a real detector makes of real text.


@pytest.mark.parametrize("code", LONG)
def test_text_in_the_declared_language_agrees(vote, code):
    decision = decide(talk(ENGLISH, LONG[code]), resolve(code), vote, CONFIG)
    assert decision.verdict is LanguageVerdict.AGREED
    assert decision.detected.group == resolve(code).group
    assert decision.score >= 0.7


@pytest.mark.parametrize("code", LONG)
def test_text_in_another_language_contradicts(vote, code):
    declared = resolve("fin_Latn")
    decision = decide(talk(ENGLISH, LONG[code] * 2), declared, vote, CONFIG)
    assert decision.verdict is LanguageVerdict.CONTRADICTED
    assert decision.detected.group == resolve(code).group


@pytest.mark.parametrize("code", LONG)
def test_the_language_of_text_is_detected_where_none_was_declared(vote, code):
    decision = decide(talk(ENGLISH, LONG[code]), None, vote, CONFIG)
    assert decision.verdict is LanguageVerdict.DETECTED
    assert decision.detected.group == resolve(code).group


@pytest.mark.parametrize("code", SHORT)
def test_a_short_answer_under_an_english_prompt_keeps_its_declared_language(vote, code):
    for messages in (talk(ENGLISH, SHORT[code]), talk(ENGLISH, "Which one?", ENGLISH, SHORT[code], system=ENGLISH)):
        decision = decide(messages, resolve(code), vote, CONFIG)
        assert decision.verdict in (LanguageVerdict.UNDECIDED, LanguageVerdict.UNSUPPORTED, LanguageVerdict.AGREED)


@pytest.mark.parametrize("code", sorted(SHORT.keys() & LONG.keys()))
def test_a_short_answer_is_confirmed_by_the_whole_conversation(vote, code):
    decision = decide(talk(LONG[code], SHORT[code]), resolve(code), vote, CONFIG)
    assert decision.verdict is LanguageVerdict.AGREED
    assert decision.detected.group == resolve(code).group


WORDS = {
    "ell_Grek": "Ναι",
    "hye_Armn": "Այո",
    "kat_Geor": "კი",
    "kor_Hang": "네",
    "jpn_Jpan": "はい",
    "zho_Hans": "不知道",
    "tha_Thai": "ใช่",
    "lao_Laoo": "ແມ່ນ",
    "khm_Khmr": "បាទ",
    "tam_Taml": "ஆம்",
    "tel_Telu": "అవును",
    "kan_Knda": "ಹೌದು",
    "mal_Mlym": "അതെ",
    "guj_Gujr": "હા",
    "pan_Guru": "ਹਾਂ",
    "ory_Orya": "ଓଡ଼ିଆ",
    "sin_Sinh": "ඔව්",
    "div_Thaa": "ޢާއެކޭ",
}


@pytest.mark.parametrize("code", WORDS)
def test_a_word_tells_the_language_that_has_a_script_to_itself(vote, code):
    for detector in (vote, Scripted()):
        decision = decide(talk("1 + 1 = 2?", WORDS[code]), None, detector, CONFIG)
        assert (decision.verdict, decision.detected.code) == (LanguageVerdict.DETECTED, code)


@pytest.mark.parametrize("text", ["ok", "1234", "👍", "да", "سلام", "John Smith", "Paris", ""])
def test_a_word_in_a_script_of_many_languages_tells_nothing(vote, text):
    assert decide(talk("?", text), None, vote, CONFIG).verdict is LanguageVerdict.UNDECIDED


@pytest.mark.parametrize(
    "code_block",
    [
        "```python\nfor number in range(10):\n    print('the next number in the list is', number)\n```",
        "`return the_first_value_that_is_larger_than_the_limit(values)`",
        "```\nnever closed: this is the way in which all of the numbers are printed to the screen",
    ],
)
def test_code_says_nothing_about_the_language(vote, code_block):
    swahili = resolve("swh_Latn")
    assert decide(talk(ENGLISH, code_block), swahili, vote, CONFIG).verdict is LanguageVerdict.UNDECIDED
    mixed = decide(talk(ENGLISH, f"{LONG['swh_Latn']}\n{code_block}"), swahili, vote, CONFIG)
    assert mixed.verdict is LanguageVerdict.AGREED
    undeclared = decide(talk(ENGLISH, f"{LONG['swh_Latn']}\n{code_block}"), None, vote, CONFIG)
    assert undeclared.detected is swahili


def test_varieties_of_one_language_do_not_contradict_each_other(vote):
    for declared in ("arb_Arab", "ary_Arab", "arz_Arab"):
        assert decide(talk("?", LONG["arz_Arab"]), resolve(declared), vote, CONFIG).verdict is LanguageVerdict.AGREED
    for declared in ("srp_Cyrl", "srp_Latn", "bos_Latn", "hrv_Latn"):
        assert decide(talk("?", LONG["srp_Latn"]), resolve(declared), vote, CONFIG).verdict is LanguageVerdict.AGREED


def test_the_decision_names_the_script_in_which_a_language_is_written(vote):
    assert decide(talk("?", LONG["srp_Latn"]), resolve("srp_Cyrl"), vote, CONFIG).detected.code == "srp_Latn"
    assert decide(talk("?", LONG["srp_Cyrl"]), resolve("srp_Latn"), vote, CONFIG).detected.code == "srp_Cyrl"


def test_many_numbers_overrule_nothing(vote):
    assert decide(talk(ENGLISH, "1234567890 " * 40), resolve("fra"), vote, CONFIG).verdict is LanguageVerdict.UNDECIDED


# What follows from the answers of a detector, to the limit.


@pytest.mark.parametrize(
    ("length", "score", "expected"),
    [
        (60, 0.9, LanguageVerdict.CONTRADICTED),
        (59, 0.9, LanguageVerdict.UNDECIDED),
        (60, 0.89, LanguageVerdict.UNDECIDED),
        (20, 1.0, LanguageVerdict.UNDECIDED),
    ],
)
def test_a_declared_language_is_overruled_from_a_length_and_a_score(length, score, expected):
    text = "a" * length
    assert verdict({text: said("eng", score)}, text) is expected


@pytest.mark.parametrize(
    ("declared", "found"),
    [("nob_Latn", "dan_Latn"), ("glg_Latn", "por_Latn"), ("mkd_Cyrl", "srp_Cyrl"), ("xho_Latn", "zul_Latn")],
)
def test_a_relative_overrules_only_from_a_much_greater_length(declared, found):
    short, long = "a" * 199, "a" * 200
    answers = {short: said(found), long: said(found)}
    assert verdict(answers, short, declared) is LanguageVerdict.UNDECIDED
    assert verdict(answers, long, declared) is LanguageVerdict.CONTRADICTED


@pytest.mark.parametrize(
    ("declared", "character", "least"),
    [("swh_Latn", "a", 20), ("zho_Hans", "字", 7), ("tha_Thai", "ก", 20), ("mya_Mymr", "က", 27), ("arb_Arab", "ع", 18)],
)
def test_a_turn_can_tell_from_a_length_in_characters_of_english(declared, character, least):
    enough, little = character * least, character * (least - 1)
    answers = {enough: said(declared), little: said(declared)}
    assert verdict(answers, enough, declared) is LanguageVerdict.AGREED
    assert verdict(answers, little, declared) is LanguageVerdict.UNDECIDED


def test_digits_and_signs_do_not_make_a_short_turn_long():
    text = "a1 - 2? " * 9
    assert verdict({text: said("swh")}, text) is LanguageVerdict.UNDECIDED


def test_evidence_for_the_declared_language_among_other_agrees():
    text = "a" * 100
    assert verdict({text: said("eng", 0.4, ["swa"])}, text) is LanguageVerdict.AGREED


@pytest.mark.parametrize(
    ("found", "text", "expected"),
    [
        ("fra", "a" * 100, LanguageVerdict.UNSUPPORTED),
        ("eng", "a" * 100, LanguageVerdict.CONTRADICTED),  # rows in the wrong place are mostly English
        ("eng", "à" * 100, LanguageVerdict.UNSUPPORTED),  # English is written in ASCII
        ("eng", "a" * 59, LanguageVerdict.UNDECIDED),
        ("bam", "a" * 100, LanguageVerdict.AGREED),
    ],
)
def test_a_language_that_the_detector_has_no_label_for_stands_except_against_english(found, text, expected):
    assert verdict({text: said(found)}, text, "bam_Latn", knows=False) is expected


def test_silence_of_the_detector_decides_nothing():
    assert verdict({}, "a" * 100) is LanguageVerdict.UNDECIDED
    decision = decide(talk("q", "a" * 100), resolve("sw"), Scripted(), CONFIG)
    assert (decision.detected, decision.score) == (None, None)


@pytest.mark.parametrize(("score", "expected"), [(0.7, LanguageVerdict.DETECTED), (0.69, LanguageVerdict.UNDECIDED)])
def test_an_undeclared_language_is_detected_from_a_score(score, expected):
    text = "a" * 20
    assert verdict({text: said("eng", score)}, text, None) is expected


@pytest.mark.parametrize(("score", "expected"), [(0.97, LanguageVerdict.DETECTED), (0.96, LanguageVerdict.UNDECIDED)])
def test_of_a_few_words_only_the_best_of_evidence_tells_an_undeclared_language(score, expected):
    messages = talk("a" * 10, "b" * 5)
    whole = "a" * 10 + "\n" + "b" * 5
    assert decide(messages, None, Scripted({whole: said("eng", score)}), CONFIG).verdict is expected


def test_the_whole_conversation_is_asked_without_its_system_turn():
    detector = Scripted()
    decide(talk(LONG["swh_Latn"], "maji", system=ENGLISH), resolve("sw"), detector, CONFIG)
    assert detector.asked == [f"{LONG['swh_Latn']}\nmaji"]


def test_a_detector_is_not_asked_about_text_too_short_to_tell():
    detector = Scripted()
    decide(talk("", "maji"), resolve("sw"), detector, CONFIG)
    assert detector.asked == []


@pytest.mark.parametrize("policy", ["relabel", "reject", "keep"])
def test_the_policy_is_none_of_the_decisions_business(policy):
    text = "a" * 100
    assert verdict({text: said("eng")}, text, config=LanguageIdConfig(policy=policy)) is LanguageVerdict.CONTRADICTED


codes = st.sampled_from(sorted(table()))
answers = st.builds(
    lambda code, score, more: Detection(table()[code], score, frozenset({table()[code].group, *more})),
    codes,
    st.floats(0, 1),
    st.sets(codes.map(lambda code: table()[code].group), max_size=2),
) | st.just(UNKNOWN)


class Always:
    """A detector that gives the same answer to everything."""

    signature = "always"

    def __init__(self, answer, knows):
        self._answer, self._knows = answer, knows

    def detect(self, text, declared=None):
        return self._answer

    def knows(self, language):
        return self._knows


@settings(max_examples=300, deadline=None)
@given(answers, st.booleans(), codes, st.text(max_size=200), st.text("aé字ก 1", max_size=19))
def test_nothing_around_a_short_turn_overrules_its_declared_language(answer, knows, declared, prompt, last):
    declared = table()[declared]
    if declared.script.density < 1 and not last.isascii():
        last = last[: int(19 * declared.script.density)]
    decision = decide(talk(prompt, last), declared, Always(answer, knows), CONFIG)
    assert decision.verdict in (LanguageVerdict.UNDECIDED, LanguageVerdict.AGREED)
    if decision.verdict is LanguageVerdict.AGREED:
        assert declared.group in answer.groups


@settings(max_examples=300, deadline=None)
@given(answers, st.booleans(), st.none() | codes, st.lists(st.text(max_size=80), min_size=1, max_size=3))
def test_any_conversation_gets_a_verdict_that_fits(answer, knows, declared, contents):
    language = table()[declared] if declared else None
    decision = decide(talk(*contents), language, Always(answer, knows), CONFIG)
    assert (decision.verdict is LanguageVerdict.DETECTED) <= (language is None)
    if language is None:
        assert decision.verdict in (LanguageVerdict.DETECTED, LanguageVerdict.UNDECIDED)
    if decision.verdict in (LanguageVerdict.DETECTED, LanguageVerdict.CONTRADICTED, LanguageVerdict.AGREED):
        assert decision.detected is not None
    if decision.verdict is LanguageVerdict.CONTRADICTED:
        assert decision.detected.group != language.group and decision.score >= CONFIG.min_score
