"""SentencePiece's trainer in a process of its own: it cannot be stopped from within, and tells how far it is on stderr.

python -m tokenizer.sentencepiece_trainer REQUEST.json      what the parent runs
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from core.errors import ConfigError, GlotmillError

# The sums that the trainer adds up in parallel depend on how many threads there are, so it is always this many.
THREADS: Final = 8
_STEP: Final = re.compile(rb"EM sub_iter=\d+ size=(\d+)|Added: .*? size=(\d+)|Initialized (\d+) seed")
_TOO_HIGH: Final = re.compile(r"Vocabulary size too high \(\d+\).*?<= (\d+)")
_TOO_LOW: Final = re.compile(r"smaller than required_chars. \d+ vs (\d+)")


class TooLarge(Exception):
    """The text has pieces for no more than `possible`."""

    def __init__(self, possible: int) -> None:
        super().__init__(possible)
        self.possible = possible


class TooSmall(Exception):
    """The characters alone need `needed` pieces."""

    def __init__(self, needed: int) -> None:
        super().__init__(needed)
        self.needed = needed


def train(request: Path, arguments: Mapping[str, Any], done: Callable[[float], None]) -> bytes:
    """The model file that the trainer makes of `arguments`. `done` is told the share that is behind it.

    Raises TooLarge or TooSmall where the vocabulary size is impossible.
    """
    request.write_text(json.dumps(dict(arguments)), "utf-8")
    command = [sys.executable, "-m", "tokenizer.sentencepiece_trainer", str(request)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    told: list[str] = []
    try:
        assert process.stderr is not None
        first, target = 0, int(arguments["vocab_size"])
        for line in process.stderr:
            if step := _STEP.search(line):
                size = int(next(filter(None, step.groups())))
                first = first or size
                done(_share(first, size, target))
            told = [*told[-20:], line.decode("utf-8", "replace").rstrip()]
        status = process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
    if status:
        _explain("\n".join(told), status)
    return Path(arguments["model_prefix"] + ".model").read_bytes()


def _share(first: int, size: int, target: int) -> float:
    """How much of the way from the first size to the target is done: down by shrinking, or up by merging."""
    if first <= target:
        return min(size / target, 1.0)
    return min(1.0, max(0.0, math.log(first / size) / math.log(first / target)))


def _explain(told: str, status: int) -> None:
    if match := _TOO_HIGH.search(told):
        raise TooLarge(int(match[1]))
    if match := _TOO_LOW.search(told):
        raise TooSmall(int(match[1]))
    if status == -signal.SIGKILL:
        raise ConfigError(
            "the trainer was killed, most likely for want of memory: less text needs less (--set sample.bytes=20000000)"
        )
    raise GlotmillError(f"SentencePiece's trainer failed (status {status}): {told[-500:]}")


def main() -> None:
    """The child: trains, and ends with its parent."""
    with contextlib.suppress(OSError, AttributeError):  # elsewhere than on Linux it trains on to its end
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, too, and kills
    import sentencepiece

    try:
        sentencepiece.SentencePieceTrainer.train(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    except RuntimeError as error:
        print(error, file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
