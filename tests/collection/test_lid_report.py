"""The report on a detector counts what was told right, and what the rest was taken for."""

import json

import pytest

from collection.detectors import Detection, make_detector
from collection.languages import resolve
from collection.lid_report import judge


class Scripted:
    """A detector whose answer is the first word of the text; it notes which language it was told of."""

    signature = "scripted(1)"

    def __init__(self):
        self.told = []

    def detect(self, text, declared=None):
        self.told.append(declared)
        code = text.split()[0]
        return Detection(None) if code == "und" else Detection(resolve(code), 0.9)

    def knows(self, language):
        return True


TEXTS = [
    (resolve("swh_Latn"), ["swh_Latn a", "swh_Latn b", "kin_Latn c", "und d"]),
    (resolve("arz_Arab"), ["arb_Arab a", "ary_Arab b"]),  # one group: any variety is right
    (resolve("bos_Latn"), ["hrv_Latn a", "eng_Latn b"]),  # judged as Serbian, which is Aya's
    (resolve("fao_Latn"), ["fao_Latn a", "isl_Latn b", "isl_Latn c", "isl_Latn d"]),  # none of Aya's
    (resolve("tha_Thai"), []),
]


def test_right_answers_and_confusions_are_counted_by_language():
    report = judge(Scripted(), TEXTS[:4])
    assert [(score.language.code, score.texts, score.right, score.accuracy) for score in report.scores] == [
        ("swh_Latn", 4, 2, 0.5),
        ("arz_Arab", 2, 2, 1.0),
        ("bos_Latn", 2, 1, 0.5),
        ("fao_Latn", 4, 1, 0.25),
    ]
    assert [dict(score.taken_for) for score in report.scores] == [
        {"kin_Latn": 1, "und": 1},
        {},
        {"eng_Latn": 1},
        {"isl_Latn": 3},
    ]
    assert report.texts == 12


def test_means_are_over_groups_and_over_ayas_languages():
    report = judge(Scripted(), TEXTS[:4])
    assert report.groups == {"ara": 1.0, "fao": 0.25, "srp": 0.5, "swa": 0.5}
    assert report.macro == pytest.approx((1.0 + 0.25 + 0.5 + 0.5) / 4)
    assert report.macro_aya == pytest.approx((1.0 + 0.5 + 0.5) / 3)


def test_varieties_of_a_group_weigh_by_their_texts():
    arabic = [(resolve("arb_Arab"), ["arb_Arab a"] * 3), (resolve("arz_Arab"), ["eng_Latn a"])]
    assert judge(Scripted(), arabic).groups == {"ara": 0.75}


def test_the_true_language_is_told_only_where_it_is_asked_for():
    alone, helped = Scripted(), Scripted()
    judge(alone, TEXTS)
    judge(helped, TEXTS, declared=True)
    assert set(alone.told) == {None}
    assert [language.code for language in helped.told] == [language.code for language, lines in TEXTS for _ in lines]


@pytest.mark.parametrize("texts", [[], TEXTS[4:]])
def test_a_report_on_nothing_is_all_zero(texts):
    report = judge(Scripted(), texts)
    assert (report.texts, report.macro, report.macro_aya) == (0, 0.0, 0.0)


def test_a_language_without_text_weighs_nothing_in_the_mean():
    with_text = judge(Scripted(), TEXTS[:1])
    assert judge(Scripted(), [*TEXTS[:1], *TEXTS[4:]]).macro == with_text.macro > 0


def test_a_report_is_json_with_the_five_commonest_confusions():
    lines = [f"{code} x" for code in ("yor", "ibo", "hau", "zul", "xho", "sna", "sna") for _ in range(2)]
    values = json.loads(json.dumps(judge(Scripted(), [(resolve("swh_Latn"), lines)]).to_json()))
    assert values["detector"] == "scripted(1)"
    assert values["texts"] == 14
    swahili = values["languages"]["swh_Latn"]
    assert swahili["accuracy"] == 0.0 and len(swahili["taken_for"]) == 5
    assert next(iter(swahili["taken_for"].items())) == ("sna_Latn", 4)


def test_a_real_detector_is_judged_on_real_sentences():
    texts = [
        (resolve("tha"), ["น้ำทะเลระเหยเพราะแดด ไอน้ำลอยขึ้นไปแล้วเย็นลงกลายเป็นเมฆ"]),
        (resolve("heb"), ["מי הים מתאדים בחום השמש, האדים עולים, מתקררים ונעשים עננים."]),
    ]
    report = judge(make_detector("cld2"), texts)
    assert report.macro_aya == 1.0
    assert report.detector.startswith("cld2(")
    assert report.cpu_seconds >= 0
