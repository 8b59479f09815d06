"""`glotmill eval` as its users call it."""

import json

import pytest


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "sets"
    folder.mkdir()
    for code, lines in (("swh", ["Habari", "Vitabu", "Mvua"]), ("heb", ["שלום", "ספרים", "גשם"])):
        (folder / f"tatoeba.{code}-eng.{code}").write_text("\n".join(lines) + "\n", "utf-8")
        (folder / f"tatoeba.{code}-eng.eng").write_text("Hello\nBooks\nRain\n", "utf-8")
    rows = [
        {"text": text, "embedding": [place == n for n in range(3)]}
        for group in (["Habari", "Vitabu", "Mvua"], ["שלום", "גשם", "ספרים"], ["Hello", "Books", "Rain"])
        for place, text in enumerate(group)
    ]
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps(row, default=int) + "\n" for row in rows).replace("true", "1").replace("false", "0")
    )
    rows[1]["embedding"] = rows[2]["embedding"]
    (tmp_path / "b.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows).replace("true", "1").replace("false", "0")
    )
    return folder


def test_from_data_to_report_to_comparison(glotmill, data, tmp_path):
    run = ("eval", "run", "--suite", "embed", "--data", "sets")
    done = glotmill(*run, "--model", "replay:a.jsonl", "--out", "a")
    assert done.returncode == 0, done.stderr
    assert "Mean over languages" in done.stdout and "next: glotmill eval report a" in done.stdout
    told = json.loads(glotmill(*run, "--model", "replay:b.jsonl", "--out", "b", "--json").stdout.splitlines()[-1])
    assert told["command"] == "eval run" and {one["language"] for one in told["scores"]} == {"swh_Latn", "heb_Hebr"}
    assert "<html" in (tmp_path / "a/report.html").read_text("utf-8")
    shown = glotmill("eval", "report", "a", "--html", "page.html", "--export", "mteb", "--out", "mteb")
    assert "Hebrew" in shown.stdout and (tmp_path / "page.html").exists() and list((tmp_path / "mteb").rglob("*.json"))
    compared = json.loads(glotmill("eval", "compare", "a", "b", "--html", "c.html", "--json").stdout.splitlines()[-1])
    assert {one["language"] for one in compared["differences"]} == {"swh_Latn", "heb_Hebr"}
    assert glotmill("eval", "compare", "a", "b").returncode == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "--suite", "emebd", "--data", "sets"), "unknown suite 'emebd'; the nearest are embed"),
        (("run", "--suite", "embed", "--data", "nowhere"), "there is no data at nowhere"),
        (("run", "--suite", "chat", "--data", "sets"), "no task finds its files here"),
        (("run", "--suite", "embed", "--data", "sets", "--languages", "Swahilli"), "Swahili"),
        (("run", "--suite", "embed", "--data", "sets", "--set", "embed.precisions=['int7']"), "int8"),
        (("run", "--suite", "embed", "--data", "sets", "--set", "limt=3"), "did you mean limit?"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(glotmill, data, words, says):
    done = glotmill("eval", *words, "--model", "replay:a.jsonl", "--out", "out")
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1


def test_reports_that_are_none(glotmill, tmp_path):
    for words in (("report", "nowhere"), ("compare", "nowhere", "nowhere")):
        done = glotmill("eval", *words)
        assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_tasks_are_listed(glotmill):
    told = json.loads(glotmill("eval", "tasks", "--suite", "rerank", "--json").stdout)
    assert {task["task"] for task in told["tasks"]} == {"xquad_r_rerank", "afriqa_rerank", "xquad_rerank"}
