"""Templates over task data: what becomes of each row and template, on real data and on rows made to fail."""

import json
import unicodedata
from collections import Counter

import pytest

from collection import store
from collection.language_id import LanguageIdConfig
from collection.quality import FilterConfig
from collection.validate import problems
from core import config as configuration
from core.errors import ConfigError, OutputError, SourceError
from pipelines.augment.task_data import TaskData
from pipelines.augment.template import SelectConfig, TemplateConfig, template
from pipelines.build.job import BuildConfig, build
from pipelines.runner import RunConfig

IN_MEMORY = RunConfig(mode="in_memory")
UNFILTERED = FilterConfig(enabled=False)
UNASKED = LanguageIdConfig(detector="none")

TEMPLATES = """
dataset: quiz
subset: {subset}
templates:
  11111111-1111-1111-1111-111111111111: !Template
    answer_choices: {choices}
    id: 11111111-1111-1111-1111-111111111111
    jinja: "{{{{ question }}}} ({{{{ answer_choices | join(', ') }}}}) ||| {{{{ answer_choices[label] }}}}"
    metadata: !TemplateMetadata
      original_task: true
    name: choose
  22222222-2222-2222-2222-222222222222: !Template
    answer_choices: null
    id: 22222222-2222-2222-2222-222222222222
    jinja: "{question}: {{{{ question }}}} {{% if label == 1 %}}||| {{{{ why }}}}{{% endif %}}"
    metadata: !TemplateMetadata
      original_task: false
    name: explain
"""
TEXTS = {
    "sw": (
        "Swali",
        "ndiyo ||| hapana",
        "Je, maji ni muhimu kwa maisha ya watu wote duniani?",
        "Kwa sababu bila maji hakuna uhai.",
    ),
    "ar": ("سؤال", "نعم ||| لا", "هل الماء مهم لحياة جميع الناس في العالم؟", "لأنه لا حياة بدون ماء على هذه الأرض."),
    "th": ("คำถาม", "ใช่ ||| ไม่ใช่", "น้ำสำคัญต่อชีวิตของทุกคนในโลกหรือไม่", "เพราะถ้าไม่มีน้ำก็ไม่มีชีวิตบนโลกใบนี้"),
}


@pytest.fixture
def quiz(tmp_path, write_lines):
    """Templates and rows of a small quiz in three languages; its set."""

    def make(extra=(), **options):
        for code, (word, choices, question, why) in TEXTS.items():
            folder = tmp_path / "templates" / "quiz" / code
            folder.mkdir(parents=True, exist_ok=True)
            text = TEMPLATES.format(subset=code, choices=f"'{choices}'", question=word)
            (folder / "templates.yaml").write_text(text, "utf-8")
            rows = [
                {"question": f"{number}. {question}", "label": number % 2, "why": f"{number}: {why}"}
                for number in range(6)
            ]
            write_lines(tmp_path / "data" / code / f"dev.{code}.jsonl", [*rows, *extra])
        return TaskData(str(tmp_path / "templates"), str(tmp_path / "data"), **options)

    return make


def run(tmp_path, *sets, out="out", fresh=False, **options):
    options = {"filters": UNFILTERED, "language_id": UNASKED, "run": IN_MEMORY, **options}
    manifest = template(TemplateConfig(sets=sets, **options), tmp_path / out, fresh=fresh)
    assert list(problems(tmp_path / out)) == []
    return manifest


def test_every_row_meets_every_template_of_its_subset(quiz, tmp_path):
    manifest = run(tmp_path, quiz(license="CC0-1.0"))
    assert manifest.rows_in == 3 * 6 * 2
    # What has no answer is no row: label 0 has no explanation.
    assert manifest.rejected == {"not_applicable": 3 * 3}
    rows = list(store.records(tmp_path / "out"))
    assert Counter(row.language for row in rows) == {"swh_Latn": 9, "arb_Arab": 9, "tha_Thai": 9}
    thai = next(row for row in rows if row.language == "tha_Thai" and row.template == "explain")
    assert (thai.origin, thai.source, thai.dataset, thai.split, thai.license) == (
        "template", "quiz", "quiz/th", "validation", "CC0-1.0",
    )  # fmt: skip
    assert thai.messages[0].content.startswith("คำถาม: ") and thai.messages[1].content.startswith("1: เพราะ")
    # All that is made of one row of data falls into one split.
    assert len({row.parent_id for row in rows}) == 18
    rejects = list(store.rejects(tmp_path / "out"))
    assert all(line["detail"] == "explain" and '"why"' in line["raw"] for line in rejects)
    assert {line["location"] for line in rejects if "sw/" in line["location"]} == {
        f"sw/dev.sw.jsonl:{number}" for number in (1, 3, 5)
    }


