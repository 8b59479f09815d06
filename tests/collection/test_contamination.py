"""Items of evaluation sets are found in rows of every script, and nothing else is taken for one."""

import random
import tracemalloc

import pytest

from collection import labelled
from collection.contamination import (
    ContaminationConfig,
    ContaminationHit,
    ContaminationIndex,
    EvaluationText,
    find,
    plain,
)
from collection.languages import resolve
from core.config import build
from core.errors import ConfigError
from pipelines.build.job import BuildConfig

SENTENCES = {
    "eng_Latn": "The lighthouse keeper counted eleven ships before the fog swallowed the harbour.",
    "swh_Latn": "Mlinzi wa mnara alihesabu meli kumi na moja kabla ya ukungu kuifunika bandari yote.",
    "arb_Arab": "عدّ حارس المنارة إحدى عشرة سفينة قبل أن يبتلع الضباب المرفأ كله.",
    "heb_Hebr": "שומר המגדלור ספר אחת עשרה ספינות לפני שהערפל בלע את הנמל.",
    "hin_Deva": "प्रकाशस्तंभ के रखवाले ने कोहरे के बंदरगाह को निगलने से पहले ग्यारह जहाज गिने।",
    "kor_Hang": "등대지기는 안개가 항구를 삼키기 전에 배를 모두 열한 척 세었다고 한다.",
    "tha_Thai": "ผู้ดูแลประภาคารนับเรือได้สิบเอ็ดลำก่อนที่หมอกจะกลืนท่าเรือไปทั้งหมด",
    "lao_Laoo": "ຜູ້ເຝົ້າປະພາຄານນັບເຮືອໄດ້ສິບເອັດລຳກ່ອນທີ່ໝອກຈະກືນທ່າເຮືອໄປໝົດ",
    "khm_Khmr": "អ្នកយាមប៉មភ្លើងបានរាប់នាវាដប់មួយគ្រឿងមុនពេលអ័ព្ទលេបកំពង់ផែទាំងមូល",
    "mya_Mymr": "မီးပြတိုက်စောင့်သည် မြူများ ဆိပ်ကမ်းကို မဖုံးလွှမ်းမီ သင်္ဘော ဆယ့်တစ်စင်း ရေတွက်ခဲ့သည်။",
    "zho_Hans": "灯塔看守人在大雾吞没港口之前数到了十一艘船，然后点亮了灯。",
    "jpn_Jpan": "灯台守は霧が港を飲み込む前に十一隻の船を数えてから灯りをともした。",
    "bod_Tibt": "གློག་མཁར་སྲུང་མཁན་གྱིས་སྨུག་པས་གྲུ་ཁ་མ་སྒྲིབ་གོང་གྲུ་གཟིངས་བཅུ་གཅིག་བགྲངས་པ་རེད།",
}
INDEX = ContaminationIndex.of([EvaluationText("lamps", code, text) for code, text in SENTENCES.items()])


@pytest.mark.parametrize("code", SENTENCES)
def test_an_item_inside_a_row_is_found_and_named(code):
    (hit,) = find(["x y z", f"Q: {SENTENCES[code]} Please answer.\n\n42"], INDEX)
    assert (hit.row, hit.share, INDEX.name(hit.item)) == (1, 1.0, ("lamps", code))


@pytest.mark.parametrize("code", SENTENCES)
def test_punctuation_case_and_blanks_do_not_hide_it(code):
    changed = SENTENCES[code].upper().replace(" ", "\n ").rstrip(".。।།").replace(",", " —")
    assert [INDEX.ids[hit.item] for hit in find([f"«{changed}»"], INDEX)] == [code]


