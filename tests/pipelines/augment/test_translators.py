"""The engines: real ones where they can be had, and how each is spoken to."""

import json
import random
import shutil
import unicodedata
from typing import ClassVar

import pytest

from collection.languages import resolve
from collection.reject import Reason
from core.errors import ConfigError, SourceError, UnknownNameError, UserError
from pipelines.augment.translators import open_translator, parse
from pipelines.augment.translators.apertium import Apertium
from pipelines.augment.translators.base import Translated, Untranslated
from pipelines.augment.translators.config import CTranslate2Config, EngineConfig
from pipelines.augment.translators.ctranslate2 import CTranslate2, family_of, names_of
from pipelines.augment.translators.replay import ReplayTranslator

ENG, SPA, CAT, SWH, ARB = map(resolve, ("eng_Latn", "spa_Latn", "cat_Latn", "swh_Latn", "arb_Arab"))


@pytest.mark.parametrize(
    ("spec", "error", "told"),
    [
        ("apertum", UnknownNameError, "apertium"),
        ("ctranslate2", ConfigError, "ctranslate2:PATH"),
        ("apertium:eng-spa", ConfigError, "expected apertium"),
        ("http:", ConfigError, "http:URL"),
        ("", UnknownNameError, "replay:PATH"),
    ],
)
def test_an_engine_that_is_none_is_told(spec, error, told):
    with pytest.raises(error, match=told):
        parse(spec)


class TestApertium:
    @pytest.mark.apertium("eng-spa")
    def test_it_translates_line_by_line(self):
        lines = ["The house is big.", "Is this a question?", "a list of words without an end", "I live in London."]
        found = Apertium().translate(lines * 50, ENG, SPA)
        assert len(found) == 200 and found[:4] == found[196:]
        assert found[0].text == "La casa es grande." and all(one.text for one in found)

    @pytest.mark.apertium("eng-cat")
    @pytest.mark.parametrize(
        "line",
        [
            "brackets [like this] and {that} and <those>",
            "signs ^ $ / \\ | ~ # @ * % & = + _",
            "水 и ไทย مرحبا नमस्ते",
            "e\u0301 \u200d \u00a0 x",
            ".",
            "*",
            "-",
            "[",
            "\\",
            "a" * 5_000,
            "word " * 500,
        ],
    )
    def test_any_line_is_one_line_again(self, line):
        before, odd, after = Apertium().translate(["The first house.", line, "The last house."], ENG, CAT)
        assert "primera" in before.text and "última" in after.text
        assert isinstance(odd, Translated) and "\n" not in odd.text

    @pytest.mark.apertium("eng-spa")
    def test_words_that_it_does_not_know_are_counted_not_marked(self):
        (found,) = Apertium().translate(["The glotmill is a zorkian house"], ENG, SPA)
        assert found.unknown == 2 and "*" not in found.text and "glotmill" in found.text
        (literal,) = Apertium().translate(["The *glotmill* is new"], ENG, SPA)
        assert literal.text.count("*") >= 2

    @pytest.mark.apertium("eng-spa", "eng-cat")
    def test_it_has_the_pairs_that_are_installed_and_their_versions(self):
        engine = Apertium()
        first = engine.generator(ENG, SPA)
        assert first.startswith("apertium 3.") and "eng-spa" in first and len(first.split()[-1]) == 16
        assert engine.generator(ENG, CAT) != first
        assert engine.generator(ENG, SWH) is None and engine.generator(ENG, resolve("srp_Cyrl")) is None
        assert engine.generator(resolve("arb_Latn"), SPA) is None
        assert "eng-spa" in engine.signature([SPA]) and "eng-cat" not in engine.signature([SPA])

    def test_an_engine_that_fails_on_a_line_fails_on_that_line_alone(self, tmp_path, monkeypatch):
        """A stand-in for the program: the real one cannot be made to fail on a line."""
        script = tmp_path / "apertium"
        script.write_text(
            "#!/bin/sh\n"
            'case "$1" in -l) echo eng-spa;; -V) echo Apertium 3.8.3;;\n'
            '*) text=$(cat); case "$text" in *bad*) echo \'it broke\' >&2; exit 1;; *lost*) echo one;; *) echo "$text";; esac;; esac\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        found = Apertium().translate(["a", "b", "bad", "c"], ENG, SPA)
        assert [type(one) for one in found] == [Translated, Translated, Untranslated, Translated]
        assert found[2].reason is Reason.NOT_TRANSLATED and "it broke" in found[2].detail


def test_apertium_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="apt-get install apertium"):
        Apertium()


