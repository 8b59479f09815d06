"""Counts that balance to the row, warnings that are fair, and manifests that are read only when whole."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collection.manifest import (
    KEPT,
    Balance,
    Input,
    Manifest,
    Tally,
    balances,
    rejected_by_reason,
    total_of,
    unfair_reasons,
)
from collection.reject import Reason
from core.errors import SourceError

names = st.sampled_from(["aya", "xp3x", "δ"])
codes = st.sampled_from(["swh_Latn", "arb_Arab", "und"])
outcomes = st.sampled_from([KEPT, Reason.TOO_SHORT.value, Reason.WRONG_SCRIPT.value])


def counts(keys):
    return st.dictionaries(keys, st.integers(1, 99), max_size=6)


@st.composite
def tallies(draw):
    tally = Tally()
    tally.outcomes.update(draw(counts(st.tuples(names, codes, outcomes))))
    tally.verdicts.update(draw(counts(st.tuples(codes, st.sampled_from(["agreed", "detected"])))))
    tally.relabelled.update(draw(counts(st.tuples(codes, codes))))
    tally.repaired.update(draw(counts(names)))
    tally.masked.update(draw(counts(names)))
    return tally


@settings(max_examples=100, deadline=None)
@given(tallies())
def test_a_tally_comes_back_from_json(tally):
    assert Tally.from_json(json.loads(json.dumps(tally.to_json()))) == tally


@settings(max_examples=100, deadline=None)
@given(st.lists(tallies(), max_size=4))
def test_tallies_add_up_and_every_sum_balances(parts):
    tally = total_of(parts)
    assert tally.rows_in == sum(part.rows_in for part in parts)
    rejected = rejected_by_reason(tally)
    assert tally.rows_in == tally.rows_out + sum(rejected.values())
    for by in (0, 1):
        found = balances(tally, by)
        assert list(found) == sorted(found)
        for balance in found.values():
            assert balance.rows_in == balance.rows_out + balance.rows_rejected
        assert sum(balance.rows_in for balance in found.values()) == tally.rows_in
        assert sum(balance.rows_out for balance in found.values()) == tally.rows_out


def test_rows_are_balanced_by_source_and_by_language():
    tally = Tally()
    tally.outcomes["aya", "swh_Latn", KEPT] = 5
    tally.outcomes["xp3x", "swh_Latn", KEPT] = 2
    tally.outcomes["aya", "swh_Latn", "too_short"] = 3
    tally.outcomes["aya", "und", "invalid_json"] = 1
    assert (tally.rows_in, tally.rows_out) == (11, 7)
    assert balances(tally, 0) == {
        "aya": Balance(9, 5, {"invalid_json": 1, "too_short": 3}),
        "xp3x": Balance(2, 2, {}),
    }
    assert balances(tally, 1) == {
        "swh_Latn": Balance(10, 7, {"too_short": 3}),
        "und": Balance(1, 0, {"invalid_json": 1}),
    }
    assert list(rejected_by_reason(tally).items()) == [("invalid_json", 1), ("too_short", 3)]  # in the order of stages


def test_equal_tallies_are_equal_json_whatever_the_order_of_rows():
    one, two = Tally(), Tally()
    for tally, order in ((one, "ab"), (two, "ba")):
        for source in order:
            tally.outcomes[source, "swh_Latn", KEPT] += 1
    assert json.dumps(one.to_json()) == json.dumps(two.to_json())


def balance(rows, **rejected):
    return Balance(rows, rows - sum(rejected.values()), rejected)


OTHERS = {f"x{index:02d}_Latn": balance(1000, too_short=10) for index in range(10)}


@pytest.mark.parametrize(
    ("language", "warned"),
    [
        (balance(1000, too_short=10), False),
        (balance(1000, too_short=40), False),  # four times the others, but little
        (balance(1000, too_short=90), True),
        (balance(1000, wrong_script=90), True),  # a reason that takes of no other
        (balance(1000, too_short=60, wrong_script=60), False),  # each alone is within chance of the limit
        (balance(100, too_short=9), False),  # so few rows may be chance
        (balance(100, too_short=30), True),
        (balance(49, too_short=49), False),  # too few to speak of
        (balance(50, too_short=50), True),
    ],
)
def test_a_reason_that_takes_far_more_of_one_language_is_told(language, warned):
    sentences = unfair_reasons({**OTHERS, "khm_Khmr": language})
    assert bool(sentences) is warned
    for sentence in sentences:
        assert "khm_Khmr" in sentence and f"of {language.rows_in} rows" in sentence


def test_a_reason_that_takes_much_of_every_language_is_not_unfair():
    many = {f"x{index:02d}_Latn": balance(1000, too_short=300) for index in range(10)}
    assert unfair_reasons({**many, "khm_Khmr": balance(1000, too_short=600)}) == []
    assert unfair_reasons({**OTHERS, "khm_Khmr": balance(1000, too_short=600)}) == [
        "too_short takes 60% of khm_Khmr (600 of 1000 rows), 1.0% of the other languages"
    ]


@pytest.mark.parametrize("languages", [{}, {"khm_Khmr": balance(1000, too_short=900)}])
def test_a_language_alone_cannot_be_compared(languages):
    assert unfair_reasons(languages) == []


def test_rows_without_a_language_are_no_language():
    assert unfair_reasons({**OTHERS, "und": balance(1000, invalid_json=1000)}) == []


@pytest.fixture
def manifest():
    """A whole manifest with something in every field."""
    return Manifest(
        command="ingest",
        glotmill="0.1.0",
        code="0123456789abcdef",
        versions={"ftfy": "6.3.1"},
        config={"languages": ["中文"], "raw_limit": 3},
        inputs=[Input("données/f.jsonl", 12, "f" * 32)],
        shards=1,
        rows_in=3,
        rows_out=2,
        rows_rejected=1,
        rejected={"too_short": 1},
        languages={"swh_Latn": Balance(3, 2, {"too_short": 1})},
        sources={"aya": Balance(3, 2, {"too_short": 1})},
        language_id={"detector": "vote", "verdicts": {"swh_Latn": {"agreed": 2}}, "relabelled": []},
        repaired={"x": 1},
        masked={"EMAIL": 1},
        warnings=["onyo"],
        notes=["kumbuka"],
        upstream=[{"command": "ingest"}],
        run={"python": "3.11"},
        complete=True,
    )


def test_a_manifest_comes_back_from_its_file(tmp_path, manifest):
    manifest.write(tmp_path)
    assert Manifest.read(tmp_path) == manifest
    assert "中文" in (tmp_path / "manifest.json").read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_an_unfinished_stage_says_how_to_finish_it(tmp_path, manifest):
    manifest.complete = False
    manifest.write(tmp_path)
    with pytest.raises(SourceError, match="unfinished: run `glotmill ingest`"):
        Manifest.read(tmp_path)


def test_a_folder_without_a_manifest_and_no_folder_are_told_apart(tmp_path):
    with pytest.raises(SourceError, match=r"no manifest\.json in it"):
        Manifest.read(tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        Manifest.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'"manifest"',
        b"\xff\xfe",
        b'{"inputs": null}',
        b'{"inputs": [], "languages": []}',
        b'{"inputs": [], "languages": {"swh_Latn": 3}}',
        b'{"inputs": [{}], "languages": {}}',
        b'{"inputs": [], "languages": {}, "sources": {}, "surprise": 1}',
    ],
)
def test_a_damaged_manifest_is_named(tmp_path, content):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(SourceError, match=r"manifest\.json cannot be read"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("length", range(0, 900, 53))
def test_a_manifest_that_was_cut_off_is_never_taken_for_whole(tmp_path, manifest, length):
    manifest.write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(SourceError):
        Manifest.read(tmp_path)
