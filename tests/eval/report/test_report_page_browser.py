"""The page in a real browser: sorting, searching, a phone's width, no errors. Skipped without Chromium."""

import dataclasses
import re

import pytest

from eval.metrics.base import Interval
from eval.report.report_page import render
from eval.results import Report, Score

LANGUAGES = ("eng_Latn", "swh_Latn", "kat_Geor", "urd_Arab", "abk_Cyrl", "deu_Latn-fra_Latn")


@pytest.fixture
def report():
    """Answers in six languages, and embeddings of two sizes."""
    scores = []
    for index, language in enumerate(LANGUAGES):
        scores.append(Score("chat", "translate", language, "chrf2++", 60.0 - index, 9, "", None, True))
        for group, value in (("1536.float", 0.9 - index / 10), ("256.int8", 0.8 - index / 10)):
            bounds = Interval(value - 0.1, value + 0.1, "bootstrap:1000")
            signature = f"task:tatoeba|language:{language}|data:d{index}"
            scores.append(Score("embed", "tatoeba", language, "f1", value, 100, signature, bounds, True, True, group))
    return Report({"name": "نموذج", "sha256": "ab" * 32}, tuple(scores))


SORTED = """
const table = document.querySelector("section.task table.languages:not(.reference)");
const heads = Array.from(table.tHead.rows[0].cells);
const seen = () => Array.from(table.tBodies[0].rows).slice(0, 6).map(row => row.cells[%d].textContent);
const button = heads[%d].querySelector("button");
const states = [seen()];
for (let times = 0; times < 2; times++) { button.click(); states.push([heads.map(h => h.getAttribute("aria-sort")), seen()]); }
return [heads.map(head => head.textContent), states];
"""


def test_headers_sort_numbers_and_words(report, browse):
    scores = [one for one in report.scores if one.suite == "chat" and one.language != "swh_Latn"]
    page = render(
        dataclasses.replace(
            report, scores=tuple(dataclasses.replace(one, score=8.0 + place) for place, one in enumerate(scores))
        )
    )
    heads, (_, down, up) = browse(page, SORTED % (3, 3))
    assert heads[3] == "chrf2++" and down[0][3] == "descending" and up[0][3] == "ascending"
    assert down[1] == ["12.00", "11.00", "10.00", "9.00", "8.00"] and up[1] == down[1][::-1]
    assert [state for state in up[0] if state != "none"] == ["ascending"]
    _, (before, first, second) = browse(page, SORTED % (0, 0))
    assert (
        first[1] == before[::-1] and second[1] == before
    )  # the rows were in the order of their language, and the header said so


SEARCHED = """
const box = document.getElementById("filter");
const search = words => {
  box.value = words;
  box.dispatchEvent(new Event("input"));
  const rows = document.querySelectorAll("section.task table.languages tbody tr:not([hidden])");
  return [Array.from(new Set(Array.from(rows, row => row.cells[0].textContent))).sort(), document.getElementById("shown").textContent];
};
return ["kartvelian", "low", "Arab", "outside aya", "swahili low", "nothing", ""].map(search);
"""


def test_one_box_searches_code_name_script_family_and_class(report, browse):
    found = browse(render(report), SEARCHED)
    kartvelian, low, arab, outside, swahili, nothing, everything = (codes for codes, _ in found)
    assert kartvelian == ["kat_Geor"] and arab == ["urd_Arab"] and outside == ["abk_Cyrl"] and swahili == ["swh_Latn"]
    assert "swh_Latn" in low and "eng_Latn" not in low and nothing == [] and len(everything) >= 6
    assert re.fullmatch(r"\d+ of \d+ rows", found[0][1]) and found[-1][1] == ""


def test_a_phone_has_no_scrolling_across_the_page(report, on_phone):
    width, room, boxes = on_phone(render(report))
    assert width <= room <= 360 and boxes > 5


def test_headers_can_be_reached_and_pressed_with_keys_alone(report, browse):
    script = """
    const buttons = Array.from(document.querySelectorAll("th button"));
    buttons[2].focus();
    return [buttons.length > 5, buttons.every(b => b.tabIndex === 0), document.activeElement === buttons[2],
      Array.from(document.querySelectorAll(".box")).every(box => box.tabIndex === 0 && box.getAttribute("aria-label"))];
    """
    assert browse(render(report), script) == [True, True, True, True]


def test_the_browser_reports_errors_and_what_is_too_wide(report, browse):
    """Otherwise the tests above would prove nothing."""
    with pytest.raises(AssertionError, match="CONSOLE"):
        browse(render(report), "return nothing_of_this_name;")
    script = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert browse(render(report).replace("<h1>", '<h1 style="width:9000px">'), script)
