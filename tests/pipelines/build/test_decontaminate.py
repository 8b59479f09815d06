"""A build keeps out what stands in the evaluation sets that it is told of, and says what it found."""

import json
import unicodedata

import pytest

from collection import store
from collection.manifest import KEPT, Manifest, Tally
from collection.quality import FilterConfig
from collection.record import Message, Record
from collection.store import PartWriter
from collection.validate import problems
from core.errors import ConfigError, OutputError, SourceError, UserError
from pipelines.build.decontaminate import DecontaminateConfig, EvaluationSet, read_sets
from pipelines.build.job import BuildConfig, build
from pipelines.ingest.config import IngestConfig, IngestSource
from pipelines.ingest.job import ingest
from pipelines.runner import RunConfig

QUESTIONS = {
    "swh_Latn": "Nani alihesabu meli kumi na moja kabla ya ukungu kuifunika bandari?",
    "tha_Thai": "ใครเป็นคนนับเรือได้สิบเอ็ดลำก่อนที่หมอกจะกลืนท่าเรือไปทั้งหมด",
    "arb_Arab": "من الذي عدّ إحدى عشرة سفينة قبل أن يبتلع الضباب المرفأ كله؟",
}
ANSWERS = {"swh_Latn": "Mlinzi wa mnara.", "tha_Thai": "ผู้ดูแลประภาคาร", "arb_Arab": "حارس المنارة."}


@pytest.fixture
def folder(tmp_path):
    """Two rows a language, of which one asks what the quiz asks."""
    rows = []
    for language, question in QUESTIONS.items():
        for prompt in (f"Q: {question.strip('?؟')}\n", "Habari za leo ndugu yangu mpendwa wa zamani"):
            messages = (Message("user", prompt), Message("assistant", ANSWERS[language]))
            rows.append(Record(f"{len(rows):032x}", language, messages, "s"))
    tally = Tally()
    with PartWriter(tmp_path / "in", 0, 1) as part:
        part.write(rows)
    for one in rows:
        tally.outcomes["s", one.language, KEPT] += 1
    Manifest.of("ingest", tally, 1, complete=True).write(tmp_path / "in")
    return tmp_path / "in"


def config(*sets, **more):
    return BuildConfig(decontaminate=DecontaminateConfig(sets=sets, **more), run=RunConfig(mode="in_memory"))


@pytest.fixture
def quiz(tmp_path, write_lines):
    rows = [
        {"id": code, "question": {"text": text}, "choices": ["A", "B"], "gold": 1} for code, text in QUESTIONS.items()
    ]
    return EvaluationSet(
        "quiz", str(write_lines(tmp_path / "quiz.jsonl", [*rows, {"id": "short", "question": "Why?"}]))
    )


def test_rows_that_hold_an_item_go_and_the_reject_names_it(tmp_path, folder, quiz):
    manifest = build([folder], config(quiz), tmp_path / "out")
    assert manifest.rejected == {"contaminated": 3} and manifest.rows_out == 3
    for reject in store.rejects(tmp_path / "out"):
        assert (reject["stage"], reject["detail"]) == ("decontaminate", f"holds 1.00 of quiz: {reject['language']}")
    assert {record.prompt[:6] for record in store.records(tmp_path / "out")} == {"Habari"}
    assert list(problems(tmp_path / "out")) == []


def test_the_manifest_reports_by_set_and_language(tmp_path, folder, quiz, write_lines):
    clean = write_lines(tmp_path / "clean.jsonl", [{"q": "Is there anything at all in this set that anyone has?"}])
    manifest = build([folder], config(quiz, EvaluationSet("clean", str(clean))), tmp_path / "out")
    assert manifest.contamination == {
        "quiz": {
            "items": 4,
            "too_short": 1,
            "texts": 6,
            "texts_too_short": 3,
            "items_hit": 3,
            "rows_dropped": 3,
            "languages": {"arb_Arab": 1, "swh_Latn": 1, "tha_Thai": 1},
        },
        "clean": {
            "items": 1,
            "too_short": 0,
            "texts": 1,
            "texts_too_short": 0,
            "items_hit": 0,
            "rows_dropped": 0,
            "languages": {},
        },
    }
    assert Manifest.read(tmp_path / "out").contamination == manifest.contamination


def test_without_sets_nothing_goes(tmp_path, folder):
    manifest = build([folder], config(), tmp_path / "out")
    assert manifest.rows_out == 6 and manifest.contamination == {}


