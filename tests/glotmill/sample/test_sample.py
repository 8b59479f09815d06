"""The built-in sample has all of Aya's languages, the sources' own formats, and a fault of every kind."""

from collections import Counter

import pytest

from collection import languages
from collection.reject import REASONS, Reason
from glotmill.sample import faults, write_sample
from glotmill.sample.facts import facts
from glotmill.sample.facts import languages as sample_languages
from glotmill.sample.write import handwritten


def test_every_language_of_aya_has_facts_or_rows_written_by_hand():
    by_hand = {language.code for language, _, _ in handwritten()}
    for language in sample_languages():
        assert language.code in by_hand or any(facts(language, language.name)), language
    assert len(sample_languages()) == 101


def test_facts_are_in_the_script_of_their_language():
    for language in sample_languages():
        for fact in facts(language, language.name):
            assert language.script.count(fact.answer), (language.code, fact)


@pytest.mark.parametrize(
    ("code", "prompt", "answer"),
    [
        ("swh_Latn", "In Swahili, which day comes after Jumatatu?", "Jumanne"),
        ("hin_Deva", "In Hindi, which month comes after दिसंबर?", "जनवरी"),
        ("arb_Arab", "In Modern Standard Arabic, which day comes after الأحد?", "الاثنين"),
        ("tha_Thai", "In Thai, which month comes after มกราคม?", "กุมภาพันธ์"),
        ("zho_Hans", "In Chinese (Simplified), which day comes after 星期一?", "星期二"),
    ],
)
def test_facts_are_true_whatever_language_was_asked_before(code, prompt, answer):
    # Babel leaks names of months and days from one locale into another in some forms of them.
    for other in ("azj_Latn", "fry_Latn", "ydd_Hebr"):
        list(facts(languages.resolve(other), "x"))
    language = languages.resolve(code)
    answers = {fact.prompt: fact.answer for fact in facts(language, language.name)}
    assert answers[prompt] == answer


def test_the_sample_is_the_same_every_time(tmp_path):
    write_sample(tmp_path / "a")
    write_sample(tmp_path / "b")
    write_sample(tmp_path / "b")  # over an older one, too
    files = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) > 800
    for path in files:
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_handwritten_rows_are_in_the_language_that_they_name():
    from collection.detectors import make_detector

    vote = make_detector("vote")
    wrong = Counter(
        language.code
        for language, _, answer in handwritten()
        if len(answer) > 25
        and language.group not in vote.detect(answer, language).groups
        and vote.detect(answer, language).score > 0.95
    )
    # Lists of names and closely related languages may be detected wrongly.
    assert sum(wrong.values()) <= 3, wrong


def test_a_fault_is_there_for_every_reason_that_ingest_can_give():
    # The demo's own tests check which reasons it shows. This test fails when a new reason has no fault.
    elsewhere = {"deduplicate", "decontaminate", "template", "translate", "synthesize"}
    of_ingest = [reason for reason, (stage, _) in REASONS.items() if stage not in elsewhere]
    assert len(faults.XP3X_ROWS) + 4 >= len(set(of_ingest) - {Reason.INTERNAL_ERROR}) - len(faults.CHATS)
