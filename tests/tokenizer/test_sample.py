"""The sample: what each rule takes and weighs, whatever the order of the files."""

import gzip
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.manifest import KEPT, Input, Manifest, Tally
from collection.record import Message, Record
from collection.store import PartWriter
from core.errors import ConfigError, SourceError
from tokenizer.sample import SampleConfig, _Lowest, draw, mass, text_budget, unimax
from tokenizer.sample_warnings import on_files
from tokenizer.texts import LINE, cut, passed_over, sources

SIZES = {"eng_Latn": 1_000_000, "swh_Latn": 10_000, "khm_Khmr": 100, "tha_Thai": 100}


def nothing(lines, size):
    pass


def test_unimax_shares_alike_up_to_a_number_of_epochs():
    assert unimax({"a": 100, "b": 10, "c": 1}, 50, 2) == {"c": 2.0, "b": 20.0, "a": 28.0}
    assert sum(unimax(SIZES, 3_000, 1).values()) == 3_000


def test_temperature_raises_the_small_ones():
    flat, proportional = (mass(SIZES, {}, SampleConfig(rule="temperature", alpha=alpha)) for alpha in (0.0, 1.0))
    assert flat == dict.fromkeys(SIZES, 0.25)
    assert proportional["khm_Khmr"] == pytest.approx(100 / 1_010_200)
    third = mass(SIZES, {}, SampleConfig(rule="temperature", alpha=0.3))
    assert third["eng_Latn"] / third["swh_Latn"] == pytest.approx(100**0.3)


def test_buckets_share_among_scripts_first():
    found = mass({"eng_Latn": 100, "swh_Latn": 100, "khm_Khmr": 100}, {}, SampleConfig(rule="buckets", alpha=0.0))
    assert found == {"eng_Latn": 0.25, "swh_Latn": 0.25, "khm_Khmr": 0.5}


def test_parity_begins_alike_in_characters_of_english():
    lines = {"eng_Latn": ["a" * 100] * 900, "zho_Hans": ["中" * 34] * 900, "khm_Khmr": ["ក" * 12]}
    sizes = {code: sum(len(line.encode()) for line in found) for code, found in lines.items()}
    found = mass(sizes, lines, SampleConfig(rule="parity"))
    # English has one byte a character; Chinese says the same in a third of the characters, of three bytes each.
    assert found["zho_Hans"] / found["eng_Latn"] == pytest.approx(3 * 0.338, rel=0.02)
    assert found["khm_Khmr"] < 0.01


def test_the_budget_of_parity_is_alike_for_all_that_have_so_much():
    budget = text_budget(SIZES, SampleConfig(rule="parity", bytes=10_000))
    assert budget["khm_Khmr"] == 100 and budget["eng_Latn"] == budget["swh_Latn"] == 4_900


def write_collection(folder, rows, order):
    tally, chosen = Tally(), random.Random(order).sample(rows, len(rows))
    for part in (0, 1):
        with PartWriter(folder, part, 2) as writer:
            for code, line in chosen[part::2]:
                messages = (Message("user", f"Say it: {line}"), Message("assistant", line))
                writer.write([Record.of(messages=messages, language=code, source="s")])
                tally.outcomes["s", code, KEPT] += 1
    Manifest.of("ingest", tally, 2, inputs=[Input("in", 1, "h")], complete=True).write(folder)
    return folder


def test_the_sample_does_not_depend_on_the_order_of_shards(tmp_path):
    rows = [
        (code, f"{word} {number}")
        for code, word in (("swh_Latn", "habari"), ("tha_Thai", "ข่าว"))
        for number in range(300)
    ]
    config = SampleConfig(bytes=2_000)
    drawn = [
        draw(sources([write_collection(tmp_path / str(order), rows, order)], None), config, nothing) for order in (1, 2)
    ]
    assert drawn[0] == drawn[1]
    assert 0.9 * 2_000 < sum(len(line.encode()) for found in drawn[0].lines.values() for line in found) <= 2_000
    other = draw(sources([tmp_path / "1"], None), SampleConfig(bytes=2_000, seed=1), nothing)
    assert other.lines != drawn[0].lines
    assert not [line for found in drawn[0].lines.values() for line in found if line.startswith("Say")]


def test_lines_that_repeat_leave_the_sample_as_full_as_others_would(tmp_path):
    lines = [f"habari ya siku {number}" for number in range(400)]
    (tmp_path / "swh_Latn.txt").write_text("".join(line + "\n" for line in lines * 50), "utf-8")
    boiler = ["Haki zote zimehifadhiwa."] * 20_000
    (tmp_path / "zul_Latn.txt").write_text("".join(line + "\n" for line in [*boiler, "sawubona", *boiler]), "utf-8")
    drawn = draw(sources([], tmp_path), SampleConfig(bytes=10_000), nothing)
    assert 4_900 < sum(len(line.encode()) for line in drawn.lines["swh_Latn"]) <= 5_000
    assert set(drawn.lines["swh_Latn"]) < set(lines)
    assert set(drawn.lines["zul_Latn"]) == {"Haki zote zimehifadhiwa.", "sawubona"}
    assert drawn.short == ["zul_Latn"]
    assert drawn.manifest()["zul_Latn"]["asked_bytes"] == 5_000


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9))), st.integers(1, 60), st.randoms())
def test_what_is_held_are_the_lowest_that_fit_whatever_the_order(ranked, budget, order):
    lines = {rank: f"{rank:02d}" * size for rank, size in dict(ranked).items()}
    wanted, size = [], 0
    for rank in sorted(lines):
        size += len(lines[rank])
        if wanted and size > budget:
            break
        wanted.append(lines[rank])
    added = list(lines.items()) * 2
    order.shuffle(added)
    lowest = _Lowest(budget)
    for rank, line in added:
        lowest.add(rank, line)
    assert lowest.lines() == wanted


