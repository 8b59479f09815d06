"""Add a translator as CONTRIBUTING describes: one class and one row. This module is the only file that knows it."""

import pytest
from typer.testing import CliRunner

from collection import store
from core.errors import ConfigError
from core.remote import Budget
from pipelines.augment.translate import TranslateConfig, translate
from pipelines.augment.translators import TRANSLATORS, TranslatorRow, forms, parse
from pipelines.augment.translators.base import Translated, Translator
from pipelines.plan.translate import of_translate
from pipelines.runner import RunConfig


class Reverse(Translator):
    """Write every line backwards, with a suffix that the command line names."""

    placeholder = "@{}@"

    def __init__(self, suffix):
        self.suffix = suffix

    @classmethod
    def opened(cls, argument, engines, job):
        cls.check(argument, engines)
        yield cls(argument)

    @classmethod
    def check(cls, argument, engines):
        if not argument.isalpha():
            raise ConfigError(f"--translator reverse:{argument}: expected letters")

    def signature(self, targets):
        return f"reverse {self.suffix}"

    def generator(self, source, target):
        return f"reverse {self.suffix}" if target.code == "spa_Latn" else None

    def translate(self, lines, source, target):
        return [Translated(f"{line[::-1]} {self.suffix}") for line in lines]


@pytest.fixture(autouse=True)
def _reverse(monkeypatch):
    monkeypatch.setitem(TRANSLATORS, "reverse", TranslatorRow(__name__, "Reverse", "SUFFIX"))


def config(spec="reverse:fin", to=("spa_Latn",)):
    quality = {"min_score": 0, "detector": "none"}
    base = TranslateConfig(translator=spec, to=to, run=RunConfig(mode="in_memory"))
    return type(base)(**{**vars(base), "quality": type(base.quality)(**quality)})


def test_a_new_translator_makes_rows_and_rejects(stage_of, tmp_path):
    folder = stage_of([("eng_Latn", "good day", "ok"), ("swh_Latn", "habari", "nzuri")])
    manifest = translate([folder], config(to=("spa_Latn", "cat_Latn")), tmp_path / "out")
    assert (manifest.rows_in, manifest.rows_out, manifest.rejected) == (4, 2, {"no_translator": 2})
    rows = list(store.records(tmp_path / "out"))
    assert [turn.content for turn in rows[0].messages] == ["yad doog fin", "ko fin"]
    assert {row.generator for row in rows} == {"reverse fin"}


def test_its_checks_and_forms_come_from_the_table(stage_of, tmp_path):
    assert forms().endswith(" or reverse:SUFFIX") and parse("reverse:a:b") == ("reverse", "a:b")
    folder = stage_of([("eng_Latn", "good day", "ok")])
    with pytest.raises(ConfigError, match="expected reverse:SUFFIX"):
        translate([folder], config("reverse"), tmp_path / "out")
    with pytest.raises(ConfigError, match="expected letters"):
        translate([folder], config("reverse:12"), tmp_path / "out")
    with pytest.raises(ConfigError, match="--budget"):
        translate([folder], config(), tmp_path / "out", budget=Budget(requests=1))
    assert of_translate([folder], config()).usd is None


def test_the_command_lists_the_engines_of_the_table():
    from glotmill.cli.main import app

    text = " ".join(CliRunner().invoke(app, ["translate", "--help"], env={"COLUMNS": "300"}).output.split())
    assert all(name in text for name in TRANSLATORS if name != "reverse")
