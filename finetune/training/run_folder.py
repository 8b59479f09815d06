"""Keep the folder of a training run: its configuration, its manifest, and who may write to it.

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

from core import files
from core.errors import OutputError
from core.run_folder import RunFolder

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
)
COMMAND: Final = "finetune"


class TrainingFolder:
    """The folder of one training run. With several processes, only the first one writes."""

    def __init__(
        self,
        path: Path,
        values: Mapping[str, Any],
        inputs: Sequence[str],
        difference: Callable[[Mapping[str, Any], Mapping[str, Any]], str],
    ) -> None:
        """Take the folder's path and the run that is to own it.

        Args:
            path: the folder.
            values: the resolved configuration.
            inputs: paths that the run reads, which --fresh must not clear.
            difference: names what keeps one configuration from resuming another's run; "" for nothing.
        """
        self.path, self._inputs, self._difference = path, inputs, difference
        self._folder = RunFolder(path, "run", _OWN, (CONFIG,), shared=True)
        self._values = _plain(values)

    @contextlib.contextmanager
    def opened(self, fresh: bool) -> Iterator[None]:
        """Hold the folder for this run.

        Raises:
            OutputError: the folder holds another run, or files that are not glotmill's.
        """
        if jax.process_index():
            yield
            return
        with self._folder.held():
            self._check(fresh)
            yield

    def _check(self, fresh: bool) -> None:
        self._folder.check_owner()
        if fresh:
            self._folder.check_inputs(path for path in self._inputs if path)
            return
        self._folder.check_whole()
        if not (self.path / CONFIG).exists():
            self._folder.check_marked()
            return
        try:
            before = tomllib.loads((self.path / CONFIG).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.path / CONFIG} cannot be read ({error}): --fresh starts over") from error
        self._folder.check_same(before, self._values, self._difference)

    def clear(self) -> None:
        """Remove an earlier run. Call this once all inputs of the new run are found."""
        if jax.process_index() == 0:
            self._folder.clear()

    def write_config(self) -> None:
        """Write run.toml, which makes the folder this run's."""
        if jax.process_index():
            return
        import tomli_w

        files.write_text(self.path / CONFIG, tomli_w.dumps(self._values))

    def write_manifest(self, values: Mapping[str, Any]) -> None:
        """Write manifest.json with what is known so far; a finished run adds `complete`."""
        if jax.process_index() == 0:
            text = json.dumps({"command": COMMAND, **values}, ensure_ascii=False, indent=2)
            files.write_text(self.path / MANIFEST, text + "\n")

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest, or an empty dictionary where there is none."""
        try:
            values: dict[str, Any] = json.loads((self.path / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return values

    @property
    def config(self) -> dict[str, Any]:
        """Return the configuration as run.toml holds it."""
        return self._values


def _plain(value: Any) -> Any:
    """Return a value as TOML can hold it: without None, tuples as lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
