"""Exports keep scores to the last digit, and the other tools read them (where they are installed)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import SourceError
from eval.metrics.base import Interval
from eval.report.interchange import EXPORTS, to_lm_eval, to_mteb, write_lm_eval, write_mteb
from eval.results import Example, Report, Score, examples_path, write_examples

ODD = 0.1234567890123456


@pytest.fixture
def chat(tmp_path):
    """A folder of a chat evaluation, and its report."""
    items = [
        Example(
            f"q{place}",
            {"accuracy": [float(place % 3 == 0)]},
            {"prompt": f"¿{place}?", "answer": "sí", "expected": ["sí", "no"]},
        )
        for place in range(30)
    ]
    write_examples(examples_path(tmp_path, "chat", "xcopa", "swh_Latn"), items)
    write_examples(examples_path(tmp_path, "chat", "trans", "kat_Geor"), [Example("a", {"chrf2++": [1.0, 2.0]})])
    scores = (
        Score("chat", "xcopa", "swh_Latn", "accuracy", 1 / 3, 30, "task:xcopa|shots:5|data:ab", main=True),
        Score("chat", "trans", "kat_Geor", "chrf2++", 41.5, 1, "", Interval(40.0, 44.0, "bootstrap:1000"), True),
        Score("chat", "trans", "kat_Geor", "empty_rate", 0.0, 1, "", None, higher_is_better=False),
    )
    write_examples(
        examples_path(tmp_path, "chat", "trans", "kat_Geor"),
        [Example("a", {"chrf2++": [1.0, 2.0], "empty_rate": [0.0]})],
    )
    report = Report(
        {"name": "glot/tiny", "sha256": "f" * 64}, scores, run={"date": "2026-10-01T10:00:00", "glotmill": "1"}
    )
    report.write(tmp_path)
    return tmp_path, report


def embedded():
    scores = [
        Score(
            "embed",
            "tatoeba",
            language,
            metric,
            value,
            50,
            f"data:{data}|metric:{metric}",
            None,
            metric == "f1",
            True,
            group,
        )
        for language, data in (("swh_Latn", "d1"), ("kat_Geor", "d2"))
        for group, value in (("1536.float", ODD), ("256.int8", ODD / 2))
        for metric in ("f1", "accuracy_mined")
    ]
    scores.append(
        Score("rerank", "xquad_r", "deu_Latn", "ndcg@10", ODD, 9, "data:d3", None, True, True, "deu_Latn-fra_Latn")
    )
    return Report({"name": "glot/tiny", "sha256": "f" * 64}, tuple(scores))


def test_mteb_s_files_have_the_scores_to_the_last_digit():
    found = to_mteb(embedded())
    base = f"results/glot__tiny/{'f' * 40}"
    whole, small = (
        found[f"{base}/tatoeba.json"],
        found[f"{base}/experiments/embed_dim_256__precision_int8/tatoeba.json"],
    )
    first, second = whole["scores"]["test"]
    assert first["main_score"] == first["f1"] == ODD and first["accuracy"] == ODD
    assert (first["hf_subset"], first["languages"], second["languages"]) == ("swh_Latn", ["swh-Latn"], ["kat-Geor"])
    assert small["scores"]["test"][0]["main_score"] == ODD / 2
    (pair,) = found[f"{base}/xquad_r.json"]["scores"]["test"]
    assert pair["languages"] == ["deu-Latn", "fra-Latn"] and pair["ndcg_at_10"] == ODD
    assert (
        found[f"{base}/xquad_r.json"]["dataset_revision"] == "d3"
        and found[f"{base}/model_meta.json"]["name"] == "glot/tiny"
    )


def test_lm_eval_s_results_have_scores_errors_and_samples(chat):
    folder, report = chat
    found = to_lm_eval(report, folder)
    row = found["results"]["xcopa_swh_Latn"]
    rows = np.array([float(place % 3 == 0) for place in range(30)])
    assert row["acc,none"] == 1 / 3 and row["acc_stderr,none"] == pytest.approx(rows.std(ddof=1) / 30**0.5, abs=1e-15)
    other = found["results"]["trans_kat_Geor"]
    assert other["chrf++,none"] == 41.5 and other["chrf++_stderr,none"] == pytest.approx(4 / 3.92)
    assert other["empty_rate_stderr,none"] == "N/A" and not found["higher_is_better"]["trans_kat_Geor"]["empty_rate"]
    assert found["n-shot"]["xcopa_swh_Latn"] == 5 and found["group_subtasks"]["trans_kat_Geor"] == []
    written = write_lm_eval(report, folder, folder / "out")
    assert sorted(path.name for path in written) == [
        "results_2026-10-01T10_00_00.json",
        "samples_trans_kat_Geor_2026-10-01T10_00_00.jsonl",
        "samples_xcopa_swh_Latn_2026-10-01T10_00_00.jsonl",
    ]
    samples = [json.loads(line) for line in written[1].read_text("utf-8").splitlines()]
    assert len(samples) == 30 and samples[3]["acc"] == 1 and samples[3]["resps"] == [["sí"]]
    assert samples[3]["arguments"] == {"gen_args_0": {"arg_0": "¿3?"}} and samples[3]["target"] == '["sí", "no"]'


def test_exports_are_found_by_name(chat):
    folder, report = chat
    assert len(EXPORTS["lm-eval"](report, folder / "report.json", folder / "a")) == 3
    assert {path.name for path in EXPORTS["mteb"](embedded(), folder, folder / "b")} >= {
        "tatoeba.json",
        "model_meta.json",
    }


def test_a_report_without_such_scores_is_refused(chat, tmp_path):
    folder, report = chat
    with pytest.raises(SourceError, match="no score of embed or rerank"):
        write_mteb(report, tmp_path)
    with pytest.raises(SourceError, match="no score of chat"):
        write_lm_eval(embedded(), folder, tmp_path)
    examples_path(folder, "chat", "xcopa", "swh_Latn").unlink()
    with pytest.raises(SourceError, match="run it again"):
        write_lm_eval(report, folder, tmp_path)
    assert to_lm_eval(report)["results"]["xcopa_swh_Latn"]["acc_stderr,none"] == "N/A"


READ = """
import json, sys
from pathlib import Path
from mteb.cache import ResultCache
from mteb.results import TaskResult
base = Path(sys.argv[1])
found = {}
for path in sorted(base.glob("results/**/*.json")):
    if path.name != "model_meta.json":
        result = TaskResult.from_disk(path)
        scores = [one["main_score"] for one in result.scores["test"]]
        found[str(path.relative_to(base))] = [result.task_name, scores, sorted(result.languages)]
