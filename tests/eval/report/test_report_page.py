"""The page of a report says what the report says, is whole by itself, and lets no text become markup."""

import dataclasses
import itertools
from html.parser import HTMLParser

import pytest

from collection.languages import table as languages
from eval.metrics.base import Interval
from eval.report import page_style
from eval.report.compare import Comparison, Difference, Overall, Refused
from eval.report.comparison_page import render_comparison
from eval.report.page_plot import Point, axis, plot
from eval.report.page_retention import heat
from eval.report.page_signatures import signatures
from eval.report.report_page import render
from eval.results import Missing, Report, Score

OPTIONAL = {"td", "tr", "th"}  # whose ends HTML lets one leave out
VOID = {"meta", "input"}
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


class Outline(HTMLParser):
    """Checks that tags are closed, and gathers what they are and what stands in them."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.texts, self.fetched = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href") and not value.startswith("#")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        while self.open[-1] in OPTIONAL and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return "|".join(self.texts)


def test_the_page_has_every_score_class_family_missing_score_and_note(report):
    outline = Outline(render(report))
    for said in ("embed", "rerank", "speech", "tatoeba", "chrf2++", "Georgian", "Kartvelian", "outside Aya", "unknown"):
        assert said in outline.text
    for said in (
        "0.900",
        "0.850 to 0.940",
        "⚠ 25.0%",
        "0.0%",
        "Swahili",
        "deu_Latn-fra_Latn",
        "zul_Latn",
        "no such suite",
    ):
        assert said in outline.text
    for said in ("a <i>note</i>", "ab12", "data:d0", "95 % interval", "items"):
        assert said in outline.text


def test_names_never_become_markup(report):
    page = render(report)
    outline = Outline(page)
    assert "b" not in outline.tags and "i" in outline.tags and outline.tags.count("script") == 1
    assert "boom()</script>" not in page and "<script>boom()</script>" in outline.text
    assert '<bdi dir="auto">نموذج &lt;b&gt;</bdi>' in page


def test_nothing_is_fetched_from_elsewhere(report):
    page = render(report)
    assert Outline(page).fetched == [] and "http" not in page and "@import" not in page and "url(" not in page


def test_what_is_left_of_embeddings_is_a_share_of_the_full_ones(report):
    page = render(report)
    assert '<td class="h0">99.0' in page and f'<td class="h{heat(0.6)}">60.0' in page and heat(0.6) > heat(0.93) > 0
    assert "Shares, in per cent, of the score at 1536.float" in page
    unnamed = tuple(
        dataclasses.replace(one, group="" if one.group == "1536.float" else one.group) for one in report.scores
    )
    page = render(dataclasses.replace(report, scores=unnamed))
    assert '<td class="h0">99.0' in page and "score at all dimensions, float" in page
    only = tuple(one for one in report.scores if one.group != "1536.float" and one.group != "256.float")
    assert "Shares, in per cent" not in render(dataclasses.replace(report, scores=only))


@pytest.mark.parametrize("kept", [0, 1])
def test_no_score_or_one_has_a_page(kept):
    scores = (Score("chat", "xcopa", "eng_Latn", "accuracy", 0.0, 1, "", None, True),)[:kept]
    outline = Outline(render(Report({}, scores)))
    assert "Evaluation of a model" in outline.text and ("There are no scores." in outline.text) == (not kept)


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


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(one, other, share):
    pairs = ((int(one[place : place + 2], 16), int(other[place : place + 2], 16)) for place in (1, 3, 5))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


@pytest.mark.parametrize("colours", [page_style.LIGHT, page_style.DARK], ids=["light", "dark"])
def test_colours_can_be_told_from_what_they_stand_on(colours):
    for name, ground in itertools.product(("ink", "muted", "link", "flag"), ("back", "soft")):
        assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for name in page_style.CLASSES.values():
        assert contrast(colours[name], colours["back"]) >= 4.5, name
    for step in range(page_style.HEATS):
        assert contrast(colours["ink"], mixed(colours["heat"], colours["back"], step / 10)) >= 4.5, step


def test_a_plot_is_sorted_and_its_axis_holds_all():
    points = [Point("low_one", "low", 0.2, Interval(0.1, 0.33, "w")), Point("high_one", "high", 0.8, None)]
    drawn = plot("p", points, mean=0.5)
    assert "high_one\nlow_one" in drawn
    assert drawn.count('class="whisker') == 1 and drawn.count('class="dot') == 2 and plot("p", []) == ""
    assert "from 0.800 in high_one to 0.200 in low_one" in drawn


@pytest.mark.parametrize("values", [[0.0], [1.0, 1.0], [0.1, 0.97], [-3, 81.2], [1e-9, 2e-9], [0.5, 0.5000001]])
def test_an_axis_holds_its_values_between_a_few_round_numbers(values):
    ticks = axis(values)
    assert ticks[0] <= min(values) and ticks[-1] >= max(values) and 2 <= len(ticks) <= 9


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

    text = "".join(Outline(signatures([score("aa", "m", 1), score("aa", "long", 1), score("bb", "m", 2)])).texts)
    assert text == "Signaturesall: task:tnw:\nm 1\nlong 4\ndata:\naa 1\nbb 2"
    assert signatures([Score("s", "t", "aa", "m", 1.0, 1, "")]) == ""


def test_a_comparison_says_which_differences_are_real_and_what_was_not_compared():
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
    outline = Outline(page)
    for said in (
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
        assert said in outline.text
    assert "<td><b>B</b>" in page and "u" not in outline.tags and outline.fetched == []
    empty = Outline(render_comparison(Comparison({}, {}, (), (), (), (), "none")))
    assert "Nothing was compared." in empty.text
