"""The demo: the whole of it, as a newcomer runs it."""

import json

import pytest

from collection.reject import Reason
from collection.validate import problems
from eval.results import Report
from glotmill.sample.exercises import TASKS


def test_the_demo_makes_a_collection_of_all_languages_with_every_reject(glotmill, tmp_path):
    done = glotmill("demo", "--out", "demo", "--steps", "0")
    assert done.returncode == 0, done.stderr
    assert "where to look next" in done.stdout
    assert not (tmp_path / "demo/model").exists()
    again = glotmill("demo", "--out", "demo", "--steps", "2", "--json")
    told = json.loads(again.stdout.splitlines()[-1])
    assert len(told["languages"]) >= 101
    # What the demo cannot show is a bug of ours, and a budget, as nothing in it is paid for.
    assert set(told["rejected"]) == set(Reason) - {Reason.INTERNAL_ERROR, Reason.OVER_BUDGET}
    assert told["rows_in"] == told["rows_out"] + told["rows_rejected"]
    assert told["rows_rejected"] == sum(told["rejected"].values())
    stages = ("ingested-xp3x", "ingested", "templated", "translated", "curt", "synthesized", "collection", "tokens")
    for folder in stages:
        assert list(problems(tmp_path / "demo" / folder)) == []
    assert "dearest languages of demo/tokenizer" in done.stdout
    about = json.loads((tmp_path / "demo/tokenizer/glotmill_tokenizer.json").read_text("utf-8"))
    assert about["vocabulary"] == 6016 and len(about["sample"]) == 101
    card = (tmp_path / "demo/collection/README.md").read_text("utf-8")
    assert "| Swahili |" in card
    assert "| synthetic |" in card
    assert "| quiz | template |" in card and "| sharegpt | translated |" in card
    assert told["steps"] == 2 and 0 <= told["exact_match"] <= 1
    assert set(told["exact_match_by_task"]) == set(TASKS)
    assert (tmp_path / "demo/model/samples/2.jsonl").exists()
    report = Report.read(tmp_path / "demo/eval")
    assert len({score.language for score in report.scores}) > 90 and {one.task for one in report.scores} == {
        "collection",
        "exercises",
    }
    assert any(score.contaminated is not None for score in report.scores)
    assert "<svg" in (tmp_path / "demo/eval/report.html").read_text("utf-8")


@pytest.mark.slow
def test_the_demos_model_learns_the_rules_of_its_exercises(glotmill, tmp_path):
    done = glotmill("demo", "--out", "demo", "--json", timeout=7200)  # minutes, where nothing else runs
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["exact_match"] >= 0.9
    # Shown again without training, with the same result.
    again = glotmill("demo", "--out", "demo")
    scores = [one for one in Report.read(tmp_path / "demo/eval").scores if one.task == "exercises" and one.main]
    assert sum(one.score * one.n for one in scores) / sum(one.n for one in scores) >= 0.9
    assert "Mean over languages" in again.stdout
    assert "Some of its answers" in again.stdout and str(round(told["exact_match"], 3)) in again.stdout
