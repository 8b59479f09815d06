"""Training: the same bytes of the same text, what it refuses, how it ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.config import build
from core.errors import ConfigError, OutputError
from tokenizer import model_file, sentencepiece_trainer
from tokenizer.texts import _raw_lines
from tokenizer.train import TokenizerConfig, train
from tokenizer.vocabulary import Tokenizer


def config(texts, size=1500, **values):
    values = {"parity": {"rounds": 0}} | values
    if "sample" in values:  # rules that do not balance
        del values["parity"]
    return build(TokenizerConfig, {"text": str(texts), "vocabulary": {"size": size}, **values})


def copied(texts, folder, shuffle=False):
    """The same text elsewhere, its lines turned round and its files named in another way where `shuffle`."""
    folder.mkdir()
    for path in texts.glob("*.txt"):
        lines = path.read_text("utf-8").splitlines(keepends=True)
        (folder / path.name).write_text("".join(reversed(lines) if shuffle else lines), "utf-8")
    return folder


def test_the_same_text_in_any_order_makes_the_same_files_byte_for_byte(texts, tmp_path):
    for name, shuffle in (("a", False), ("b", True)):
        train(config(copied(texts, tmp_path / f"text-{name}", shuffle), parity={"rounds": 1}), tmp_path / name)
    for file in ("tokenizer.model", "tokenizer.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_folder_tells_what_it_was_made_of(trained):
    told = json.loads((trained / "glotmill_tokenizer.json").read_text("utf-8"))
    assert {path.name for path in trained.iterdir()} == {"tokenizer.model", "tokenizer.json", "glotmill_tokenizer.json"}
    assert told["special"] == {"pad": 0, "eos": 1, "unk": 2} and told["symbols"] == {"<|user|>": 3, "<|assistant|>": 4}
    assert told["vocabulary"] == 2048
    assert told["sample"]["khm_Khmr"]["sampled_bytes"] > 1_000
    assert sum(one["share"] for one in told["sample"].values()) == pytest.approx(1, abs=1e-4)
    assert told["coverage"]["scripts"]["Khmr"] == 1.0
    assert told["config"]["vocabulary"]["size"] == 2000
    assert len(told["inputs"]) == 9 and told["normalizer"]["name"] == "nfkc"


def test_a_finished_tokenizer_is_not_made_again_and_another_one_is_refused(texts, tmp_path):
    made = train(config(texts), tmp_path / "t")
    stamp = (tmp_path / "t/tokenizer.model").stat().st_mtime_ns
    assert train(config(texts), tmp_path / "t") == made
    assert (tmp_path / "t/tokenizer.model").stat().st_mtime_ns == stamp
    with pytest.raises(OutputError, match=r"config\.vocabulary\.size was \d+, is 1600.*--fresh"):
        train(config(texts, 1600), tmp_path / "t")
    train(config(texts, 1700), tmp_path / "t", fresh=True)
    assert Tokenizer.load(tmp_path / "t").size == 1792
    (tmp_path / "t/thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.tex"):
        train(config(texts, 1600), tmp_path / "t", fresh=True)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_impossible_sizes_name_the_nearest_possible_one(texts, tmp_path, kind):
    rule = {"sample": {"rule": "unimax"}}
    for size, told in (
        (500_000, "largest possible is "),
        (2_000_000_000, "largest possible is "),
        (300, r"characters of these languages need "),
    ):
        with pytest.raises(ConfigError, match=told) as error:
            train(config(texts, vocabulary={"size": size, "type": kind}, **rule), tmp_path / "t")
        possible = int(str(error.value).split()[-1])
        assert possible % 128 == 0
        train(config(texts, vocabulary={"size": possible, "type": kind}, **rule), tmp_path / str(possible))
        assert Tokenizer.load(tmp_path / str(possible)).size == possible
        step = 128 if size > possible else -128
        with pytest.raises(ConfigError):
            train(config(texts, vocabulary={"size": possible + step, "type": kind}, **rule), tmp_path / "other")


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_text_that_is_too_little_for_any_size_is_told(tmp_path, kind):
    (tmp_path / "text").mkdir()
    (tmp_path / "text/eng_Latn.txt").write_text("ab ab ba\n")
    for size in (128, 512, 8000):
        with pytest.raises(ConfigError, match=r"too little for any tokenizer|is too small: .* need 512"):
            rule = {"sample": {"rule": "unimax"}, "vocabulary": {"size": size, "type": kind}}
            train(config(tmp_path / "text", **rule), tmp_path / "t")


def test_bad_text_is_warned_of_and_trained_on(texts, tmp_path):
    folder = copied(texts, tmp_path / "text")
    with open(folder / "swh_Latn.txt", "ab") as file:
        file.write(b"\xff\xfe broken\n")
    (folder / "fin_Latn.txt").write_text("")
    (folder / "remarks.txt").write_text("habari")
    english = (folder / "eng_Latn.txt").read_text("utf-8")
    (folder / "eng_Latn.txt").write_text(english * 3000, "utf-8")
    told = train(config(folder, parity={"rounds": 1}), tmp_path / "t")["warnings"]
    assert any("remarks.txt in " in warning for warning in told)
    assert any("fin_Latn has no text" in warning for warning in told)
    assert any("1 lines of swh_Latn are no UTF-8 text" in warning for warning in told)
    assert any("of the text is eng_Latn" in warning for warning in told)
    assert any(warning.startswith("lines repeat: the distinct ones of eng_Latn are less") for warning in told)
    tokenizer = Tokenizer.load(tmp_path / "t")
    thai = (folder / "tha_Thai.txt").read_text("utf-8").splitlines()[0]
    assert max(tokenizer.encode([thai])[0]) > 260


def test_the_letters_that_are_required_are_pieces(trained, bpe):
    ascii_signs = {chr(point) for point in range(33, 127)}
    for folder in (trained, bpe):
        pieces = {one.piece for one in model_file.read(folder / "tokenizer.model").pieces}
        assert ascii_signs - pieces == set()


def test_languages_of_the_parallel_text_that_are_not_trained_on_change_nothing(texts, tmp_path):
    few, many = tmp_path / "few", tmp_path / "many"
    for folder, names in ((few, ["eng_Latn", "khm_Khmr"]), (many, ["eng_Latn", "khm_Khmr", "tam_Taml", "kat_Geor"])):
        folder.mkdir()
        for name in names:
            lines = [f"{name} {number} {chr(0x1780 + number % 30) * 9}" for number in range(60)]
            (folder / f"{name}.txt").write_text("\n".join(lines), "utf-8")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("eng_Latn", "khm_Khmr"):
        shutil.copy(texts / f"{name}.txt", source)
    factors = [
        train(config(source, 1000, parity={"rounds": 2, "parallel": str(folder)}), tmp_path / f"t-{folder.name}")[
            "parity"
        ]["factors"]
        for folder in (few, many)
    ]
    assert factors[0] == factors[1] and set(factors[0]) == {"eng_Latn", "khm_Khmr"}
    with pytest.raises(OutputError, match="holds another tokenizer: parallel was"):
        (few / "eng_Latn.txt").write_text("\n".join(f"other {n}" for n in range(60)))
        train(config(source, 1000, parity={"rounds": 2, "parallel": str(few)}), tmp_path / "t-few")
    with pytest.raises(ConfigError, match="leave out --parallel"):
        values = {"sample": {"rule": "unimax"}, "parity": {"parallel": str(few)}}
        train(build(TokenizerConfig, {"text": str(source), "vocabulary": {"size": 1000}, **values}), tmp_path / "u")
    with pytest.raises(ConfigError, match=r"\[parity\] is for sample\.rule=parity alone"):
        values = {"sample": {"rule": "unimax"}, "parity": {"rounds": 2}}
        train(build(TokenizerConfig, {"text": str(source), "vocabulary": {"size": 1000}, **values}), tmp_path / "u")


def test_bytes_that_are_no_text_are_read_in_no_time(tmp_path):
    (tmp_path / "eng_Latn.txt").write_bytes(b"\xa0" * (3 << 20))
    pieces = list(_raw_lines(tmp_path / "eng_Latn.txt"))
    assert sum(map(len, pieces)) == 3 << 20 and len(pieces) <= 4


def test_what_a_killed_run_left_half_written_is_no_strangers(texts, tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t/.tokenizer.model.0123456789ab.tmp").write_bytes(b"half")
    train(config(texts), tmp_path / "t")


def test_bpe_needs_a_rule_that_it_can_follow(texts, tmp_path):
    with pytest.raises(ConfigError, match="choose another rule"):
        train(config(texts, vocabulary={"size": 1500, "type": "bpe"}), tmp_path / "t")
    with pytest.raises(ConfigError, match="expected --vocab-size N"):
        train(config(texts, 0), tmp_path / "t")


def test_a_killed_run_takes_its_child_along_and_leaves_a_folder_that_can_be_used(texts, tmp_path):
    big = tmp_path / "text"
    big.mkdir()
    for path in texts.glob("*.txt"):
        lines = path.read_text("utf-8").splitlines()
        made = (f"{one} {other}\n" for one in lines for other in lines[:60])
        (big / path.name).write_text("".join(made), "utf-8")
    code = "from glotmill.cli.main import main; main()"
    arguments = ["tokenizer", "train", "--text", str(big), "--vocab-size", "2000", "--out", str(tmp_path / "t")]
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        request = tmp_path / "t/.work/request.json"
        deadline = time.monotonic() + 60
        child = None
        while child is None and time.monotonic() < deadline:
            found = subprocess.run(
                ["pgrep", "-f", f"tokenizer.sentencepiece_trainer {request}"], capture_output=True, text=True
            ).stdout
            child = int(found.split()[0]) if found.split() else None
            time.sleep(0.05)
        assert child is not None
        process.send_signal(signal.SIGKILL)
        process.wait()
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":  # killed, and nobody's to wait for
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the trainer outlived its parent")
    assert not (tmp_path / "t/glotmill_tokenizer.json").exists()
    train(config(texts), tmp_path / "t")
    assert not (tmp_path / "t/.work").exists()


def test_what_the_trainer_says_becomes_numbers():
    with pytest.raises(sentencepiece_trainer.TooLarge) as large:
        sentencepiece_trainer._explain("x\nVocabulary size too high (9). Please set it to a value <= 48013.", 3)
    assert large.value.possible == 48013
    with pytest.raises(ConfigError, match="want of memory"):
        sentencepiece_trainer._explain("", -signal.SIGKILL)
    assert [round(sentencepiece_trainer._share(1000, size, 10), 2) for size in (1000, 100, 10)] == [0, 0.5, 1]
    assert [sentencepiece_trainer._share(20, size, 1000) for size in (500, 1000)] == [0.5, 1]