@pytest.mark.parametrize("code", SENTENCES)
def test_half_of_an_item_is_enough_and_a_quarter_is_not(code):
    pieces = plain(SENTENCES[code]).split(" ") if resolve(code).script.spaced else list(plain(SENTENCES[code]))
    drawn = random.Random(1)
    text = (" " if resolve(code).script.spaced else "").join(drawn.choices(pieces, k=4 * len(pieces)))
    index = ContaminationIndex.of([EvaluationText("s", "1", text)])
    assert find([text[: len(text) * 3 // 4]], index) and not find([text[: len(text) // 4]], index)
    assert not find([text[: len(text) * 3 // 4]], index, ContaminationConfig(share=0.95))


@pytest.mark.parametrize("code", SENTENCES)
def test_what_is_no_item_is_no_hit(code):
    others = ContaminationIndex.of(
        [EvaluationText("s", other, text) for other, text in SENTENCES.items() if other != code]
    )
    assert find([SENTENCES[code]], others) == []


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("Who painted the blue door?", "I ask: who painted the blue door, and when?"),
        ("Nani aliandika barua hii ndefu?", "Je, nani aliandika barua hii ndefu kwa mwalimu?"),
    ],
)
def test_a_short_item_must_be_there_whole(text, there):
    index = ContaminationIndex.of([EvaluationText("s", "1", text)])
    assert find([there], index) == [ContaminationHit(0, 0, 1.0)]
    words = plain(text).split(" ")
    assert find([" ".join(words[:-1]), " ".join(reversed(words))], index) == []


@pytest.mark.parametrize("text", ["", "?!", "Yes", "What is it?", "Barua hii ni ndefu", "你好吗", "ใช่ครับ"])
def test_what_is_too_short_to_be_told_is_counted_and_never_hit(text):
    index = ContaminationIndex.of([EvaluationText("s", "1", text), EvaluationText("t", "1", SENTENCES["eng_Latn"])])
    assert index.counts() == {"s": (1, 1, 1, 1), "t": (1, 0, 1, 0)}
    assert find([text, f"He said: {text} And went."], index) == []


def test_an_item_of_which_one_text_is_long_enough_is_not_too_short():
    index = ContaminationIndex.of(
        [
            EvaluationText("s", "1", "Yes"),
            EvaluationText("s", "1", SENTENCES["swh_Latn"]),
            EvaluationText("s", "2", "No"),
        ]
    )
    assert index.counts() == {"s": (2, 1, 3, 2)}


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_a_share_that_makes_no_sense_is_an_error(share):
    with pytest.raises(ConfigError, match=r"decontaminate\.share"):
        build(BuildConfig, {"decontaminate": {"share": share}})


def test_the_item_that_a_row_holds_most_of_is_named_and_of_equals_the_first():
    text = SENTENCES["eng_Latn"]
    index = ContaminationIndex.of(
        [
            EvaluationText("a", "part", text + " And then some more words that nobody has."),
            EvaluationText("b", "whole", text),
        ]
    )
    assert [index.name(hit.item) for hit in find([text], index)] == [("b", "whole")]
    twice = ContaminationIndex.of([EvaluationText("a", "1", text), EvaluationText("b", "2", text)])
    assert [twice.name(hit.item) for hit in find([text], twice)] == [("a", "1")]


def test_a_text_that_many_items_have_is_one_and_its_first_item_is_named():
    text = SENTENCES["swh_Latn"]
    index = ContaminationIndex.of([EvaluationText("s", str(number), text) for number in range(5_000)])
    assert [index.name(hit.item) for hit in find([text], index)] == [("s", "0")]
    assert index.counts() == {"s": (5_000, 0, 1, 0)}


def test_what_a_thousand_items_begin_with_tells_nothing_and_costs_no_memory():
    drawn = random.Random(3)
    before = "Please read the passage below with great care and then answer the question that follows it in one word: "
    asked = ["".join(chr(97 + drawn.randrange(26)) + " mmoja " for _ in range(12)) for _ in range(3_000)]
    index = ContaminationIndex.of(
        [EvaluationText("s", str(number), before + question) for number, question in enumerate(asked)]
    )
    rows = [f"{before} what is a {number} and what is it for?" for number in range(2_000)]
    tracemalloc.start()
    assert find(rows, index) == []
    assert tracemalloc.get_traced_memory()[1] < 200 << 20
    tracemalloc.stop()
    assert [index.ids[hit.item] for hit in find([before + asked[7]], index)] == ["7"]


def test_one_long_id_does_not_widen_all_others(tmp_path):
    ContaminationIndex.of(
        [EvaluationText("s", f"{n}" * (1 + 100_000 * (n == 7)), f"{n} " * 9) for n in range(2_000)]
    ).save(tmp_path / "index")
    assert (tmp_path / "index").stat().st_size < 2 << 20
    assert len(ContaminationIndex.load(tmp_path / "index").ids[7]) == 100_001


def test_a_row_of_two_scripts_is_looked_at_in_both():
    row = f"Translate: {SENTENCES['tha_Thai']} = {SENTENCES['eng_Latn']}"
    for code in ("tha_Thai", "eng_Latn"):
        index = ContaminationIndex.of([EvaluationText("s", code, SENTENCES[code])])
        assert len(find([row], index)) == 1


def test_an_index_is_the_same_after_it_was_written(tmp_path):
    INDEX.save(tmp_path / "index")
    again = ContaminationIndex.load(tmp_path / "index")
    rows = list(SENTENCES.values())
    assert find(rows, again) == find(rows, INDEX) and again.name(3) == INDEX.name(3)


def test_no_items_and_no_rows():
    nothing = ContaminationIndex.of([])
    assert find(["anything"], nothing) == [] == find([], INDEX)
    assert nothing.counts() == {}


def test_leaks_in_two_hundred_languages_are_all_found_and_clean_rows_are_left_alone(shared):
    items, leaks, clean = [], [], []
    for language, sentences in labelled.read(shared("data/sib200") / "annotated", 100):
        # The sets of all languages have the same sentences: what is an item in one is an item in all.
        items += [EvaluationText("sib", f"{language.code} {n}", text) for n, text in enumerate(sentences[:20])]
        leaks += [f"{sentences[90]} {text}\n{sentences[91]}" for text in sentences[:20]]
        clean += [f"{a}\n{b}" for a, b in zip(sentences[20:75], sentences[30:85], strict=True)]
    index = ContaminationIndex.of(items)
    told = {hit.row for hit in find(leaks, index)}
    missed = {row for row in range(len(leaks)) if row not in told}
    too_short = {row for row, item in enumerate(items) if not ContaminationIndex.of([item]).sizes.any()}
    assert missed == too_short and len(missed) < 0.01 * len(leaks)
    assert len(clean) > 10_000 and find(clean, index) == []
