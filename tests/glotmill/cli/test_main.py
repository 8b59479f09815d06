"""The command: what it imports, how it speaks, how it fails."""

import json
import subprocess
import sys

import pytest


def test_help_imports_neither_beam_nor_arrow_nor_a_detector():
    code = (
        "import sys; from glotmill.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'apache_beam', 'jax', 'pyarrow', 'numpy', 'datasets', 'pycld2', 'gcld3', 'py3langid', 'pydantic',\n"
        "    'sentencepiece', 'tokenizers'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert "ingest" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "ingest",
        "build",
        "languages",
        "collection show",
        "lid detect",
        "lid report",
        "tokenizer train",
        "tokenizer report",
        "tokenizer encode",
    ],
)
def test_every_help_shows_an_example(glotmill, command):
    done = glotmill(*command.split(), "--help")
    assert done.returncode == 0
    assert f"glotmill {command}" in " ".join(done.stdout.split())


def test_the_version_is_told(glotmill):
    assert glotmill("--version").stdout.startswith("glotmill ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ingest", "--out", "o"], "no source was given: expected --source KIND=PATH"),
        (["ingest", "--source", "xp3", "--out", "o"], "expected KIND=PATH"),
        (["ingest", "--source", "xp3=x", "--out", "o"], "unknown kind of source 'xp3'; the nearest are xp3x"),
        (["ingest", "--source", "xp3x=nowhere", "--out", "o"], "cannot read nowhere: No such file or directory"),
        (
            ["ingest", "--source", "xp3x=.", "--out", "o", "--set", "filter.x=1"],
            "unknown configuration key filter; did you mean filters?",
        ),
        (["ingest", "--source", "xp3x=.", "--out", "o", "--set", "filters.max_url=much"], "filters.max_url = 'much'"),
        (
            ["ingest", "--source", "xp3x=.", "--out", "o", "--detector", "vot"],
            "unknown language detector 'vot'; the nearest are vote",
        ),
        (["ingest", "--source", "xp3x=.", "--out", "o", "--set", 'languages=["Swahilli"]'], "nearest are Swahili"),
        (["ingest", "--config", "no.toml", "--out", "o"], "no configuration file at no.toml"),
        (["build", "--input", "nowhere", "--out", "o"], "nowhere: no such folder"),
        (["collection", "stats", "."], "no manifest.json in it"),
        (["languages", "Klingonisch"], "the nearest are Klingon"),
        (["lid", "report", "--data", "nowhere"], "expected a folder"),
        (["tokenizer", "train", "--text", ".", "--vocab-size", "9", "--out", "o"], "no file named by a language"),
        (["tokenizer", "train", "--vocab-size", "9", "--out", "o"], "expected --collection DIR or --text FOLDER"),
        (["tokenizer", "train", "--out", "o", "--set", "sample.alfa=1"], "did you mean sample.alpha?"),
        (["tokenizer", "report", "--tokenizer", "no.model", "--data", "."], "no.model cannot be read"),
        (["tokenizer", "encode", "-t", ".", "-c", "nowhere", "--out", "o"], "nowhere: no such folder"),
    ],
)
def test_what_the_user_can_fix_is_one_line_and_status_2(glotmill, arguments, told):
    done = glotmill(*arguments)
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert told in line
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_shows_where_an_error_came_from(glotmill):
    done = glotmill("build", "--input", "nowhere", "--out", "o", "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_bug_is_status_1_and_says_what_to_do(monkeypatch, capsys):
    from glotmill.cli.output import guarded

    @guarded
    def breaks(debug=False):
        raise ZeroDivisionError("oops")

    with pytest.raises(SystemExit) as exit:
        breaks()
    assert exit.value.code == 1
    assert "bug: ZeroDivisionError: oops; please report it" in capsys.readouterr().err


def test_languages_are_listed_and_resolved(glotmill):
    assert "swh_Latn" in glotmill("languages").stdout
    found = json.loads(glotmill("languages", "sw", "zh-Hant", "--json").stdout)
    assert [language["code"] for language in found] == ["swh_Latn", "zho_Hant"]
    assert len(json.loads(glotmill("languages", "--aya", "--json").stdout)) > 101


def test_lid_detect_answers_line_by_line(glotmill):
    done = glotmill(
        "lid",
        "detect",
        stdin="Habari ya asubuhi, rafiki yangu mpendwa\n12345\n\nسلام دوست عزیز من، حال شما چطور است؟\n",
    )
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [code for code, _ in lines] == ["swh_Latn", "und", "und", "pes_Arab"]
    assert float(lines[0][1]) > 0.9
    assert lines[1] == ["und", "0.0"]


def test_lid_report_tells_accuracy_and_confusions(glotmill, tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text/swh_Latn.txt").write_text(
        "Habari ya asubuhi, rafiki yangu mpendwa\nThis line is English, not Swahili at all\n"
    )
    (tmp_path / "text/rus_Cyrl.txt").write_text("Доброе утро, мой дорогой друг\n")
    told = json.loads(glotmill("lid", "report", "--data", "text", "--json").stdout)
    assert told["texts"] == 3
    assert told["languages"]["swh_Latn"] == {"texts": 2, "accuracy": 0.5, "taken_for": {"eng_Latn": 1}}
    assert told["macro_accuracy_aya"] == 0.75
    assert "eng_Latn 1" in glotmill("lid", "report", "--data", "text", "--detector", "cld2").stdout
