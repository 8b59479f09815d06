"""The command, as benchmarks run it: from this tree, its words printed before it begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def glotmill(*words: str | Path, shown: bool = False) -> None:
    """Runs a command to its end; what it prints is dropped unless `shown`. CalledProcessError where it fails."""
    print("$ glotmill", *words, flush=True)
    command = [sys.executable, "-c", "from glotmill.cli.main import main; main()", *map(str, words)]
    subprocess.run(command, check=True, stdout=None if shown else subprocess.DEVNULL)