class TestCTranslate2:
    @pytest.fixture
    def model(self, shared):
        return str(shared("data/ct2_aren_transliteration"))

    def test_real_weights_give_what_they_are_known_to_give(self, model):
        engine = CTranslate2(model, CTranslate2Config(source="arb_Arab", target="eng_Latn", threads=1))
        words = ["القاهرة", "آتزمون"]
        assert [one.text for one in engine.translate(words, ARB, ENG)] == ["qahra", "atzmon"]
        # In any order, any number at once, twice the same.
        many = words * 40
        random.Random(7).shuffle(many)
        known = dict(zip(words, ["qahra", "atzmon"], strict=True))
        assert [one.text for one in engine.translate(many, ARB, ENG)] == [known[word] for word in many]
        assert engine.translate([], ARB, ENG) == []

    def test_it_knows_its_pair_and_its_content(self, model, tmp_path):
        engine = CTranslate2(model, CTranslate2Config(source="arb_Arab", target="eng_Latn", threads=1))
        told = engine.generator(ARB, ENG)
        assert "characters" in told and engine.generator(ENG, ARB) is None and engine.generator(ARB, SPA) is None
        other = tmp_path / "ct2_aren_transliteration"
        shutil.copytree(model, other, copy_function=shutil.copyfile)
        other.chmod(0o755)
        with open(other / "target_vocabulary.txt", "a") as file:
            file.write("")
        assert (
            CTranslate2(str(other), CTranslate2Config(source="ar", target="en", threads=1)).generator(ARB, ENG) == told
        )

    def test_int8_gives_translations_too(self, model):
        config = CTranslate2Config(source="ar", target="en", compute_type="int8", beam_size=4, threads=1)
        (found,) = CTranslate2(model, config).translate(["القاهرة"], ARB, ENG)
        assert found.text and unicodedata.normalize("NFC", found.text).isascii()

    def test_a_translation_without_an_end_is_none(self, model):
        config = CTranslate2Config(source="ar", target="en", max_tokens=3, threads=1)
        (found,) = CTranslate2(model, config).translate(["القاهرة"], ARB, ENG)
        assert isinstance(found, Untranslated) and "no end within 3 tokens" in found.detail

    def test_what_cannot_be_used_is_told(self, model, tmp_path):
        with pytest.raises(ConfigError, match=r"ctranslate2\.source"):
            CTranslate2(model, CTranslate2Config())
        with pytest.raises(SourceError, match=r"model\.bin"):
            CTranslate2(str(tmp_path), CTranslate2Config())
        with pytest.raises(UserError, match="compute"):
            CTranslate2(model, CTranslate2Config(source="ar", target="en", compute_type="int3"))
        (tmp_path / "model.bin").write_bytes(b"no model")
        (tmp_path / "shared_vocabulary.json").write_text(json.dumps(["<s>", "eng_Latn", "▁a"]))
        with pytest.raises(SourceError, match="SentencePiece"):
            CTranslate2(str(tmp_path), CTranslate2Config())


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """A small SentencePiece model."""
    import sentencepiece

    folder = tmp_path_factory.mktemp("pieces")
    text = folder / "text.txt"
    text.write_text("\n".join(f"the house number {n} is big and the river is long" for n in range(300)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "m"), vocab_size=40, minloglevel=2
    )
    return folder / "m.model"