def test_the_share_can_be_set(tmp_path, folder, write_lines):
    longer = {"question": QUESTIONS["swh_Latn"] + " Na alikuwa amevaa nguo za rangi gani siku hiyo ya huzuni?"}
    path = str(write_lines(tmp_path / "quiz.jsonl", [longer]))
    strict, loose = (build([folder], config(EvaluationSet("q", path), share=s), tmp_path / str(s)) for s in (0.9, 0.2))
    assert (strict.rejected, loose.rejected) == ({}, {"contaminated": 1})


@pytest.mark.parametrize("name", ["quiz.csv", "quiz.json", "quiz.jsonl.gz"])
def test_sets_come_in_all_forms_that_sources_come_in(tmp_path, name):
    import gzip

    text = QUESTIONS["swh_Latn"]
    content = {
        "quiz.csv": f"id,question\n7,{text}\n".encode(),
        "quiz.json": json.dumps([{"id": 7, "question": text}]).encode(),
        "quiz.jsonl.gz": gzip.compress(json.dumps({"id": 7, "question": text}).encode()),
    }[name]
    (tmp_path / name).write_bytes(content)
    items, inputs = read_sets([EvaluationSet("quiz", str(tmp_path / name))])
    assert ("quiz", "7", text) in items and [one.path for one in inputs] == [str(tmp_path / name)]


def test_an_item_without_an_id_is_named_by_its_place(tmp_path, write_lines):
    path = write_lines(tmp_path / "quiz.jsonl", [{"q": "one"}, {"q": "two"}])
    items, _ = read_sets([EvaluationSet("quiz", str(path))])
    assert [item.id for item in items] == ["quiz.jsonl:1", "quiz.jsonl:2"]


LICENCE = "This work may be shared by anyone for any purpose, as long as its makers are named."


def test_what_all_rows_say_and_bare_addresses_are_no_items(write_lines, tmp_path):
    rows = [
        {"q": text, "licence": LICENCE, "from": f"https://example.org/a/b/c/d/e/f/{number}"}
        for number, text in enumerate([*QUESTIONS.values(), *(f"What is {n} plus three and four?" for n in range(30))])
    ]
    items, _ = read_sets([EvaluationSet("quiz", str(write_lines(tmp_path / "quiz.jsonl", rows)))])
    assert [item.text for item in items] == [row["q"] for row in rows]


def test_a_text_that_a_small_set_repeats_is_an_item(write_lines, tmp_path):
    rows = [{"context": LICENCE, "q": f"Why {n}?"} for n in range(5)]
    items, _ = read_sets([EvaluationSet("quiz", str(write_lines(tmp_path / "quiz.jsonl", rows)))])
    assert [item.text for item in items].count(LICENCE) == 5


def test_fields_can_be_named(write_lines, tmp_path):
    rows = [{"q": "a", "answers": {"text": ["b", "c"], "note": "d"}, "questions": "e"}]
    path = str(write_lines(tmp_path / "quiz.jsonl", rows))
    items, _ = read_sets([EvaluationSet("quiz", path, fields=("q", "answers.text"))])
    assert [item.text for item in items] == ["a", "b", "c"]
    with pytest.raises(UserError, match=r"field of evaluation set quiz 'ansers'; the nearest are answers"):
        read_sets([EvaluationSet("quiz", path, fields=("q", "ansers"))])


def test_equal_ids_in_the_files_of_a_set_are_different_items(write_lines, tmp_path):
    for code, text in QUESTIONS.items():
        write_lines(tmp_path / "quiz" / f"{code}.jsonl", [{"id": 1, "q": text}])
    items, _ = read_sets([EvaluationSet("quiz", str(tmp_path / "quiz"))])
    assert [item.id for item in items] == [f"{code}.jsonl:1" for code in sorted(QUESTIONS)]


def test_an_id_with_half_a_character_is_written_down(tmp_path, folder, write_lines):
    path = write_lines(tmp_path / "q.jsonl", ['{"id": "a\\ud800b", "q": "' + QUESTIONS["swh_Latn"] + '"}'])
    manifest = build([folder], config(EvaluationSet("q", str(path))), tmp_path / "out")
    assert manifest.rejected == {"contaminated": 1}
    assert {reject["detail"] for reject in store.rejects(tmp_path / "out")} == {"holds 1.00 of q: a\ufffdb"}


