"""A new kind of source is one class and one row of the table: this module has the class, and adds the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from collection import store
from collection.languages import resolve
from collection.record import Message
from core.config import build
from core.errors import ConfigError, UnknownNameError
from pipelines.ingest.config import IngestConfig, IngestSource
from pipelines.ingest.job import ingest
from pipelines.ingest.sources import SOURCES
from pipelines.ingest.sources.base import Parsed, SourceKind, SourceOptions, text_field


@dataclass(frozen=True)
class ProverbOptions(SourceOptions):
    """How proverbs are read."""

    ask: str = "Say a proverb."  # the prompt


class Proverbs(SourceKind):
    """Rows with a `saying`."""

    help = "proverbs, a saying a row"
    default_name = "proverbs"
    Options = ProverbOptions

    def parse(self, row: Mapping[str, Any], file: str) -> Parsed:
        messages = (Message("user", self._options.ask), Message("assistant", text_field(row, "saying")))
        return Parsed(messages, resolve(self._options.language), origin="human")


@pytest.fixture(autouse=True)
def proverbs(monkeypatch):
    monkeypatch.setitem(SOURCES, "proverbs", f"{__name__}:Proverbs")


@pytest.fixture
def rows(tmp_path, write_lines):
    sayings = ["Haraka haraka haina baraka.", "Pole pole ndiyo mwendo.", None]
    return write_lines(tmp_path / "proverbs.jsonl", [{"saying": saying} for saying in sayings])


def test_it_is_ingested_with_its_own_options(rows, tmp_path):
    values = {
        "proverbs": {"language": "swh_Latn", "ask": "Toa methali moja ya Kiswahili."},
        "language_id": {"detector": "none"},
        "run": {"mode": "in_memory"},
        "sources": [
            {"kind": "proverbs", "path": str(rows)},
            {"kind": "proverbs", "path": str(rows), "options": {"language": "swh_Latn", "name": "own"}},
        ],
    }
    manifest = ingest(build(IngestConfig, values), tmp_path / "out")
    records = sorted(store.records(tmp_path / "out"), key=lambda record: (record.source, record.target))
    assert [(record.source, record.prompt, record.target) for record in records] == [
        ("own", "Say a proverb.", "Haraka haraka haina baraka."),
        ("own", "Say a proverb.", "Pole pole ndiyo mwendo."),
        ("proverbs", "Toa methali moja ya Kiswahili.", "Haraka haraka haina baraka."),
        ("proverbs", "Toa methali moja ya Kiswahili.", "Pole pole ndiyo mwendo."),
    ]
    assert manifest.rejected == {"missing_field": 2}
    assert manifest.config["proverbs"]["ask"] == "Toa methali moja ya Kiswahili."


def test_its_options_are_checked_with_their_names():
    with pytest.raises(ConfigError, match=r"unknown configuration key proverbs\.aks; did you mean proverbs\.ask\?"):
        build(IngestConfig, {"proverbs": {"aks": "x"}})
    with pytest.raises(ConfigError, match=r"unknown configuration key sources\[0\]\.options\.aks"):
        build(IngestConfig, {"sources": [{"kind": "proverbs", "path": "x", "options": {"aks": "x"}}]})
    with pytest.raises(ConfigError, match="proverbs is 3: expected a section"):
        build(IngestConfig, {"proverbs": 3})
    with pytest.raises(UnknownNameError, match="Swahilli"):
        IngestConfig(sources=(IngestSource("proverbs", "x", ProverbOptions(language="Swahilli")),)).make_sources()


def test_the_error_for_a_run_without_sources_names_it():
    with pytest.raises(ConfigError, match=r"KIND is one of xp3x, .*, table, proverbs"):
        IngestConfig().make_sources()


def test_the_help_of_the_command_names_every_kind_of_the_table():
    from glotmill.cli.main import app

    text = " ".join(CliRunner().invoke(app, ["ingest", "--help"]).output.replace("│", " ").split())
    assert all(kind in text for kind in set(SOURCES) - {"proverbs"})
