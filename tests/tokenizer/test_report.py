"""The report: counts, parity, tokenizers of any kind, the page."""

import dataclasses
import json
import re

import pytest
import tokenizers

from core.errors import SourceError
from tokenizer.report import Judged, Texts, TokenizerReport, judge, load, read_texts
from tokenizer.report_page import render


def by_words(texts):
    """A token a word; words with a digit are unknown, and those with a plus are bytes."""
    return [[2 if any(map(str.isdigit, word)) else 3 if "+" in word else 9 for word in text.split()] for text in texts]


WORDS = Judged("words", 10, by_words, frozenset({3}), 2)
ROWS = {
    "eng_Latn": {"1": "one two", "2": "three four five"},
    "swh_Latn": {"1": "moja mbili + 4", "3": "x y z"},
    "tha_Thai": {"3": "ก ข"},
}
TEXTS = Texts(ROWS)


def test_parity_is_over_the_sentences_that_english_has_too():
    found = {one.code: one for one in judge(WORDS, TEXTS).figures}
    assert found["eng_Latn"].parity == 1.0
    assert found["swh_Latn"].parity == 2.0
    assert found["tha_Thai"].parity is None
    swahili = found["swh_Latn"]
    assert (swahili.tokens, swahili.words, swahili.byte_tokens, swahili.unknown_tokens) == (7, 7, 1, 1)
    assert swahili.tokens_per_word == 1 and swahili.byte_share == swahili.unknown_share == 1 / 7
    assert found["tha_Thai"].tokens_per_word is None
    assert {one.parity for one in judge(WORDS, Texts(ROWS, "no parity")).figures} == {None}


def test_means_are_over_languages_and_by_group():
    told = judge(WORDS, TEXTS).to_json()
    assert told["mean_parity"] == 1.5 and told["worst_parity"] == 2.0
    assert told["worst"][0] == "swh_Latn"
    assert told["scripts"]["Latn"]["languages"] == 2 and told["scripts"]["Thai"]["mean_parity"] is None
    assert told["resources"]["low"]["mean_parity"] == 2.0 or told["resources"]["mid"]["mean_parity"] == 2.0
    json.dumps(told)


def test_all_kinds_of_tokenizers_are_read_and_agree(trained, sentences):
    texts = read_texts(sentences)
    assert not texts.alone
    folder, model, theirs = (
        judge(load(path), texts) for path in (trained, trained / "tokenizer.model", trained / "tokenizer.json")
    )
    assert folder.figures == model.figures == theirs.figures
    english = next(one for one in folder.figures if one.code == "eng_Latn")
    assert english.parity == 1.0 and english.unknown_tokens == 0


def test_a_tokenizer_without_bytes_has_unknown_pieces(tmp_path):
    path = tmp_path / "tokenizer.json"
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<unk>": 0, "one": 1}, "<unk>"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    model.save(str(path))
    [figures] = judge(load(path), Texts({"eng_Latn": {"1": "one two"}})).figures
    assert figures.unknown_share == 0.5
    with pytest.raises(SourceError, match="no tokenizer of Hugging Face's"):
        (tmp_path / "odd.json").write_text("{}")
        load(tmp_path / "odd.json")


def test_labelled_text_gives_costs_without_parity(trained, tmp_path):
    (tmp_path / "swh_Latn.txt").write_text("habari ya asubuhi\nnjema\n")
    (tmp_path / "tha_Thai.txt").write_text("สวัสดี\n")
    texts = read_texts(tmp_path)
    assert "tha_Thai.txt has 1 lines" in texts.alone and len(texts.rows["swh_Latn"]) == 2
    report = judge(load(trained), texts)
    assert report.to_json()["mean_parity"] is None and report.worst[0].tokens_per_byte > 0
    assert "tokens per byte" in render([report], "t")


def test_a_limit_keeps_the_texts_parallel(sentences):
    rows = read_texts(sentences, 3).rows
    assert len(rows["eng_Latn"]) == 3
    assert all(found.keys() <= rows["eng_Latn"].keys() for found in rows.values())


def test_the_page_shows_every_language_and_tokenizer(trained, sentences, outline):
    texts = read_texts(sentences)
    reports = [judge(load(trained), texts), judge(WORDS, texts)]
    page = render(reports, "A <title>")
    assert "A &lt;title&gt;" in page and len(re.findall(r"M\d+ \d+z", page)) == 2 * len(texts.rows)
    assert all(code in page for code in texts.rows) and "Khmer" in page
    assert outline(page).is_whole and page.count("<script") == 1 and page.count("http") == 0
    assert render([TokenizerReport("none", 0)], "empty")


def test_a_phone_has_no_scrolling_across_the_page(on_phone):
    reports = [judge(WORDS, TEXTS), judge(dataclasses.replace(WORDS, name="a/long/path/of/a/tokenizer.json"), TEXTS)]
    width, room, boxes = on_phone(render(reports, "A title"))
    assert width <= room <= 360 and boxes == 8
