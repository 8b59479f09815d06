"""Comparing two evaluations: what is real among many languages, and what is not compared at all."""

import json

import numpy as np
import pytest

from core.errors import ConfigError, SourceError
from eval.report.compare import compare
from eval.results import Example, Report, Score, examples_path, write_examples

LANGUAGES = ("deu_Latn", "kat_Geor", "swh_Latn", "urd_Arab")


def evaluation(folder, model, rows, metric="exact_match", data="d1", more="", higher=True):
    """A folder of an evaluation. `rows` maps a language to the statistics of items by id."""
    scores = []
    for language, items in rows.items():
        path = examples_path(folder, "chat", "xquad", language)
        write_examples(path, (Example(name, {metric: row}) for name, row in items.items()))
        values = [row[0] for row in items.values()]
        signature = (
            f"suite:chat|task:xquad|language:{language}|metric:{metric}|data:{data}|model:{model}|n:{len(items)}{more}"
        )
        scores.append(
            Score(
                "chat",
                "xquad",
                language,
                metric,
                float(np.mean(values)),
                len(items),
                signature,
                main=True,
                higher_is_better=higher,
            )
        )
    Report({"name": model}, tuple(scores)).write(folder)
    return folder


def answers(share, n=120, seed=0):
    right = np.random.default_rng(seed).random(n) < share
    return {f"q{place}": [float(one)] for place, one in enumerate(right)}


@pytest.fixture
def two(tmp_path):
    a = {language: answers(0.5, seed=place) for place, language in enumerate(LANGUAGES)}
    b = {language: dict(items) for language, items in a.items()}
    b["swh_Latn"] = answers(0.9, seed=9)
    b["urd_Arab"] = answers(0.52, seed=8)
    return evaluation(tmp_path / "a", "small", a), evaluation(tmp_path / "b", "large", b)


def test_only_real_differences_are_called_real(two):
    found = compare(*two)
    better = {one.language: one.better for one in found.differences}
    assert better == {"deu_Latn": "", "kat_Geor": "", "swh_Latn": "B", "urd_Arab": ""}
    swahili = found.differences[2]
    assert swahili.interval.low > 0.2 and swahili.score_b > swahili.score_a
    assert found.differences[0].p == 1 and found.differences[0].difference == 0
    (overall,) = found.overall
    assert (overall.languages, overall.a_better, overall.b_better, overall.undecided) == (4, 0, 1, 3)
    assert overall.mean == pytest.approx(np.mean([one.difference for one in found.differences]))
    json.dumps(found.to_json(), allow_nan=False)


def test_the_other_way_round_the_other_is_better(two):
    a, b = two
    turned = compare(b, a)
    assert [one.better for one in turned.differences] == ["", "", "A", ""]
    assert turned.differences[2].difference == -compare(a, b).differences[2].difference


def test_where_less_is_better_the_lower_score_wins(tmp_path):
    a = evaluation(tmp_path / "a", "a", {"deu_Latn": answers(0.9)}, "empty_rate", higher=False)
    b = evaluation(tmp_path / "b", "b", {"deu_Latn": answers(0.1, seed=1)}, "empty_rate", higher=False)
    assert compare(a, b).differences[0].better == "B"


def test_many_languages_are_corrected_for(tmp_path):
    """Of forty pairs of equal systems two or so have a p below 0.05; none is real."""
    codes = [f"l{place:02d}_Latn" for place in range(40)]
    a = evaluation(tmp_path / "a", "a", {code: answers(0.5, 60, place) for place, code in enumerate(codes)})
    b = evaluation(tmp_path / "b", "b", {code: answers(0.5, 60, 100 + place) for place, code in enumerate(codes)})
    bare, holm, bh = (compare(a, b, correction) for correction in ("none", "holm", "bh"))
    assert any(one.real for one in bare.differences)
    assert not any(one.real for one in (*holm.differences, *bh.differences))
    for one, other, third in zip(bare.differences, bh.differences, holm.differences, strict=True):
        assert one.p_corrected <= other.p_corrected <= third.p_corrected


