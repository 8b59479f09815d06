"""The page of statistics shows all figures, needs no other file, and escapes all text."""

from collections import Counter

from collection.stats import LanguageStats
from collection.stats_page import render


def stats(rows, **by):
    counts = LanguageStats(rows=rows, turns=2 * rows, prompt_characters=30 * rows, target_characters=50 * rows)
    counts.lengths = Counter({3: rows - 1, 6: 1})
    for name in ("origin", "source", "license", "split"):
        counts.by[name] = Counter(by.get(name, {"x": rows}))
    return counts


LANGUAGES = {
    "swh_Latn": stats(1500, origin={"human": 500, "translated": 1000}, source={"<b>evil</b>": 1500}),
    "arb_Arab": stats(250, origin={"human": 250}),
    "qqq_Latn": stats(3),
}


def test_the_page_has_every_language_class_origin_source_and_licence(outline):
    page = outline(render(LANGUAGES, "My <collection>"))
    assert page.open == [] and page.tags.count("table") == 6 and page.tags.count("svg") == 1
    text = page.text
    for word in (
        "My <collection>",
        "1,753 rows, 3,506 turns, 3 languages, 2 of Aya's 101",
        "Swahili",
        "swh_Latn",
        "1,500",
    ):
        assert word in text
    for word in ("human", "translated", "outside Aya", "low", "85.6%", "<b>evil</b>"):
        assert word in text


def test_nothing_is_fetched_from_elsewhere(outline):
    page = render(LANGUAGES, "x")
    assert outline(page).is_whole and "http" not in page and "<link" not in page


def test_a_histogram_shows_each_power_of_two_between_the_shortest_and_the_longest_answer(outline):
    page = render(LANGUAGES, "x")
    assert page.count("<rect") == 4  # 8, 16, 32 and 64 characters
    assert all(word in outline(page).texts for word in ("8", "16", "32", "64", "1,750", "3"))


def test_a_bar_is_as_long_as_its_share():
    page = render(LANGUAGES, "x")
    assert "width:33.33%" in page and "width:66.67%" in page  # Swahili has the most rows
    assert "width:16.67%" in page  # Arabic


def test_an_empty_collection_has_a_page(outline):
    assert "0 rows, 0 turns, 0 languages, 0 of Aya's 101" in outline(render({}, "none")).text


def test_a_browser_sorts_and_searches_the_languages(browse):
    script = """
    const table = document.querySelector("table.languages");
    const codes = () => Array.from(table.tBodies[0].rows).filter(row => !row.hidden).map(row => row.cells[0].textContent);
    const states = [codes()];
    const press = index => { table.tHead.rows[0].cells[index].querySelector("button").click(); states.push(codes()); };
    press(3); press(3); press(0);
    const filter = document.getElementById("filter");
    filter.value = "swahili low";
    filter.dispatchEvent(new Event("input"));
    return [...states, codes()];
    """
    given, most, fewest, by_code, searched = browse(render(LANGUAGES, "x"), script)
    assert given == ["swh_Latn", "arb_Arab", "qqq_Latn"] == most and fewest == most[::-1]
    assert by_code == sorted(given) and searched == ["swh_Latn"]


def test_a_phone_has_no_scrolling_across_the_page(on_phone):
    width, room, boxes = on_phone(render(LANGUAGES, "x"))
    assert width <= room <= 360 and boxes == 7
