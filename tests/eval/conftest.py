"""What tests of evaluation share: the folder's own modules, a small data set, a recorded model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def sentences(tmp_path):
    """Tatoeba's layout: three languages, one of them written from right to left, one without spaces."""
    folder = tmp_path / "sentences"
    folder.mkdir()
    texts = {
        "swh": ["Habari za asubuhi", "Ninapenda vitabu", "Mvua inanyesha leo", "Paka amelala"],
        "heb": ["בוקר טוב", "אני אוהב ספרים", "יורד גשם היום", "החתול ישן"],
        "jpn": ["おはようございます", "本が好きです", "今日は雨です", "猫が寝ています"],
    }
    english = ["Good morning", "I like books", "It is raining today", "The cat sleeps"]
    for code, lines in texts.items():
        (folder / f"tatoeba.{code}-eng.{code}").write_bytes("\r\n".join(lines).encode() + b"\r\n")
        (folder / f"tatoeba.{code}-eng.eng").write_text("\n".join(english) + "\n", "utf-8")
    return folder


@pytest.fixture
def record(tmp_path):
    """Writes a recording, and gives the name of the model that it is."""

    def write(rows, name="recorded.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        return f"replay:{path}"

    return write