def test_items_that_one_alone_has_are_left_out_and_told(two):
    a, b = two
    path = examples_path(b, "chat", "xquad", "deu_Latn")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(reversed(lines[:100])) + "\n")  # fewer, and in another order
    found = compare(a, b)
    german = found.differences[0]
    assert (german.n, german.only_a, german.only_b, german.difference) == (100, 20, 0, 0)
    assert "20 items of 1 scores are in A alone: they were left out of both" in found.notes


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"data": "d2"}, "other data: data is d1 in A and d2 in B"),
        ({"more": "|fold:none"}, "another fold"),
        ({"more": "|fold:nfkc|options:x"}, "other options of its metric"),
    ],
)
def test_other_data_and_other_options_are_refused(tmp_path, change, why):
    rows = {"deu_Latn": answers(0.5)}
    a = evaluation(
        tmp_path / "a",
        "a",
        rows,
        more="" if "data" in change else "|fold:nfkc|options:y" if "options" in change["more"] else "|fold:nfkc",
    )
    with pytest.raises(SourceError, match=f"none of the 1 scores .* xquad in deu_Latn: .*{why}"):
        compare(a, evaluation(tmp_path / "b", "b", rows, **change))


def test_one_refused_language_leaves_the_others(two):
    a, b = two
    examples_path(b, "chat", "xquad", "kat_Geor").unlink()
    write_examples(examples_path(b, "chat", "xquad", "urd_Arab"), [Example("other", {"exact_match": [1.0]})])
    path = examples_path(b, "chat", "xquad", "deu_Latn")
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
    found = compare(a, b)
    assert [one.language for one in found.differences] == ["swh_Latn"]
    why = {one.language: one.why for one in found.refused}
    assert "run it again" in why["kat_Geor"] and "no item is in both" in why["urd_Arab"] and "twice" in why["deu_Latn"]


def test_other_prompts_and_broken_numbers_are_refused(tmp_path):
    a = evaluation(
        tmp_path / "a",
        "a",
        {
            "deu_Latn": {"q": [1.0, 0.0]},
            "fra_Latn": {"q": [0.5]},
            "ita_Latn": {"p": [1.0], "q": [1.0, 0.0]},
            "eng_Latn": {"q": [1.0]},
        },
    )
    b = evaluation(
        tmp_path / "b",
        "b",
        {
            "deu_Latn": {"q": [1.0]},
            "fra_Latn": {"q": [0.5]},
            "ita_Latn": {"p": [1.0], "q": [1.0]},
            "eng_Latn": {"q": [1.0]},
        },
    )
    path = examples_path(b, "chat", "xquad", "fra_Latn")
    path.write_text(path.read_text().replace("0.5", "NaN"))
    found = compare(a, b)
    assert [one.language for one in found.differences] == ["eng_Latn"] and found.differences[0].interval is None
    why = {one.language: one.why for one in found.refused}
    assert "2 numbers an item and B 1" in why["deu_Latn"] and "not numbers" in why["fra_Latn"]
    assert "unequal lengths" in why["ita_Latn"]


def test_a_metric_of_this_version_s_absence_is_refused(tmp_path, two):
    a = evaluation(tmp_path / "x", "a", {"deu_Latn": answers(0.5)}, metric="of_tomorrow")
    with pytest.raises(SourceError, match="unknown metric 'of_tomorrow'"):
        compare(a, evaluation(tmp_path / "y", "b", {"deu_Latn": answers(0.5)}, metric="of_tomorrow"))
    with pytest.raises(SourceError, match="no score in common"):
        compare(a, two[1])


def test_what_else_differs_is_noted(tmp_path):
    rows = {"deu_Latn": answers(0.5), "fra_Latn": answers(0.4)}
    a = evaluation(tmp_path / "a", "a", rows, more="|shots:0")
    b = evaluation(tmp_path / "b", "b", rows | {"ita_Latn": answers(0.5)}, more="|shots:5")
    notes = compare(a, b, rounds=30).notes
    assert "shots is 0 in A and 5 in B (xquad)" in notes
    assert "1 scores are in B alone (xquad): they are not compared" in notes
    assert "xquad exact_match: 30 rounds cannot show a real difference among 2 scores; 80 can" in notes


def test_wrong_folders_and_corrections_are_named(two, tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'holm'"):
        compare(*two, correction="hol")
    with pytest.raises(SourceError, match="expected a folder that `glotmill eval run` wrote"):
        compare(two[0], tmp_path / "none")