class TestFamilies:
    """How each family marks its languages: the tokens, without weights, which cannot be had."""

    VOCABULARIES: ClassVar = {
        "nllb": ["<s>", "eng_Latn", "spa_Latn", "arb_Arab", "zho_Hans", "zho_Hant", "swh_Latn", "ydd_Hebr"],
        "m2m100": ["<s>", "__en__", "__es__", "__ar__", "__zh__", "__sw__"],
        "madlad": ["<s>", "<2en>", "<2es>", "<2ar>", "<2zh>", "<2sw>"],
        "opus": ["<s>", ">>spa<<", ">>swh<<", ">>cat<<"],
    }

    @pytest.fixture
    def tokens(self, pieces, tmp_path, monkeypatch):
        def make(family, first, second, **more):
            (tmp_path / "model.bin").write_bytes(b"")
            (tmp_path / "shared_vocabulary.json").write_text(json.dumps(self.VOCABULARIES[family] + ["▁a"]))
            for name in ("source.spm", "target.spm") if family == "opus" else ("sentencepiece.bpe.model",):
                shutil.copyfile(pieces, tmp_path / name)
            monkeypatch.setattr(
                "pipelines.augment.translators.ctranslate2._engine", lambda folder, config, changed: (None, "0")
            )
            engine = CTranslate2(str(tmp_path), CTranslate2Config(**more))
            named = engine.generator(first, second)
            found = engine.tokens("the house", first, second)
            return named, found, engine._prefix(second)

        return make

    @pytest.mark.parametrize(
        ("family", "begin", "prefix"),
        [
            ("nllb", ["eng_Latn"], ["spa_Latn"]),
            ("m2m100", ["__en__"], ["__es__"]),
            ("madlad", ["<2es>"], []),
        ],
    )
    def test_marks_stand_where_the_family_has_them(self, tokens, family, begin, prefix):
        named, found, before = tokens(family, ENG, SPA)
        assert family in named
        assert found[: len(begin)] == begin and found[-1] == "</s>" and before == prefix
        assert "".join(found[len(begin) : -1]).replace("▁", " ").strip() == "the house"

    def test_opus_names_its_target_where_it_has_several(self, tokens):
        named, found, prefix = tokens("opus", ENG, SPA, source="eng_Latn")
        assert named and found[0] == ">>spa<<" and prefix == []
        named, _, _ = tokens("opus", ENG, ARB, source="eng_Latn")
        assert named is None

    def test_a_language_that_the_model_does_not_know_has_no_pair(self, tokens):
        assert tokens("nllb", ENG, resolve("kin_Latn"))[0] is None
        assert tokens("m2m100", resolve("kin_Latn"), ENG)[0] is None
        assert tokens("madlad", resolve("kin_Latn"), SPA)[0] is not None  # it is told the target alone

    def test_scripts_are_told_apart(self, tokens):
        assert tokens("nllb", ENG, resolve("zho_Hant"))[2] == ["zho_Hant"]
        assert tokens("m2m100", ENG, resolve("zho_Hant"))[0] is None
        assert tokens("m2m100", ENG, resolve("zho_Hans"))[2] == ["__zh__"]
        assert tokens("nllb", ENG, resolve("arb_Latn"))[0] is None

    def test_every_language_has_its_own_code_first(self):
        assert names_of(SWH)[:2] == ["swh_Latn", "sw"]
        assert names_of(resolve("zho_Hant"))[0] == "zho_Hant" and "zh" not in names_of(resolve("zho_Hant"))

    @pytest.mark.parametrize("family", VOCABULARIES)
    def test_a_vocabulary_tells_the_family(self, family, tmp_path):
        assert family_of(tmp_path, frozenset(self.VOCABULARIES[family])) == family

    def test_a_vocabulary_that_tells_nothing_is_an_error(self, tmp_path):
        with pytest.raises(ConfigError, match=r"ctranslate2\.family"):
            family_of(tmp_path, frozenset(["<s>", "▁the", "ing"]))


class TestReplay:
    def rows(self, *systems):
        return [
            {"source": "Good day", "target": f"Buenos días{system}", "source_language": "en", "target_language": "es", "system": system}
            for system in systems
        ]  # fmt: skip

    def test_what_was_recorded_comes_back(self, tmp_path, write_lines):
        path = write_lines(tmp_path / "said.jsonl", self.rows("b", "a"))
        engine = ReplayTranslator(str(path))
        known, unknown = engine.translate(["Good day", "Bad day"], ENG, SPA)
        assert known.text == "Buenos díasa" and unknown.reason is Reason.NOT_TRANSLATED
        assert engine.generator(ENG, SPA).startswith("replay of a+b ") and engine.generator(SPA, ENG) is None
        assert ReplayTranslator(f"{path}?system=b").translate(["Good day"], ENG, SPA)[0].text == "Buenos díasb"

    def test_a_tsv_is_read_too(self, tmp_path):
        path = tmp_path / "said.tsv"
        path.write_text("source\ttarget\tsource_language\ttarget_language\nYes\tنعم\teng_Latn\tarb_Arab\n", "utf-8")
        assert ReplayTranslator(str(path)).translate(["Yes"], ENG, ARB)[0].text == "نعم"

    @pytest.mark.parametrize(
        ("text", "told"),
        [("", "no recorded translations"), ("{", "1 is not JSON"), ('{"source": "x"}', "expected source")],
    )
    def test_what_is_no_recording_is_told(self, tmp_path, text, told):
        path = tmp_path / "said.jsonl"
        path.write_text(text)
        with pytest.raises(SourceError, match=told):
            ReplayTranslator(str(path))
        with pytest.raises(SourceError):
            ReplayTranslator(str(tmp_path / "nowhere.jsonl"))

    def test_real_recordings_are_read(self, shared):
        place = shared("data/recorded_mt_flores")
        with open_translator(f"replay:{place}?system=nllb", EngineConfig()) as engine:
            sources = next(place.rglob("flores-test.en")).read_text("utf-8").splitlines()
            found = engine.translate(sources, ENG, resolve("hin_Deva"))
            expected = (place / "en-hi" / "flores-test.nllb.hi").read_text("utf-8").splitlines()
            assert [one.text for one in found] == expected
            assert sum(engine.generator(ENG, resolve(code)) is not None for code in ("am", "th", "my", "zh", "tl")) == 5
