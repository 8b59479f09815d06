"""The pages of reports and comparisons show all figures, need no other file, and escape all text."""

import dataclasses

import pytest

from collection.languages import table as languages
from eval.metrics.base import Interval
from eval.report.compare import Comparison, Difference, Overall, Refused
from eval.report.comparison_page import render_comparison
from eval.report.report_page import render
from eval.report.retention import tint
from eval.report.signature_summary import SignatureSummary, summarize
from eval.results import Missing, Report, Score

LANGUAGES = ("eng_Latn", "swh_Latn", "kat_Geor", "urd_Arab", "abk_Cyrl", "deu_Latn-fra_Latn")


@pytest.fixture
def report():
    """Three suites: sizes of embeddings, scores without intervals, contamination, names that would be markup."""
    scores = []
    for place, language in enumerate(LANGUAGES):
        value = 0.9 - 0.12 * place
        for group, kept in (("1536.float", 1.0), ("1536.int8", 0.99), ("256.float", 0.93), ("256.binary", 0.6)):
            bounds = Interval(value * kept - 0.05, value * kept + 0.04, "bootstrap:1000")
            signature = f"suite:embed|task:tatoeba|language:{language}|metric:f1|data:d{place}|n:{100 + place}"
            scores.append(
                Score(
                    "embed", "tatoeba", language, "f1", value * kept, 100 + place, signature, bounds, True, True, group
                )
            )
        shares = 0.25 if place == 1 else 0.0
        scores.append(
            Score(
                "chat",
                "<script>boom()</script>",
                language,
                "chrf2++",
                60 - place,
                9,
                "",
                None,
                True,
                contaminated=shares,
            )
        )
    scores.append(Score("rerank", "xquad", "eng_Latn", "ndcg@10", 0.0, 1, "data:z", None, True))
    missing = (
        Missing("chat", "mgsm", "zul_Latn", "no items"),
        Missing("speech", "fleurs", "eng_Latn", "no such suite"),
    )
    return Report({"name": "نموذج <b>", "sha256": "ab12"}, tuple(scores), missing, ("a <i>note</i>",), {"version": "1"})


def test_the_page_has_every_score_class_family_missing_score_and_note(report, outline):
    text = outline(render(report)).text
    for words in (
        "embed",
        "rerank",
        "speech",
        "tatoeba",
        "chrf2++",
        "Georgian",
        "Kartvelian",
        "outside Aya",
        "unknown",
    ):
        assert words in text
    for words in (
        "0.900",
        "0.850 to 0.940",
        "⚠ 25.0%",
        "0.0%",
        "Swahili",
        "deu_Latn-fra_Latn",
        "zul_Latn",
        "no such suite",
    ):
        assert words in text
    for words in ("a <i>note</i>", "ab12", "data:d0", "95 % interval", "items"):
        assert words in text


def test_names_never_become_markup(report, outline):
    page = render(report)
    parsed = outline(page)
    assert "b" not in parsed.tags and "i" in parsed.tags and parsed.tags.count("script") == 1
    assert "boom()</script>" not in page and "<script>boom()</script>" in parsed.text
    assert '<bdi dir="auto">نموذج &lt;b&gt;</bdi>' in page


def test_nothing_is_fetched_from_elsewhere(report, outline):
    page = render(report)
    assert outline(page).is_whole and "http" not in page and "@import" not in page and "url(" not in page


def test_what_is_left_of_embeddings_is_a_share_of_the_full_ones(report):
    page = render(report)
    assert '<td class="h0">99.0' in page and f'<td class="h{tint(0.6)}">60.0' in page and tint(0.6) > tint(0.93) > 0
    assert "Per cent of the score at 1536.float" in page
    unnamed = tuple(
        dataclasses.replace(one, group="" if one.group == "1536.float" else one.group) for one in report.scores
    )
    page = render(dataclasses.replace(report, scores=unnamed))
    assert '<td class="h0">99.0' in page and "score at all dimensions, float" in page
    only = tuple(one for one in report.scores if one.group != "1536.float" and one.group != "256.float")
    assert "Per cent of the score" not in render(dataclasses.replace(report, scores=only))


@pytest.mark.parametrize("kept", [0, 1])
def test_no_score_or_one_has_a_page(kept, outline):
    scores = (Score("chat", "xcopa", "eng_Latn", "accuracy", 0.0, 1, "", None, True),)[:kept]
    text = outline(render(Report({}, scores))).text
    assert "Evaluation of a model" in text and ("There are no scores." in text) == (not kept)


def test_ten_thousand_scores_stay_below_two_megabytes():
    codes = list(languages())[:200]
    bounds = Interval(0.123, 0.456, "wilson")
    scores = tuple(
        Score(
            "chat",
            f"task{task}",
            code,
            "accuracy",
            0.3,
            1000,
            f"task:task{task}|language:{code}|data:{task:06x}{place:06x}",
            bounds,
            True,
        )
        for task in range(50)
        for place, code in enumerate(codes)
    )
    assert len(render(Report({"name": "x"}, scores)).encode()) < 2_000_000


def test_signatures_say_once_what_is_shared():
    def score(language, metric, data):
        return Score(
            "s",
            "t",
            language,
            metric,
            1.0,
            1,
            f"task:t|language:{language}|metric:{metric}|nw:{len(metric)}|data:{data}",
        )

    summary = summarize([score("aa", "m", 1), score("aa", "long", 1), score("bb", "m", 2)])
    assert summary == SignatureSummary("task:t", ["nw:", "m 1", "long 4", "data:", "aa 1", "bb 2"])
    assert summarize([Score("s", "t", "aa", "m", 1.0, 1, "")]) is None


def test_the_page_shows_the_signatures(report):
    page = render(report)
    assert "<code>suite:embed|task:tatoeba|metric:f1</code>" in page and "eng_Latn data:d0|n:100" in page


def test_a_comparison_says_which_differences_are_real_and_what_was_not_compared(outline):
    bounds = Interval(0.1, 0.3, "paired_bootstrap:1000")
    found = Difference(
        "embed", "sib<u>", "urd_Arab", "f1", "", 0.5, 0.7, 0.2, bounds, 0.002, 0.001, 0.004, 90, 3, 1, True, True
    )
    same = dataclasses.replace(
        found, language="eng_Latn", difference=0.0, interval=None, p_bootstrap=None, p_corrected=1.0
    )
    overall = Overall("embed", "sib<u>", "f1", "", 2, 0.1, None, 0, 1, 1, True)
    refused = Refused("embed", "sib<u>", "kat_Geor", "f1", "", "B was scored on other data")
    page = render_comparison(
        Comparison({"name": "small"}, {"name": "large"}, (found, same), (overall,), (refused,), ("a note",), "holm")
    )
    parsed = outline(page)
    for words in (
        "small and large",
        "+0.200",
        "0.100 to 0.300",
        "0.0040",
        "other data",
        "a note",
        "sib<u>",
        "Holm",
        "Urdu",
    ):
        assert words in parsed.text
    assert '<td class="strong">B' in page and "u" not in parsed.tags and parsed.is_whole
    empty = outline(render_comparison(Comparison({}, {}, (), (), (), (), "none")))
    assert "Nothing was compared." in empty.text