cache = ResultCache(base)
paths = cache.get_cache_paths(load_experiments="match_name")
names = [cache._get_model_name_and_revision_from_path(path.parent)[:3] for path in sorted(paths)]
print(json.dumps([found, names]))
"""


def python_with(package):
    """A Python that has a package: this one, or the one that GLOTMILL_MTEB_PYTHON names."""
    looks = f"import importlib.util, sys; sys.exit(not importlib.util.find_spec('{package}'))"
    for python in filter(None, (os.environ.get("GLOTMILL_MTEB_PYTHON"), sys.executable)):
        if subprocess.run([python, "-c", looks], check=False).returncode == 0:
            return python
    pytest.skip(f"{package} is not installed here, nor where GLOTMILL_MTEB_PYTHON says")


@pytest.mark.slow
def test_mteb_reads_its_files(tmp_path):
    python = python_with("mteb")
    write_mteb(embedded(), tmp_path)
    done = subprocess.run(
        [python, "-c", READ, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    found, names = json.loads(done.stdout.splitlines()[-1])
    by_task = {(Path(path).parent.name, task): (scores, languages) for path, (task, scores, languages) in found.items()}
    assert by_task["f" * 40, "tatoeba"] == ([ODD, ODD], ["kat", "swh"])
    assert by_task["embed_dim_256__precision_int8", "tatoeba"][0] == [ODD / 2, ODD / 2]
    assert by_task["f" * 40, "xquad_r"] == ([ODD], ["deu", "fra"])
    assert {tuple(name) for name in names} == {
        ("glot/tiny", "f" * 40, None),
        ("glot/tiny", "f" * 40, "embed_dim_256__precision_int8"),
    }


TABLE = """
import json, sys
from lm_eval.utils import make_table
print(make_table(json.load(open(sys.argv[1]))))
"""


@pytest.mark.slow
def test_lm_eval_makes_its_table_of_the_results(chat):
    python = python_with("lm_eval")
    folder, report = chat
    written = write_lm_eval(report, folder, folder / "out")
    done = subprocess.run([python, "-c", TABLE, written[0]], capture_output=True, text=True, check=True)
    row = next(line for line in done.stdout.splitlines() if line.startswith("|xcopa_swh_Latn"))
    assert [cell.strip() for cell in row.split("|")][4:10] == ["5", "acc", "↑", "0.3333", "±", "0.0875"]


def test_files_say_which_split_and_which_version_scores_are_of():
    scores = tuple(
        Score("embed", "afriqa", language, "ndcg@10", 0.5, 9, f"split:{split}|glotmill:7", None, True)
        for language, split in (("hau_Latn", "dev"), ("yor_Latn", "train"))
    )
    (result, _) = to_mteb(Report({"name": "m"}, scores, run={"glotmill": "7"})).values()
    assert {split: rows[0]["hf_subset"] for split, rows in result["scores"].items()} == {
        "dev": "hau_Latn",
        "train": "yor_Latn",
    }
    assert result["glotmill"]["version"] == "7"
    chat = Score("chat", "xcopa", "swh_Latn", "accuracy", 0.5, 9, "glotmill:7", None, True)
    assert to_lm_eval(Report({"name": "m"}, (chat,)))["versions"] == {"xcopa_swh_Latn": "7"}