def test_nothing_is_lost_whatever_the_rows(quiz, tmp_path):
    extra = [
        "{not json",
        [1, 2],
        {"question": "No label here."},
        {"question": None, "label": 1, "why": "x"},
        {"question": "Q ||| with bars", "label": 0},
        {"question": "Two", "label": 1, "why": "a"},
        {"question": "Choices", "label": 7, "why": "x"},
        {"question": "Named like the choices", "answer_choices": 1},
    ]
    manifest = run(tmp_path, quiz(extra))
    # Of an unreadable row there is one reject, of any other one for each template.
    assert manifest.rows_in == 3 * (2 * (6 + 6) + 2)
    assert manifest.rejected["invalid_json"] == 3 and manifest.rejected["not_a_row"] == 3
    assert manifest.rejected["template_failed"] == 3 * 6
    rows = [row for row in store.records(tmp_path / "out") if "with bars" in row.prompt]
    assert rows[0].messages[0].content.startswith("Q ||| with bars (") and len(rows) == 3
    details = {line["detail"] for line in store.rejects(tmp_path / "out") if line["reason"] == "template_failed"}
    assert "choose: the row has no column 'label'" in details
    assert "choose: it prints a null" in details


def test_the_same_run_makes_the_same_rows_and_is_not_made_twice(quiz, tmp_path):
    data = quiz()
    first = run(tmp_path, data)
    assert run(tmp_path, data).run == first.run
    run(tmp_path, data, out="again")
    assert list(store.records(tmp_path / "out")) == list(store.records(tmp_path / "again"))
    with pytest.raises(OutputError, match="select"):
        run(tmp_path, data, select=SelectConfig(names=("choose",)))


def test_a_changed_template_is_another_run(quiz, tmp_path):
    data = quiz()
    run(tmp_path, data)
    path = tmp_path / "templates" / "quiz" / "sw" / "templates.yaml"
    path.write_text(path.read_text("utf-8").replace("Swali", "Swali letu"), "utf-8")
    with pytest.raises(OutputError, match="inputs"):
        run(tmp_path, data)


def test_templates_are_chosen_by_name_task_and_likeness(quiz, tmp_path):
    data = quiz()
    named = run(tmp_path, data, out="a", select=SelectConfig(names=("choose",)))
    assert (named.rows_in, named.rows_out) == (18, 18)
    original = run(tmp_path, data, out="b", select=SelectConfig(original_task=True))
    assert original.rows_in == 18 and any("3 of 6 templates are for another task" in note for note in original.notes)
    alike = run(tmp_path, data, out="c", select=SelectConfig(similarity=0.5))
    assert alike.rows_in <= 36 and alike.notes
    with pytest.raises(ConfigError, match="'chose'"):
        run(tmp_path, data, out="d", select=SelectConfig(names=("chose",)))
    with pytest.raises(ConfigError, match=r"select\.similarity is 0\.2: expected 0\.5 or more and at most 1"):
        configuration.build(TemplateConfig, {"select": {"similarity": 0.2}})


def test_answers_of_one_or_two_words_can_be_turned_away(quiz, tmp_path):
    manifest = run(tmp_path, quiz(), select=SelectConfig(min_target_words=3))
    assert manifest.rejected["short_target"] == 18
    assert {row.template for row in store.records(tmp_path / "out")} == {"explain"}
    assert any(line["detail"].startswith("choose: 1 of 3 words: 'ใช่'") for line in store.rejects(tmp_path / "out"))


def test_data_of_a_subset_without_templates_is_rejected_by_the_row(quiz, tmp_path, write_lines):
    data = quiz()
    write_lines(tmp_path / "data" / "yo" / "dev.yo.jsonl", [{"question": "Kí ni?", "label": 0}])
    manifest = run(tmp_path, data)
    assert manifest.rejected["no_template"] == 1
    assert next(line for line in store.rejects(tmp_path / "out") if line["reason"] == "no_template")["raw"]


def test_columns_labels_and_lists_can_be_named(quiz, tmp_path, write_lines):
    data = quiz()
    rows = [
        {"text": "Je, maji ni mazuri?", "class": "no", "answers": "['it\"s', 'b']"},
        {"text": "x", "class": "maybe", "answers": "[]"},
    ]
    path = write_lines(tmp_path / "other" / "rows.jsonl", rows)
    one = TaskData(
        f"{data.templates}/quiz/sw",
        str(path),
        name="named",
        language="swahili",
        columns={"question": "text", "label": "class", "why": "answers"},
        labels={"label": ("yes", "no")},
        lists=("why",),
    )
    manifest = run(tmp_path, one)
    assert manifest.rejected == {"missing_field": 1}
    first, second = store.records(tmp_path / "out")
    assert first.target == "hapana" and second.target == "['it\"s', 'b']" and first.source == "named"
    assert "expected one of yes, no" in next(store.rejects(tmp_path / "out"))["detail"]


