"""What becomes of a row: order, counts, languages, masks, ids, and no row that glotmill itself fails on."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collection import record, reject
from collection.detectors import make_detector
from collection.language_id import LanguageIdConfig
from collection.languages import aya_languages
from collection.manifest import KEPT
from collection.quality import FilterConfig
from collection.record import Record
from collection.reject import Reject
from core.errors import UnknownNameError
from core.tables import Row, Slice
from pipelines.ingest import clean
from pipelines.ingest.clean import CleanConfig, RowCleaner, RowConfig
from pipelines.ingest.sources import SOURCES, make_source
from pipelines.ingest.sources.base import SourceOptions

PART = Slice("/data/rows.jsonl", "rows.jsonl", "jsonl")
NO_DETECTOR = LanguageIdConfig(detector="none")
HAUSA = ("Menene babban birnin Najeriya?", "Babban birnin Najeriya shi ne Abuja, wanda yake a tsakiyar ƙasar.")
ENGLISH = (
    "What is the capital of Nigeria?",
    "The capital city of Nigeria is Abuja, which lies in the middle of the country and was built in the 1980s.",
)
THAI = ("เมืองหลวงของประเทศไทยคืออะไร", "เมืองหลวงของประเทศไทยคือกรุงเทพมหานคร ซึ่งเป็นเมืองที่ใหญ่ที่สุด")


def row(texts, code="", number=1, **more):
    data = {"inputs": texts[0], "targets": texts[1], "language_code": code, **more}
    return Row(data, json.dumps(data, ensure_ascii=False), number)


def cleaned(rows, kind="aya", options=None, **config):
    """What became of the rows, and the tally."""
    cleaner = RowCleaner(RowConfig(**{"language_id": NO_DETECTOR, **config}))
    return cleaner.clean(rows, make_source(kind, options), PART), cleaner.tally


def reasons(outcomes):
    return [KEPT if isinstance(outcome, Record) else outcome.reason.value for outcome in outcomes]


def test_outcomes_stand_in_the_order_of_the_rows_and_every_one_is_counted():
    read = Reject(reject.Reason.INVALID_JSON, "Expecting value", location="rows.jsonl:3", raw="{")
    rows = [
        row(HAUSA, "hau", 1),
        row(("", "Amsa"), "hau", 2),
        read,
        row(THAI, "tha", 4),
        row(HAUSA, "Dothraki", 5),
        Row({"inputs": "x"}, None, 6),
        row(HAUSA, "", 7),
        row(HAUSA, "hau", 8, split="test"),
    ]
    outcomes, tally = cleaned(rows)
    assert reasons(outcomes) == [
        KEPT,
        "empty_prompt",
        "invalid_json",
        KEPT,
        "unknown_language",
        "missing_field",
        "undetected_language",
        "held_out",
    ]
    assert [outcome.location for outcome in outcomes if isinstance(outcome, Reject)] == [
        f"rows.jsonl:{number}" for number in (2, 3, 5, 6, 7, 8)
    ]
    assert tally.outcomes == Counter(
        {
            ("aya_dataset", "hau_Latn", KEPT): 1,
            ("aya_dataset", "tha_Thai", KEPT): 1,
            ("aya_dataset", "hau_Latn", "empty_prompt"): 1,
            ("aya_dataset", "und", "invalid_json"): 1,
            ("aya_dataset", "und", "unknown_language"): 1,
            ("aya_dataset", "und", "missing_field"): 1,
            ("aya_dataset", "und", "undetected_language"): 1,
            ("aya_dataset", "und", "held_out"): 1,
        }
    )
    assert (tally.rows_in, tally.rows_out) == (8, 2)


def test_a_record_holds_all_that_its_source_says_of_it():
    options = SourceOptions(name="mine", license="CC-BY-4.0")
    (found,), _ = cleaned([row(HAUSA, "hau", annotation_type="re-annotations", split="dev")], options=options)
    assert found == Record.of(
        messages=[record.Message("user", HAUSA[0]), record.Message("assistant", HAUSA[1])],
        language="hau_Latn",
        source="mine",
        dataset="aya_dataset",
        task="re-annotations",
        split="dev",
        origin="human",
        license="CC-BY-4.0",
    )


def test_a_reject_holds_its_row_its_place_its_source_its_language_and_the_id_that_its_record_would_have():
    kept, _ = cleaned([row(HAUSA, "hau")])
    (found,), _ = cleaned([row(HAUSA, "hau", 17)], filters=FilterConfig(min_characters=10_000))
    assert (found.reason, found.source, found.language) == ("too_short", "aya_dataset", "hau_Latn")
    assert (found.location, json.loads(found.raw)["targets"]) == ("rows.jsonl:17", HAUSA[1])
    assert found.id == kept[0].id


@pytest.mark.parametrize(
    ("policy", "reason", "language"),
    [("relabel", KEPT, "eng_Latn"), ("keep", KEPT, "hau_Latn"), ("reject", "wrong_language", "hau_Latn")],
)
def test_a_row_in_another_language_than_declared_is_relabelled_kept_or_rejected_as_asked(policy, reason, language):
    rows = [row(ENGLISH, "hau"), row(HAUSA, "hau"), row(THAI, "tha")]
    outcomes, tally = cleaned(rows, language_id=LanguageIdConfig(detector="vote", policy=policy))
    assert reasons(outcomes) == [reason, KEPT, KEPT]
    assert [outcome.language for outcome in outcomes] == [language, "hau_Latn", "tha_Thai"]
    assert tally.relabelled == (Counter({("hau_Latn", "eng_Latn"): 1}) if policy == "relabel" else Counter())
    assert sum(tally.verdicts.values()) == tally.rows_out
    if policy == "reject":
        assert "hau_Latn" in outcomes[0].detail and "eng_Latn" in outcomes[0].detail
    else:
        assert (outcomes[0].lid_language, outcomes[1].lid_language) == ("eng_Latn", "hau_Latn")
        assert outcomes[0].lid_score >= 0.9


def test_a_row_that_names_no_language_gets_the_one_that_is_found():
    outcomes, tally = cleaned([row(THAI), row(("?", "123 456 789 0"))], language_id=LanguageIdConfig(detector="vote"))
    assert reasons(outcomes) == [KEPT, "undetected_language"]
    assert outcomes[0].language == outcomes[0].lid_language == "tha_Thai"
    assert tally.verdicts == Counter({("tha_Thai", "detected"): 1})


def test_without_a_detector_the_declared_language_is_kept_and_not_checked():
    (found,), tally = cleaned([row(ENGLISH, "hau")])
    assert (found.language, found.lid_language, found.lid_score) == ("hau_Latn", None, None)
    assert tally.verdicts == Counter({("hau_Latn", "unsupported"): 1})


@pytest.mark.parametrize(
    ("languages", "kept"),
    [
        ((), "hau tha lij eng"),
        (("hau_Latn",), "hau"),
        (("Hausa", "th"), "hau tha"),
        (("aya",), "hau tha eng"),
        (("AYA", "Ligurian"), "hau tha lij eng"),
        (("swh_Latn",), ""),
    ],
)
def test_only_the_languages_that_were_asked_for_are_kept(languages, kept):
    outcomes, tally = cleaned(
        [row(HAUSA, code) for code in ("hau", "tha", "lij", "eng")],
        languages=languages,
        filters=FilterConfig(enabled=False),
    )
    assert [outcome.language[:3] for outcome in outcomes if isinstance(outcome, Record)] == kept.split()
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, Reject)} <= {"unwanted_language"}
    assert all(outcome.id and outcome.language for outcome in outcomes)
    assert tally.rows_in == 4


def test_a_relabelled_row_goes_by_its_new_language_when_languages_are_chosen():
    outcomes, _ = cleaned([row(ENGLISH, "hau")], language_id=LanguageIdConfig(detector="vote"), languages=("hau",))
    assert reasons(outcomes) == ["unwanted_language"] and outcomes[0].language == "eng_Latn"


def test_the_language_filter_means_all_rows_of_the_table_that_belong_to_aya():
    assert clean.wanted_languages(("aya",)) == {language.code for rows in aya_languages().values() for language in rows}


def test_a_language_that_nobody_knows_is_an_error_before_anything_is_read():
    with pytest.raises(UnknownNameError, match="Swahili"):
        RowCleaner(RowConfig(languages=("Swahilli",)))


@pytest.mark.parametrize("mask", [True, False])
def test_personal_data_is_masked_and_counted_by_kind_where_asked(mask):
    texts = ("Imel ɗina a.b@example.org da c@example.org ne", "Kira ni a +234 803 123 4567 ko a 8.8.8.8 yau da safe")
    (found,), tally = cleaned([row(texts, "hau")], clean=CleanConfig(mask_private=mask))
    assert (found.prompt, found.target) == (
        ("Imel ɗina [EMAIL] da [EMAIL] ne", "Kira ni a [PHONE] ko a [IP] yau da safe") if mask else texts
    )
    assert tally.masked == (Counter({"EMAIL": 2, "PHONE": 1, "IP": 1}) if mask else Counter())


def test_text_is_cleaned_and_mojibake_decoded_only_where_asked():
    broken = "Slovenščina".encode().decode("latin-1")
    texts = (f"Kako se kaže {broken}?\r\n", "Slovenski\x00 je cafe\u0301, prijatelj moj dragi.\n\n")
    (mended,), _ = cleaned([row(texts, "slv")])
    (plain,), _ = cleaned([row(texts, "slv")], clean=CleanConfig(mojibake=False))
    assert mended.prompt == "Kako se kaže Slovenščina?"
    assert plain.prompt == f"Kako se kaže {broken}?".replace("\x8d", "")
    assert all("\x00" not in found.target and "café" in found.target for found in (mended, plain))
    assert mended.id == plain.id


CHANGES = {
    "cleaning": {"clean": CleanConfig(mojibake=False, mask_private=False)},
    "filters": {"filters": FilterConfig(min_script=0.5)},
    "language ID": {"language_id": LanguageIdConfig(detector="cld2")},
    "languages": {"languages": ("hau",)},
    "raw limit": {"raw_limit": 5},
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_id_is_the_same_whatever_is_done_to_the_row(change):
    texts = (HAUSA[0] + " a.b@example.org", HAUSA[1] + " kafin\u0303 \x00")
    (before,), _ = cleaned([row(texts, "hau")])
    (after,), _ = cleaned([row(texts, "hau")], **CHANGES[change])
    assert before.id == after.id


def test_an_id_tells_rows_apart_by_source_language_id_and_text():
    chat = {
        "id": "a",
        "conversations": [{"from": "human", "value": HAUSA[0]}, {"from": "gpt", "value": HAUSA[1]}],
        "lang": "hau",
    }
    chats = [chat, {**chat, "id": "b"}, {**chat, "lang": "ibo"}, {**chat, "conversations": chat["conversations"] * 2}]
    rows = [Row(data, None, number) for number, data in enumerate(chats, 1)]
    first, _ = cleaned(rows, "sharegpt")
    second, _ = cleaned(rows, "sharegpt", SourceOptions(name="other"))
    ids = [outcome.id for outcome in (*first, *second)]
    assert len(set(ids)) == 8 and all(len(found) == 32 for found in ids)


@pytest.mark.parametrize("limit", [0, 10, 100_000])
def test_the_raw_row_of_a_reject_is_cut_at_the_limit_and_the_detail_tells_its_full_size(limit):
    rows = [row(("", "ខ្មែរ" * 1000), "khm"), Reject(reject.Reason.NOT_A_ROW, "JSON of type array", raw="[" * 6000)]
    outcomes, _ = cleaned(rows, raw_limit=limit)
    for outcome, size in zip(outcomes, (len(rows[0].raw), 6000), strict=True):
        assert len(outcome.raw) == min(limit, size)
        assert (f"the first {limit} of {size} characters" in outcome.detail) == (limit < size)


def test_repairs_are_counted_by_kind_for_the_rows_that_are_kept():
    turns = [{"from": "gpt", "value": "…"}, {"from": "human", "value": HAUSA[0]}, {"from": "gpt", "value": HAUSA[1]}]
    rows = [Row({"conversations": turns[first:], "lang": "hau"}, None, 1) for first in (0, 0, 1)]
    rows.append(Row({"conversations": [turns[0], turns[1], {"from": "gpt", "value": "!"}], "lang": "hau"}, None, 4))
    outcomes, tally = cleaned(rows, "sharegpt")
    assert reasons(outcomes) == [KEPT, KEPT, KEPT, "trivial_target"]
    assert tally.repaired == Counter({"leading_answer_dropped": 2})


def test_code_is_neither_filtered_nor_asked_for_its_language():
    code = "<a><b></b></a>" * 50
    outcomes, _ = cleaned(
        [row(("x", code), "python"), row(("x", code), "hau")], language_id=LanguageIdConfig(detector="vote")
    )
    assert reasons(outcomes)[0] == KEPT != reasons(outcomes)[1]
    assert (outcomes[0].language, outcomes[0].lid_language) == ("zxx_Zyyy", None)


@pytest.mark.parametrize("enabled", [True, False])
def test_filters_can_be_turned_off(enabled):
    outcomes, _ = cleaned(
        [row(HAUSA, "tha"), row(("a", "a"), "hau"), row(("a", "!!!"), "hau")], filters=FilterConfig(enabled=enabled)
    )
    assert reasons(outcomes) == (["wrong_script", "target_copies_prompt", "trivial_target"] if enabled else [KEPT] * 3)


class Broken:
    """A source with a bug on one row."""

    name = "broken"

    def parse(self, row, file):
        if row.get("bug"):
            raise ZeroDivisionError("division by zero")
        return make_source("aya").parse(row, file)


def test_a_bug_on_one_row_neither_loses_it_nor_stops_the_others():
    cleaner = RowCleaner(RowConfig(language_id=NO_DETECTOR))
    outcomes = cleaner.clean([row(HAUSA, "hau"), row(THAI, "tha", 2, bug=1), row(THAI, "tha", 3)], Broken(), PART)
    assert reasons(outcomes) == [KEPT, "internal_error", KEPT]
    assert "ZeroDivisionError: division by zero" in outcomes[1].detail and THAI[1] in outcomes[1].raw


def test_a_detector_that_fails_on_one_row_neither_loses_it_nor_stops_the_others(monkeypatch):
    class Failing:
        signature = "failing"

        def knows(self, language):
            return True

        def detect(self, text, declared=None):
            if "กรุงเทพ" in text:
                raise ValueError("a character that the model does not take")
            return make_detector("cld2").detect(text, declared)

    monkeypatch.setattr(clean, "detector_of", lambda config: Failing())
    outcomes, tally = cleaned([row(HAUSA, "hau"), row(THAI, "tha"), row(ENGLISH, "eng")])
    assert reasons(outcomes) == [KEPT, "internal_error", KEPT] and tally.rows_in == 3


def said(*turns):
    return {"lang": "hau", "conversations": [{"from": speaker, "value": text} for speaker, text in turns]}


EMPTY_TURNS = {
    "a system turn of a control character": (
        "sharegpt",
        said(("system", "\x00"), ("human", HAUSA[0]), ("gpt", HAUSA[1])),
        {},
    ),
    "a question of a byte order mark": (
        "sharegpt",
        said(("human", HAUSA[0]), ("gpt", HAUSA[1]), ("human", "\ufeff"), ("gpt", HAUSA[1])),
        {},
    ),
    "a tool that says nothing that can be kept": (
        "sharegpt",
        said(("human", HAUSA[0]), ("function_call", "{}"), ("observation", "\x07"), ("gpt", HAUSA[1])),
        {},
    ),
    "an answer in code": ("xp3x", {"inputs": "Write a program", "targets": "", "language": "code"}, {}),
    "a question in code": ("xp3x", {"inputs": " \n", "targets": "pass", "language": "python"}, {}),
    "an answer with all filters off": (
        "aya",
        {"inputs": "q", "targets": "\x00 ", "language_code": "hau"},
        {"enabled": False},
    ),
}


@pytest.mark.parametrize("case", EMPTY_TURNS)
def test_no_record_has_an_empty_turn(case):
    kind, data, filters = EMPTY_TURNS[case]
    (outcome,), _ = cleaned([Row(data, None, 1)], kind, filters=FilterConfig(**filters))
    if isinstance(outcome, Record):
        assert all(message.content for message in outcome.messages)
        assert len(outcome.messages) >= 2 and outcome.messages[-1].role == "assistant"
    else:
        assert outcome.reason in ("empty_prompt", "empty_target", "no_answer", "trivial_target")


names = st.sampled_from(
    "inputs targets language language_code lang script split id dataset dataset_name sub_dataset_name task_type template_id "
    "template config annotation_type conversations messages items conversation from value role content human assistant text "
    "type tool_calls system tools chosen rejected prompt instruction input output history response completion answer".split()
)
words = st.sampled_from(
    [
        *"|user|assistant|gpt|human|system|tool|function_call|text|image|swh|hau|code|test|None|-| |{x}|ไทย".split("|"),
        *("\x00", "\ufeff", "\ud800", "a\udc80b", "Menene wannan?", "<|user|>", "<|user|>: q <|bot|>: a"),
    ]
) | st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | words, inner, max_size=4),
    max_leaves=10,
)
# Rows that would be sound, but for a field or two.
SOUND = [
    {"inputs": HAUSA[0], "targets": HAUSA[1], "language_code": "hau", "language": "Hausa", "split": "train"},
    said(("human", HAUSA[0]), ("gpt", HAUSA[1])),
    {"instruction": HAUSA[0], "input": "", "output": HAUSA[1], "history": [["q", "a"]], "system": "s", "tools": []},
    {"prompt": HAUSA[0], "chosen": {"role": "assistant", "content": HAUSA[1]}, "rejected": None},
    {"conversation": [{"human": HAUSA[0], "assistant": HAUSA[1]}], "category": "c"},
]
turn = st.builds(
    lambda sound, change: {**sound, **change},
    st.sampled_from([{"from": "human", "value": HAUSA[0]}, {"role": "assistant", "content": HAUSA[1]}]),
    st.dictionaries(names, words | values, max_size=1),
)
rows = st.one_of(
    st.dictionaries(names, words | values, max_size=7),
    st.builds(
        lambda sound, change: {**sound, **change},
        st.sampled_from(SOUND),
        st.dictionaries(names, words | values, min_size=1, max_size=2),
    ),
    st.builds(lambda name, turns: {name: turns}, names, st.lists(turn, max_size=4)),
)


@pytest.mark.parametrize("kind", SOURCES)
@given(data=st.lists(rows, max_size=4), enabled=st.booleans())
@example(data=[{"instruction": "q", "output": "a", "history": 5}], enabled=True)
@example(data=[{**one, "split": "\ud800", "dataset": "a\udc80b"} for one in SOUND], enabled=True)
@settings(max_examples=100, deadline=None)
def test_no_json_object_is_a_row_that_glotmill_fails_on(kind, enabled, data):
    config = RowConfig(filters=FilterConfig(enabled=enabled), language_id=LanguageIdConfig(detector="cld2"))
    cleaner = RowCleaner(config)
    found = cleaner.clean([Row(one, None, n) for n, one in enumerate(data, 1)], make_source(kind), PART)
    assert len(found) == len(data) == cleaner.tally.rows_in
    assert "internal_error" not in reasons(found), [outcome.detail for outcome in found if isinstance(outcome, Reject)]
    # All of it can be written.
    record.to_batch([outcome for outcome in found if isinstance(outcome, Record)]).validate(full=True)
    reject.to_batch([outcome for outcome in found if isinstance(outcome, Reject)]).validate(full=True)


def test_tools_nested_however_deep_are_no_row_that_glotmill_fails_on():
    deep = json.loads("[" * 800 + "]" * 800)
    for _ in range(220):
        deep = [deep]
    data = {**said(("human", HAUSA[0]), ("gpt", HAUSA[1])), "tools": deep}
    outcomes, _ = cleaned(
        [Row(data, "as it stood", 1), Row(said(("human", HAUSA[0]), ("gpt", HAUSA[1])), None, 2)], "sharegpt"
    )
    assert "internal_error" not in reasons(outcomes) and reasons(outcomes)[1] == KEPT
