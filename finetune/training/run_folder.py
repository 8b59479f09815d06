"""The folder of a run, and what may be done in it: begun, taken up again after a kill, told to be complete.

run.toml              the configuration, resolved: `glotmill finetune RUN/run.toml --out ELSEWHERE` repeats the run
glotmill_model.json   the architecture; with tokenizer/ and checkpoints/ the folder is a checkpoint for any command
metrics.csv           a line a step           validation.csv   a line a language and validation
loss.svg              both as a plot          manifest.json    inputs, code, machine, results; complete when done
"""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jax

from core import files, locks
from core.errors import OutputError, explain_os_error
from core.paths import remove

CONFIG, MANIFEST = "run.toml", "manifest.json"
_OWN: Final = (
    CONFIG,
    MANIFEST,
    "glotmill_model.json",
    "tokenizer",
    "checkpoints",
    "metrics.csv",
    "validation.csv",
    "samples",
    "tensorboard",
    "loss.svg",
    ".lock",
)
COMMAND: Final = "finetune"


class RunFolder:
    """Of one run. Of several processes only the first writes; the others look."""

    def __init__(
        self,
        path: Path,
        values: Mapping[str, Any],
        inputs: Sequence[str],
        difference: Callable[[Mapping[str, Any], Mapping[str, Any]], str],
    ) -> None:
        """Take the folder's path and what its owner is.

        Args:
            path: the folder.
            values: the resolved configuration.
            inputs: paths that the run reads, which --fresh must not clear.
            difference: names what keeps one configuration from resuming another's run; "" for nothing.
        """
        self.path, self._inputs, self._difference = path, inputs, difference
        self._values = _plain(values)

    @contextlib.contextmanager
    def opened(self, fresh: bool) -> Iterator[None]:
        """Holds the folder for this run. OutputError where it is another run's, or not glotmill's."""
        if jax.process_index():
            yield
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with locks.locked(self.path):
                self._check(fresh)
                yield
        except OSError as error:
            raise OutputError(explain_os_error(error, f"cannot write to {self.path}")) from error

    def _check(self, fresh: bool) -> None:
        there = {path.name for path in self.path.iterdir()}
        is_run = (self.path / CONFIG).exists()
        strangers = sorted(name for name in there if name not in _OWN and not name.endswith(".tmp"))
        if strangers and (fresh or not is_run):
            raise OutputError(
                f"{self.path} holds other files ({', '.join(strangers[:3])}): move them away, or choose another --out"
            )
        if fresh:
            self._check_clearing()
        elif is_run:
            self._check_same()
        elif there - {".lock"}:
            raise OutputError(f"{self.path} holds no {CONFIG}, and is no run: choose an empty or new folder for --out")

    def _check_clearing(self) -> None:
        """OutputError where an earlier run is to be thrown away that this one is to read from."""
        for path in self._inputs:
            if self._holds(path):
                raise OutputError(f"--fresh would throw away {path}, which this run is to read: choose another --out")

    def _holds(self, path: str) -> bool:
        place, root = Path(path).resolve(), self.path.resolve()
        return place == root or root in place.parents

    def clear(self) -> None:
        """Throws away an earlier run. Called when all that this one needs was found."""
        if jax.process_index() == 0:
            for name in {path.name for path in self.path.iterdir()} - {".lock"}:
                remove(self.path / name)

    def _check_same(self) -> None:
        try:
            before = tomllib.loads((self.path / CONFIG).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.path / CONFIG} cannot be read ({error}): --fresh starts over") from error
        if told := self._difference(before, self._values):
            raise OutputError(
                f"{self.path} holds another run: {told}. Use another --out, or --fresh to throw it away and start over"
            )

    def write_config(self) -> None:
        """Writes run.toml: from here on the folder is this run's."""
        if jax.process_index():
            return
        import tomli_w

        files.write_text(self.path / CONFIG, tomli_w.dumps(self._values))

    def write_manifest(self, values: Mapping[str, Any]) -> None:
        """Says of the run what is known so far; `complete` is among it when it is."""
        if jax.process_index() == 0:
            text = json.dumps({"command": COMMAND, **values}, ensure_ascii=False, indent=2)
            files.write_text(self.path / MANIFEST, text + "\n")

    def read_manifest(self) -> dict[str, Any]:
        """What is said of the run; nothing where nothing is."""
        try:
            values: dict[str, Any] = json.loads((self.path / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return values

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as run.toml has it."""
        return self._values


def _plain(value: Any) -> Any:
    """As TOML can say it: without None, tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
