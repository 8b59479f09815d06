"""Pages escape all text, isolate right-to-left words, and can be read in light and in dark."""

import itertools
import re
import subprocess
import sys
from importlib.resources import files

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from core.html import page
from core.html.table import COLOURS, TEXT_COLUMNS, TINTS, PageCell, PageTable, bar, stacked_bar

STYLE = files("core.html").joinpath("templates/style.css").read_text("utf-8")


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Renders the content of a page from a template in a package of its own."""

    def render(content, **values):
        package = tmp_path / "toy_pages"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (package / "toy.html.j2").write_text(
            '{% extends "layout.html.j2" %}{% block content %}' + content + "{% endblock %}", "utf-8"
        )
        monkeypatch.syspath_prepend(tmp_path)
        page._environment.cache_clear()
        monkeypatch.delitem(sys.modules, "toy_pages", raising=False)
        return page.render_page("toy_pages", "toy.html.j2", **{"title": "t", **values})

    yield render
    page._environment.cache_clear()


@pytest.mark.parametrize(
    ("value", "html"),
    [
        ("a <b> & \"c'", "a &lt;b&gt; &amp; &#34;c&#39;"),
        ("نموذج <b>", '<bdi dir="auto">نموذج &lt;b&gt;</bdi>'),
        ("{{ 7 * 7 }} {% x %}", "{{ 7 * 7 }} {% x %}"),
        ("ភាសាខ្មែរ", '<bdi dir="auto">ភាសាខ្មែរ</bdi>'),
        (7, "7"),
    ],
)
def test_text_of_any_language_is_escaped_and_isolated(value, html, draw, outline):
    assert page.text(value) == html
    assert f"<p>{html}</p>" in draw("<p>{{ value|text }}</p>", value=value)
    parsed = outline(draw("{{ value }}", value=value, title=value))
    assert str(value) in parsed.text and "b" not in parsed.tags and parsed.is_whole


def test_a_page_holds_its_style_and_script(draw, outline):
    html = draw("")
    assert html.startswith('<!doctype html>\n<html lang="en">') and STYLE in html
    assert outline(html).tags.count("style") == outline(html).tags.count("script") == 1


def test_a_name_that_the_template_lacks_is_an_error(draw):
    with pytest.raises(UndefinedError, match="nothing_of_this_name"):
        draw("{{ nothing_of_this_name }}")
    with pytest.raises(TemplateNotFound):
        page.render_page("core.html", "no.html.j2")


def test_a_table_escapes_its_cells_and_says_what_sorts_it(draw, outline):
    rows = [
        ("<i>", PageCell("7 <u>", style="flag", href="#a&b"), bar(1, 4, 2)),
        ("ب", "8", stacked_bar([(1, 0), (0, 3), (3, 1)], 8)),
    ]
    html = draw("{{ table(of) }}", of=PageTable('a "label"', ("name", "<b>", ""), rows, languages=True, ordered=True))
    parsed = outline(html)
    assert {"i", "table"} <= set(parsed.tags) and not {"u", "b"} & set(parsed.tags)
    assert "<td>&lt;i&gt;" in html and '<td class="flag"><a href="#a&amp;b">7 &lt;u&gt;</a>' in html
    assert '<i class="c2" style="width:25.00%">' in html and "width:12.50%" in html and "width:37.50%" in html
    assert "c3" not in html.split("</style>")[1]  # nothing is drawn for 0
    assert re.findall('aria-sort="(.*?)"', html.split("<tbody>")[0].split("</style>")[1]) == [
        "ascending",
        "none",
        "none",
    ]
    assert html.count('<button type="button">') == 2 and 'aria-label="a &#34;label&#34;"' in html
    assert '<table class="t1 languages" data-texts="1">' in html


@pytest.mark.parametrize("columns", [0, TEXT_COLUMNS + 1])
def test_a_table_has_as_many_columns_of_words_as_the_stylesheet_aligns(columns):
    with pytest.raises(ValueError, match=f"text_columns is {columns}; expected 1 to {TEXT_COLUMNS}"):
        PageTable("t", (), [], text_columns=columns)
    assert all(f".t{count} :nth-child(n+{count + 1})" in STYLE for count in range(1, TEXT_COLUMNS + 1))


def test_a_bar_of_nothing_is_empty():
    assert bar(0, 0).bar == [] and stacked_bar([], 0).bar == []


def colours(mode):
    light, dark = (
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.S)
    )
    return light if mode == "light" else dark


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def mixed(first, second, share):
    pairs = ((int(first[place : place + 2], 16), int(second[place : place + 2], 16)) for place in (1, 3, 5))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in pairs)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colours_stand_out_from_their_background(mode):
    palette = colours(mode)
    for name, ground in itertools.product(("ink", "muted", "link", "flag"), ("back", "soft")):
        assert contrast(palette[name], palette[ground]) >= 4.5, (name, ground)
    for series in range(COLOURS):
        assert contrast(palette[f"c{series}"], palette["back"]) >= 4.5, series
    for step in range(TINTS):
        assert contrast(palette["ink"], mixed(palette["heat"], palette["back"], step / 10)) >= 4.5, step
        assert step == 0 or f".h{step} {{ --heated: {step}0% }}" in STYLE


def test_the_help_does_not_import_the_template_engine():
    code = "import sys, glotmill.cli.main; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
