"""Run the glotmill command of this checkout, as benchmarks do, and print it first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def glotmill(*words: str | Path, shown: bool = False) -> None:
    """Run a command to its end, and drop its output unless `shown`. Raise CalledProcessError if it fails."""
    print("$ glotmill", *words, flush=True)
    command = [sys.executable, "-c", "from glotmill.cli.main import main; main()", *map(str, words)]
    subprocess.run(command, check=True, stdout=None if shown else subprocess.DEVNULL)
