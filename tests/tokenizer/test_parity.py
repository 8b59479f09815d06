"""Parity: what is measured, how weights follow, and that languages come closer."""

import pytest

from core.config import build
from core.errors import ConfigError, SourceError
from tokenizer import coverage, density, parallel, parity
from tokenizer.parity import ParityConfig, adjusted, from_parallel, hold_out
from tokenizer.report import judge, load, read_texts
from tokenizer.train import TokenizerConfig, train


def test_languages_that_cost_more_come_to_count_more():
    factors = adjusted(
        {"a_Latn": 1.0, "b_Latn": 1.0, "c_Khmr": 1.0, "d_Latn": 1.0}, {"a_Latn": 1, "b_Latn": 1, "c_Khmr": 4}, 2
    )
    assert factors["c_Khmr"] == 4 and factors["a_Latn"] == 0.25
    assert factors["d_Latn"] == 0.25  # not measured: as those of its script
    for _ in range(9):
        factors = adjusted(factors, {"a_Latn": 1, "b_Latn": 1, "c_Khmr": 4}, 2)
    assert max(factors.values()) == 16 and min(factors.values()) == 1 / 16
    assert adjusted({"a": 1.0}, {}, 2) == {"a": 1.0}


def test_lines_are_held_out_where_there_are_enough():
    lines = {"swh_Latn": [f"neno {number}" for number in range(200)], "zul_Latn": ["igama"] * 5}
    kept, measure = hold_out(lines, 0.1)
    assert len(measure.lines["swh_Latn"]) == 20 and len(kept["swh_Latn"]) == 180
    assert not set(kept["swh_Latn"]) & set(measure.lines["swh_Latn"])
    assert kept["zul_Latn"] == lines["zul_Latn"] and "zul_Latn" not in measure.lines
    assert hold_out({"swh_Latn": lines["swh_Latn"][::-1]}, 0.1)[1] == measure.__class__(
        {"swh_Latn": measure.lines["swh_Latn"]}, {"swh_Latn": measure.english["swh_Latn"]}
    )


def test_too_few_lines_for_parity_are_told():
    with pytest.raises(
        ConfigError, match=r"no language has lines enough .* 10% of them, on 5 at least and 25% at most"
    ):
        hold_out({"swh_Latn": [f"neno {number}" for number in range(19)]}, 0.1)


def test_parallel_text_is_measured_against_its_english():
    texts = {"eng_Latn": {"1": "four", "2": "six666"}, "swh_Latn": {"2": "sita", "3": "tatu"}}
    measure = from_parallel(texts)
    assert measure.lines["swh_Latn"] == ["sita"] and measure.english == {"eng_Latn": 10, "swh_Latn": 6}


def test_density_falls_back_to_the_script():
    assert density.of("zho_Hans") < 0.4 and density.of("eng_Latn") == 1.0
    assert density.of("ain_Latn") == pytest.approx(1.07)
    assert density.english_characters("eng_Latn", ["four", "five!"]) == 9


def test_balancing_brings_languages_closer(texts, sentences, tmp_path):
    worst = []
    for rounds in (0, 3):
        values = {
            "text": str(texts),
            "vocabulary": {"size": 2000},
            "parity": {"rounds": rounds, "parallel": str(sentences)},
        }
        told = train(build(TokenizerConfig, values), tmp_path / str(rounds))
        worst.append(judge(load(tmp_path / str(rounds)), read_texts(sentences)).worst[0].parity)
    assert worst[1] < 0.9 * worst[0]
    assert told["parity"]["by"] == str(sentences) and len(told["parity"]["rounds"]) == 3


def test_parallel_folders_are_read_in_both_layouts(sentences, tmp_path):
    found = parallel.read(sentences)
    assert found["khm_Khmr"].keys() & found["eng_Latn"].keys() >= {"months", "days"}
    for code, lines in (("eng_Latn", "one\ntwo\n"), ("swh_Latn", "moja\nmbili\n")):
        (tmp_path / f"{code}.txt").write_text(lines)
    found = parallel.read(tmp_path)
    assert found["eng_Latn"].keys() == found["swh_Latn"].keys()
    assert list(found["swh_Latn"].values()) == ["moja", "mbili"]
    (tmp_path / "zul_Latn.txt").write_text("kunye\n")
    with pytest.raises(SourceError, match=r"zul_Latn\.txt has 1 lines, where most have 2"):
        parallel.read(tmp_path)
    (tmp_path / "eng_Latn.txt").unlink()
    (tmp_path / "zul_Latn.txt").unlink()
    with pytest.raises(SourceError, match="has no English"):
        parallel.read(tmp_path)


def test_empty_lines_keep_the_others_in_their_places(tmp_path):
    for name, lines in {
        "dev/eng_Latn.dev": "one\ntwo\nthree\n",
        "dev/swh_Latn.dev": "moja\n\ntatu\n",
        "devtest/eng_Latn.devtest": "four\n \n",
        "devtest/zul_Latn.devtest": "kune\nisihlanu",
        "ntrex/newstest-src.eng.txt": "six\n",
        "ntrex/newstest-ref.swa.txt": "sita\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(lines)
    found = parallel.read(tmp_path)
    pairs = {
        code: {(found["eng_Latn"].get(key), line) for key, line in rows.items()}
        for code, rows in found.items()
        if code != "eng_Latn"
    }
    assert pairs == {
        "swh_Latn": {("one", "moja"), ("three", "tatu"), ("six", "sita")},
        "zul_Latn": {("four", "kune"), (None, "isihlanu")},
    }


def test_settings_that_make_no_sense_are_refused():
    for values in ({"rounds": -1}, {"strength": 0}, {"held_out": 1}):
        with pytest.raises(ConfigError):
            ParityConfig(**values)


def test_small_alphabets_are_covered_whole_and_rare_han_is_not():
    common, rare = "的是一", "龘靐"
    lines = {"zho_Hans": [common * 500 + rare], "khm_Khmr": ["ខ្មែរ\u200bខ្មែរ\u200bខ្មែរ"], "eng_Latn": ["café é ☃"]}
    found = coverage.choose(lines, 0.99)
    assert set(common) <= found.characters and not set(rare) & found.characters
    assert {"ឝ", "ខ", "\u200b", "é", "~"} <= found.characters
    assert "☃" not in found.characters and found.left_out["eng_Latn"] == "☃"
    assert found.by_language["khm_Khmr"] == 1.0 > found.by_language["zho_Hans"] > 0.99


def test_the_measure_counts_tokens_for_a_character_of_english(trained):
    measure = parity.Measure({"swh_Latn": ["a b"]}, {"swh_Latn": 2.0})
    processor = load(trained)

    class Counts:
        def encode(self, lines, num_threads):
            return processor.encode(lines)

    assert measure.costs(Counts())["swh_Latn"] == len(processor.encode(["a b"])[0]) / 2