def test_prompts_are_read_where_they_are_wanted(tmp_path):
    folder = write_collection(tmp_path / "c", [("swh_Latn", "habari")], 0)
    assert list(draw(sources([folder], None), SampleConfig(), nothing).lines["swh_Latn"]) == ["habari"]
    assert set(draw(sources([folder], None), SampleConfig(prompts=True), nothing).lines["swh_Latn"]) == {
        "habari",
        "Say it: habari",
    }


def test_bad_lines_are_left_out_and_counted(tmp_path):
    (tmp_path / "swh_Latn.txt").write_bytes("\ufeffhabari\n".encode() + b"\xff\xfe\n" + b"h\0a\0\n" + b"njema\r\n\n")
    (tmp_path / "khm_Khmr.txt").write_bytes(b"")
    found = draw(sources([], tmp_path), SampleConfig(), nothing)
    assert sorted(found.lines["swh_Latn"]) == ["habari", "njema"]
    assert found.found.unreadable == {"swh_Latn": 2}
    told = found.manifest()
    assert told["khm_Khmr"]["sampled_lines"] == 0 and told["swh_Latn"]["unreadable_lines"] == 2
    (tmp_path / "swh_Latn.txt").write_text("habari", "utf-16")
    with pytest.raises(SourceError, match=r"swh_Latn\.txt is UTF-16"):
        draw(sources([], tmp_path), SampleConfig(), nothing)


def test_compressed_text_is_read_and_measured_as_plain_text(tmp_path):
    text = "habari za leo\nnjema\n" * 999
    (tmp_path / "swh_Latn.txt.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "zul_Latn.txt").write_text(text)
    found = draw(sources([], tmp_path), SampleConfig(), nothing)
    assert found.found.bytes["swh_Latn"] == found.found.bytes["zul_Latn"] == len(text)
    assert sorted(found.lines["swh_Latn"]) == sorted(found.lines["zul_Latn"])
    (tmp_path / "swh_Latn.txt.gz").write_bytes(gzip.compress(text.encode())[:-9])
    with pytest.raises(SourceError, match=r"swh_Latn\.txt\.gz ends too early"):
        draw(sources([], tmp_path), SampleConfig(), nothing)


def test_files_are_known_by_every_form_of_a_languages_name_and_others_are_told_of(tmp_path):
    for name in (
        "swh_Latn.TXT",
        "news.zul_Latn.txt",
        "th.txt",
        "a/yor_Latn.devtest",
        "swahili notes.txt",
        "x.md",
        ".x",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n")
    (tmp_path / "swh_Latn.tsv").write_text("text\nx\n")
    assert sorted(source.language for source in sources([], tmp_path)) == [
        "swh_Latn",
        "tha_Thai",
        "yor_Latn",
        "zul_Latn",
    ]
    assert passed_over(tmp_path) == ["swahili notes.txt", "swh_Latn.tsv", "x.md"]
    [warning] = on_files(str(tmp_path))
    assert "swahili notes.txt, swh_Latn.tsv, x.md" in warning
    assert on_files("") == []


def test_a_line_of_ten_megabytes_is_cut_between_characters(tmp_path):
    (tmp_path / "tha_Thai.txt").write_text("ก" * 3_500_000 + "\n", "utf-8")
    (tmp_path / "eng_Latn.txt").write_text("word " * 2_000_000 + "\n", "utf-8")
    found = draw(sources([], tmp_path), SampleConfig(), nothing)
    assert not found.found.unreadable
    assert all(len(line) <= LINE for lines in found.lines.values() for line in lines)
    assert set(found.lines["tha_Thai"][0]) == {"ก"}
    assert all(set(line.split()) <= {"word", "wor", "ord", "d", "w", "wo", "rd"} for line in found.lines["eng_Latn"])


def test_lines_are_cut_at_blanks():
    assert list(cut("  ")) == []
    pieces = list(cut("habari " * 500))
    assert all(len(piece) <= LINE for piece in pieces)
    assert " ".join(pieces).split() == ["habari"] * 500


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(SourceError, match="expected --collection DIR or --text FOLDER"):
        sources([], None)
    with pytest.raises(SourceError, match="no file named by a language"):
        sources([], tmp_path)
    (tmp_path / "swh_Latn.txt").write_text("\n\n")
    with pytest.raises(SourceError, match="no text to train on"):
        draw(sources([], tmp_path), SampleConfig(), nothing)
    with pytest.raises(ConfigError, match=r"sample\.alpha is 2"):
        SampleConfig(alpha=2)
    with pytest.raises(ConfigError, match=r"alpha is for sample\.rule=temperature and buckets, and the rule is parity"):
        SampleConfig(alpha=0.5)
    with pytest.raises(ConfigError, match=r"epochs is for sample\.rule=unimax, and the rule is temperature"):
        SampleConfig(rule="temperature", epochs=2)
