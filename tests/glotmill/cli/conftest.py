"""The command as a user runs it: in its own process, or in this one, where its libraries are loaded already."""

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from glotmill.cli.main import main


@pytest.fixture
def glotmill(tmp_path):
    """Runs `glotmill` with arguments in the test's own folder."""

    def run(*arguments, stdin=None, timeout=300):
        command = [Path(sys.executable).with_name("glotmill"), *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, input=stdin, capture_output=True, text=True, encoding="utf-8", timeout=timeout
        )

    return run


@pytest.fixture
def inside(tmp_path, monkeypatch, capsys):
    """Runs `glotmill` as `glotmill` does, without a process of its own."""

    def run(*arguments, stdin=""):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["glotmill", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return SimpleNamespace(returncode=ended.value.code or 0, stdout=told.out, stderr=told.err)

    return run
