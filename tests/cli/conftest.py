"""The command in its own process, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def glotmill(tmp_path):
    """Runs `glotmill` with arguments in the test's own folder."""

    def run(*arguments, stdin=None, timeout=300):
        command = [Path(sys.executable).with_name("glotmill"), *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, input=stdin, capture_output=True, text=True, encoding="utf-8", timeout=timeout
        )

    return run
