"""The page of statistics says what the figures say, is whole by itself, and lets no text become markup."""

from collections import Counter
from html.parser import HTMLParser

from collection.stats import LanguageStats
from collection.stats_page import render


def stats(rows, **by):
    found = LanguageStats(rows=rows, turns=2 * rows, prompt_characters=30 * rows, target_characters=50 * rows)
    found.lengths = Counter({3: rows - 1, 6: 1})
    for name in ("origin", "source", "license", "split"):
        found.by[name] = Counter(by.get(name, {"x": rows}))
    return found


LANGUAGES = {
    "swh_Latn": stats(1500, origin={"human": 500, "translated": 1000}, source={"<b>evil</b>": 1500}),
    "arb_Arab": stats(250, origin={"human": 250}),
    "qqq_Latn": stats(3),
}


class Outline(HTMLParser):
    """Checks that tags are closed, and gathers what they are and what stands in them."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.texts = [], Counter(), []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.texts += [value for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_has_every_language_class_origin_source_and_licence():
    outline = Outline(render(LANGUAGES, "My <collection>"))
    assert outline.open == [] and outline.tags["table"] == 6 and outline.tags["svg"] == 1
    text = "|".join(outline.texts)
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


def test_nothing_is_fetched_from_elsewhere():
    page = render(LANGUAGES, "x")
    assert "http" not in page and "<script" not in page and "<link" not in page


def test_a_bar_is_as_long_as_its_share():
    page = render(LANGUAGES, "x")
    assert "width:33.33%" in page and "width:66.67%" in page  # Swahili, the most, by origin
    assert "width:16.67%" in page  # Arabic beside it


def test_an_empty_collection_has_a_page():
    outline = Outline(render({}, "none"))
    assert "0 rows, 0 turns, 0 languages, 0 of Aya's 101" in "".join(outline.texts)