@pytest.mark.parametrize(
    "text",
    [
        "Mlinzi\u00ad wa mnara\u200b alihesabu meli kumi na moja kabla ya ukungu",
        unicodedata.normalize("NFD", "Người canh giữ ngọn hải đăng đã đếm được mười một con tàu trước sương mù"),
        unicodedata.normalize("NFD", "등대지기는 안개가 항구를 삼키기 전에 배를 모두 열한 척 세었다고 한다"),
        "MlinzÃ¤ wa mnara wa pwani alihesabu meli kumi na moja zilizokuwa zikipita usiku",
        "Andika barua pepe kwa mlinzi@example.com sasa hivi tafadhali",
        "计算12345678乘以87654321的结果并且加上1024再减去4096等于几",
    ],
)
def test_an_item_is_found_in_what_ingest_made_of_its_row(tmp_path, write_lines, text):
    row = {"inputs": text, "targets": "Jibu la swali hili ni hilo tu.", "language": "swh_Latn"}
    source = IngestSource("xp3x", str(write_lines(tmp_path / "rows.jsonl", [row])))
    loose = FilterConfig(enabled=False)
    ingest(IngestConfig(sources=(source,), filters=loose, run=RunConfig(mode="in_memory")), tmp_path / "rows")
    quiz = EvaluationSet("quiz", str(write_lines(tmp_path / "quiz.jsonl", [{"q": text}])))
    assert build([tmp_path / "rows"], config(quiz), tmp_path / "out").rejected == {"contaminated": 1}


def test_what_a_part_of_a_set_begins_with_makes_no_row_a_leak(tmp_path, folder, write_lines):
    head = "Habari za leo ndugu yangu mpendwa wa zamani"  # rows of the folder say so
    rows = [{"q": f"{head} {'abcdefghij'[n % 10]}{n} je, {n} na {n + 1} ni ngapi"} for n in range(100)]
    quiz = EvaluationSet("quiz", str(write_lines(tmp_path / "quiz.jsonl", rows)))
    assert build([folder], config(quiz), tmp_path / "out").rejected == {}


def test_a_set_of_rows_that_are_all_the_same_is_kept_out(tmp_path, folder, write_lines):
    quiz = EvaluationSet("q", str(write_lines(tmp_path / "q.jsonl", [{"q": QUESTIONS["swh_Latn"]}] * 25)))
    assert build([folder], config(quiz), tmp_path / "out").rejected == {"contaminated": 1}


def test_an_object_with_an_id_is_an_item_of_its_own(tmp_path, write_lines):
    asked = [{"id": f"q{n}", "question": text} for n, text in enumerate(QUESTIONS.values())]
    rows = [{"title": "T", "paragraphs": [{"context": "C", "qas": asked}]}]
    items, _ = read_sets([EvaluationSet("squad", str(write_lines(tmp_path / "squad.jsonl", rows)))])
    assert {item.id: item.text for item in items if item.id[0] == "q" and item.id[1].isdigit()} == {
        f"q{n}": text for n, text in enumerate(QUESTIONS.values())
    }


def test_sets_that_cannot_be_told_apart_are_an_error():
    with pytest.raises(ConfigError, match="two evaluation sets are called a"):
        DecontaminateConfig(sets=(EvaluationSet("a", "x"), EvaluationSet("a", "y")))
    for broken in ({"name": ""}, {"path": ""}, {"fields": ("",)}):
        with pytest.raises(ConfigError, match="expected a name, a path"):
            EvaluationSet(**({"name": "a", "path": "x"} | broken))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([{"q": "a"}, "{broken"], "quiz.jsonl:2 cannot be read"),
        ([{"n": 1}], "no text in"),
        ([""], "no text in"),
    ],
)
def test_a_set_that_is_not_whole_is_an_error_before_anything_is_written(tmp_path, folder, write_lines, lines, said):
    path = write_lines(tmp_path / "quiz.jsonl", lines)
    with pytest.raises(SourceError, match=f"evaluation set quiz: .*{said}"):
        build([folder], config(EvaluationSet("quiz", str(path))), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_evaluation_set_is_another_run(tmp_path, folder, quiz, write_lines):
    build([folder], config(quiz), tmp_path / "out")
    write_lines(tmp_path / "quiz.jsonl", [{"q": "Something else entirely is asked here now, is it not?"}])
    with pytest.raises(OutputError, match="--fresh"):
        build([folder], config(quiz), tmp_path / "out")