def test_templates_that_fit_no_data_are_an_error(quiz, tmp_path, write_lines):
    data = quiz()
    path = write_lines(tmp_path / "other" / "rows.jsonl", [{"text": "?"}])
    with pytest.raises(SourceError, match="no column 'question'"):
        run(tmp_path, TaskData(f"{data.templates}/quiz/sw", str(path), language="sw"))
    with pytest.raises(ConfigError, match="--templates PATH"):
        run(tmp_path)
    with pytest.raises(SourceError, match="no templates there"):
        run(tmp_path, TaskData(str(tmp_path / "nowhere"), str(path)))


def test_csv_and_parquet_are_task_data(quiz, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = quiz()
    (tmp_path / "more" / "sw").mkdir(parents=True)
    (tmp_path / "more" / "sw" / "train.csv").write_text('question,label,why\n"Je, ndiyo?",1,Sababu\n', "utf-8")
    pq.write_table(
        pa.table({"question": ["Je?"], "label": [1], "why": ["Sababu"]}), tmp_path / "more" / "sw" / "test.parquet"
    )
    manifest = run(tmp_path, TaskData(data.templates, str(tmp_path / "more"), numbers=("label",)))
    assert manifest.rejected == {}
    assert sorted((row.split, row.target) for row in store.records(tmp_path / "out")) == [
        (split, text) for split in ("test", "train") for text in ("Sababu", "hapana")
    ]
    # Every column of a CSV is text: what that leads to stands in the log.
    manifest = run(tmp_path, TaskData(data.templates, str(tmp_path / "more")), out="text")
    assert manifest.rejected == {"not_applicable": 2}


def test_a_build_takes_it_and_its_card_tells_the_origin(quiz, tmp_path):
    run(tmp_path, quiz(license="CC0-1.0"))
    build([tmp_path / "out"], BuildConfig(run=IN_MEMORY), tmp_path / "collection")
    assert list(problems(tmp_path / "collection")) == []
    assert "| quiz | template | CC0-1.0 |" in (tmp_path / "collection" / "README.md").read_text("utf-8")


def test_xcopa_comes_out_as_its_published_prompts_make_it(shared, tmp_path):
    data = TaskData(str(shared("data/promptsource_xlingual/xcopa")), str(shared("data/xcopa/data")), split="validation")
    run(tmp_path, data)
    made: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for row in store.records(tmp_path / "out"):
        key = (row.language, row.dataset, row.template, row.split)
        made.setdefault(key, []).append((row.messages[0].content, row.messages[1].content))
    expected: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for path in shared("data/derived_xp3x").rglob("xp3_xcopa_*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            key = (row["language"], f"xcopa/{row['config']}", row["template"], row["split"])
            # Records are in composed form, whatever their source.
            texts = (unicodedata.normalize("NFC", row[name]) for name in ("inputs", "targets"))
            expected.setdefault(key, []).append(tuple(texts))
    assert sum(map(len, expected.values())) >= 4_000
    assert {key: sorted(rows) for key, rows in expected.items()} == {key: sorted(made[key]) for key in expected}


def test_xquad_comes_out_as_derived(shared, tmp_path):
    data = TaskData(
        str(shared("data/promptsource_xlingual/native/xquad/xquad.en")),
        str(shared("data/xquad/xquad.hi.json")),
        layout="squad",
        license="CC-BY-SA-4.0",
    )
    manifest = run(tmp_path, data)
    assert manifest.rows_in == manifest.rows_out == 1_190 * 7
    made = {(row.template, *(turn.content for turn in row.messages)) for row in store.records(tmp_path / "out")}
    found = 0
    for path in shared("data/derived_xp3x/hin_Deva").glob("xp3_xquad_*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            assert (row["template"], *(unicodedata.normalize("NFC", row[n]) for n in ("inputs", "targets"))) in made
            found += 1
    assert found >= 400


def test_african_sets_are_rendered_with_english_prompts(shared, tmp_path):
    sentiment = TaskData(
        str(shared("data/promptsource/tweet_eval/sentiment")),
        str(shared("data/afrisenti/amh/dev.tsv")),
        name="afrisenti",
        dataset="afrisenti",
        language="amh_Ethi",
        columns={"text": "tweet"},
        labels={"label": ("negative", "neutral", "positive")},
    )
    questions = TaskData(
        str(shared("data/promptsource/nq_open")),
        str(shared("data/afriqa/queries/hau/queries.afriqa.hau.en.dev.json")),
        name="afriqa",
        language="{lang}",
        columns={"answer": "answers"},
        lists=("answer",),
    )
    manifest = run(tmp_path, sentiment, questions)
    assert manifest.sources["afrisenti"].rows_in == manifest.sources["afrisenti"].rows_out > 5_000
    assert manifest.sources["afriqa"].rows_out > 1_000
    # Questions that nobody could answer have no row, and stand in the log.
    assert manifest.sources["afriqa"].rejected["template_failed"] > 100
    assert {"amh_Ethi", "hau_Latn"} <= set(manifest.languages)
