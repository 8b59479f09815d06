"""Tables for a terminal and JSON of a report: all that is in it, whatever is missing."""

import json

from eval.metrics.base import Interval
from eval.report import tables as report
from eval.report.compare import Comparison, Difference, Overall, Refused
from eval.results import Missing, Report, Score
from glotmill.cli.output import print_table

BOUNDS = Interval(0.5, 0.7, "wilson")
FULL = Report(
    {"name": "tiny", "sha256": "ab"},
    (
        Score("embed", "sib", "eng_Latn", "accuracy_probe", 0.6, 99, "data:x", BOUNDS, True, contaminated=0.02),
        Score("embed", "sib", "kat_Geor", "accuracy_probe", 0.0, 1, "data:y", None, True),
        Score("embed", "sib", "eng_Latn", "macro_f1_probe", 0.55, 99, "data:x", BOUNDS),
        Score("chat", "trans[late]", "eng_Latn", "chrf2++", 43.21, 9, "", Interval(40, 50, "b"), True),
    ),
    (Missing("embed", "sib", "xho_Latn", "no items"), Missing("embed", "sib", "zul_Latn", "no items")),
    ("a note",),
)


def shown(tables):
    return {table.title: table.rows for table in tables}


def test_the_overview_has_every_metric_with_its_doubt(capsys):
    tables = report.tables(FULL, languages=True)
    overview = shown(tables)["Mean over languages"]
    assert overview[0] == ("embed", "sib", "accuracy_probe", 2, 0.3, "–", "0.424", "kat_Geor", 0.0, "2.0%")
    assert overview[1][2:6] == ("macro_f1_probe", 1, 0.55, "0.500 to 0.700")
    assert overview[2][5] == "40.00 to 50.00"
    assert shown(tables)["Missing"] == (("embed", "sib", "xho_Latn zul_Latn", "no items"),)
    assert len(shown(tables)["Languages"]) == 4 and "Languages" not in shown(report.tables(FULL))
    for table in tables:
        assert all(len(row) == len(table.head) for row in table.rows)
        print_table(table.title, table.head, table.rows)
    assert "trans[late]" in capsys.readouterr().out


def test_json_has_the_report_and_its_roll_ups():
    values = json.loads(json.dumps(report.to_json(FULL), allow_nan=False))
    assert values["scores"][0]["score"] == 0.6 and values["missing"][0]["why"] == "no items"
    everything = [one for one in values["rollups"] if one["by"] == "all"]
    assert (everything[0]["metric"], everything[0]["languages"]) == ("accuracy_probe", 2)
    assert values["worst"][0]["languages"][0] == {"language": "kat_Geor", "score": 0.0}


def test_no_scores_are_no_tables():
    assert report.tables(Report({}, ())) == [] and report.to_json(Report({}, ()))["rollups"] == []


def test_a_comparison_shows_the_real_differences_or_every_one():
    one = Difference(
        "embed", "sib", "eng_Latn", "accuracy_probe", "", 0.5, 0.7, 0.2, BOUNDS, 0.01, 0.01, 0.02, 99, 0, 0, True, True
    )
    other = Difference(
        "embed", "sib", "kat_Geor", "accuracy_probe", "", 0.5, 0.5, 0.0, None, None, 1.0, 1.0, 1, 0, 0, True, True
    )
    overall = Overall("embed", "sib", "accuracy_probe", "", 2, 0.1, None, 0, 1, 1, True)
    refused = Refused("embed", "sib", "urd_Arab", "accuracy_probe", "", "other data")
    comparison = Comparison({}, {}, (one, other), (overall,), (refused,), (), "holm")
    tables = shown(report.comparison_tables(comparison))
    assert tables["Languages that differ"] == (
        ("sib", "accuracy_probe", "eng_Latn", 99, 0.5, 0.7, 0.2, "0.500 to 0.700", 0.02, "B"),
    )
    assert tables["Differences, B less A"][0][-1] == "–" and tables["Not compared"][0][-1] == "other data"
    assert len(shown(report.comparison_tables(comparison, every=True))["Languages"]) == 2


def test_facts_are_flat_words():
    assert report.facts({"name": "x", "config": {"seed": 0, "dims": [1, 2]}, "none": None}) == [
        ("name", "x"),
        ("config.seed", "0"),
        ("config.dims", "1, 2"),
    ]


def test_markdown_has_every_language_and_no_broken_cells():
    score = Score("chat", "a|b", "heb_Hebr", "accuracy", 0.5, 4, "n:4", main=True)
    text = report.markdown(Report({"name": "m|n"}, (score,), notes=("a note",)))
    assert "# Evaluation of m\\|n" in text and "| a\\|b |" in text and "Hebrew" in text and "a note" in text
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert all(line.replace("\\|", "").count("|") > 1 for line in rows)
