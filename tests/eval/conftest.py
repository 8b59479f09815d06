"""What tests of evaluation share: the folder's own modules, a small data set, a recorded model."""

from __future__ import annotations

import json
import subprocess
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


@pytest.fixture
def cohere_server(tmp_path):
    """Starts a server in a process of its own; gives its address, and what it was asked so far."""
    running = []

    def start(*options):
        log = tmp_path / f"requests-{len(running)}.jsonl"
        log.touch()
        command = [sys.executable, str(Path(__file__).with_name("cohere_server.py")), str(log), *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        port = process.stdout.readline().strip()

        def asked():
            return [json.loads(line) for line in log.read_text("utf-8").split("\n") if line]

        return f"http://127.0.0.1:{port}", asked

    yield start
    for process in running:
        process.terminate()
        process.wait()
        process.stdout.close()
