"""One run of one stage on its output folder: begun, taken up again after a kill, finished.

While it runs, `OUT/.work/` holds `run.json`, which says what is being made, a marker for every finished piece of work,
and a heartbeat for every piece at work. A marker is written after the files that it speaks for have appeared, so what
has a marker is whole. The folder goes when `manifest.json` says that the stage is complete.
"""

from __future__ import annotations

import contextlib
import gc
import json
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collection.manifest import Manifest, Tally
from core import files, locks
from core.errors import GlotmillError, OutputError, UserError, explain_os_error
from core.paths import absolute, as_path, files_in, is_remote, remove
from core.progress import Progress
from core.run_folder import RUN, WORK, RunFolder, identity_hash, read_json

_OWN = ("data", "rejects", "manifest.json", "stats.json", "README.md")
_PAID = "answers"  # what servers were paid for: glotmill's own, but --fresh leaves it
# Blanks, so that an error can be noted in their place when the disk is full.
_LAST_RESORT, _NOTE_BYTES = "last-resort.json", 16_384


@dataclass(frozen=True)
class Marker:
    """What a finished piece of work leaves behind: its counts, and whatever else its stage needs to know of it."""

    tally: Tally
    seconds: float
    cpu_seconds: float
    extra: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunState:
    """The `.work` folder of a run, as workers see it: small enough to travel with every task."""

    out: str

    @property
    def folder(self) -> Path:
        return as_path(self.out) / WORK

    def marker(self, name: str) -> Path:
        return self.folder / "done" / f"{name}.json"

    def is_done(self, name: str) -> bool:
        return self.marker(name).exists()

    def read(self, name: str) -> Marker:
        try:
            values = json.loads(self.marker(name).read_text("utf-8"))
        except FileNotFoundError:
            raise GlotmillError(f"{name} was not done, though the engine told of no error") from None
        return Marker(Tally.from_json(values["tally"]), values["seconds"], values["cpu_seconds"], values["extra"])

    def costs(self) -> dict[str, dict[str, float]]:
        """Of each phase that is done, its pieces of work and what they took, in the order of their names."""
        found: dict[str, dict[str, float]] = {}
        for path in files_in(self.folder / "done", ".json"):
            phase = found.setdefault(path.stem.rpartition("-")[0], {"tasks": 0, "seconds": 0.0, "cpu_seconds": 0.0})
            marker = self.read(path.stem)
            phase["tasks"] += 1
            for name in ("seconds", "cpu_seconds"):
                phase[name] = round(phase[name] + getattr(marker, name), 3)
        return found

    def beat(self, name: str, rows: int, weight: int) -> None:
        """Notes how far a piece of work has come; nothing is lost if the note is."""
        with contextlib.suppress(OSError):
            (self.folder / "beats" / name).write_text(f"{rows} {weight}", "ascii")

    def beats(self) -> Iterator[tuple[int, int]]:
        """Rows and weight done in each piece of work that is finished or at work."""
        for path in files_in(self.folder / "beats"):
            with contextlib.suppress(OSError, ValueError):
                rows, weight = path.read_text("ascii").split()
                yield int(rows), int(weight)

    @contextlib.contextmanager
    def unit(self, name: str) -> Iterator[WorkUnit]:
        """Runs one piece of work. Its marker is written at the end; its error, if any, where the driver sees it."""
        piece = WorkUnit(self, name)
        try:
            with _collector_off():
                yield piece
            values = {
                "tally": piece.tally.to_json(),
                "seconds": round(time.monotonic() - piece.begun, 3),
                "cpu_seconds": round(time.thread_time() - piece.cpu_begun, 3),
                "extra": dict(piece.extra),
            }
            files.write_text(self.marker(name), json.dumps(values, ensure_ascii=False))
        except Exception as error:
            self._note(name, error)
            raise

    def _note(self, name: str, error: Exception) -> None:
        what = explain_os_error(error, f"cannot write to {self.out}") if isinstance(error, OSError) else str(error)
        trace = traceback.format_exc()[-_NOTE_BYTES // 4 :]
        note = json.dumps({"user": isinstance(error, UserError | OSError), "message": what, "trace": trace})
        errors = self.folder / "errors"
        try:
            (errors / f"{name}.json").write_text(note, "utf-8")
        except OSError:  # on a full disk there is room only where it was taken before
            if is_remote(errors):
                raise
            with contextlib.suppress(OSError), open(errors / _LAST_RESORT, "r+", encoding="utf-8") as file:
                file.write(note.ljust(_NOTE_BYTES))

    def error(self) -> GlotmillError | None:
        """The first error that a piece of work left, as one to raise."""
        for path in files_in(self.folder / "errors", ".json"):
            with contextlib.suppress(OSError, ValueError):
                note = json.loads(path.read_text("utf-8"))
                return (
                    UserError(note["message"])
                    if note["user"]
                    else GlotmillError(f"{path.stem}: {note['message']}\n{note['trace']}")
                )
        return None


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    """No search for cyclic garbage: rows make none, and walking over them again and again costs a sixth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class WorkUnit:
    """Counts and heartbeat of a piece of work while it runs."""

    def __init__(self, place: RunState, name: str) -> None:
        self._place, self._name = place, name
        self.begun, self.cpu_begun = time.monotonic(), time.thread_time()
        self._next_beat = self.begun
        self._pause = 10.0 if is_remote(place.folder) else 1.0  # every beat is a request there
        self.tally = Tally()
        self.extra: dict[str, Any] = {}

    def beat(self, rows: int, weight: int, last: bool = False) -> None:
        now = time.monotonic()
        if last or now >= self._next_beat:
            self._next_beat = now + self._pause
            self._place.beat(self._name, rows, weight)


@contextlib.contextmanager
def stage(out: Path, identity: Mapping[str, Any], fresh: bool = False) -> Iterator[RunState]:
    """Hold `out` for one run that makes `identity`, and give the state of that run.

    Raises:
        OutputError: the folder holds another run's output, or files that are not glotmill's.
    """
    folder = stage_folder(out)
    with folder.held():
        folder.check_owner()
        if fresh:
            if not folder.is_empty() and not folder.is_marked():
                raise OutputError(
                    f"{out} was not written by glotmill, so --fresh does not clear it: choose another --out"
                )
            folder.check_inputs(item["path"] for item in identity.get("inputs", ()))
            folder.clear()
        _check_identity(folder, identity)
        state = RunState(absolute(out))  # workers may run in another folder
        for name in ("done", "beats", "errors"):
            (state.folder / name).mkdir(parents=True, exist_ok=True)
        for path in files_in(state.folder / "errors", ".json"):
            remove(path)
        if not is_remote(out):
            (state.folder / "errors" / _LAST_RESORT).write_text(" " * _NOTE_BYTES, "ascii")
        files.remove_leftovers(out)
        files.write_text(state.folder / RUN, json.dumps(identity, ensure_ascii=False, sort_keys=True))
        yield state


def stage_folder(out: Path) -> RunFolder:
    """Return the description of a stage's output folder."""
    return RunFolder(out, "run", _OWN, ("manifest.json",), proof="command", kept=(_PAID,))


def _check_identity(folder: RunFolder, identity: Mapping[str, Any]) -> None:
    """Raise OutputError unless the folder is empty or holds this run, at work or complete."""
    folder.check_whole()
    before = read_json(folder.path / WORK / RUN)
    if before is None and (manifest := read_json(folder.path / "manifest.json")) is not None:
        before = {name: manifest.get(name) for name in ("command", "code", "versions", "config", "inputs")}
    if before is not None:
        folder.check_same(before, identity)
    else:
        folder.check_marked()


def is_made(out: Path, identity: Mapping[str, Any], progress: Progress) -> bool:
    """Return whether the folder holds the complete output of just this run; if so, say it."""
    if not finished(out, identity):
        return False
    clear_work(out)
    progress.note(f"{out} already holds the output of this very run")
    return True


def finished(out: Path, identity: Mapping[str, Any]) -> bool:
    """Return whether the folder holds the complete output of just this run."""
    try:
        values = json.loads((out / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(values.get("complete")) and values["run"].get("identity") == identity_hash(identity)


def clear_work(out: Path) -> None:
    """Removes the workplace of a run that is complete."""
    with contextlib.suppress(OSError):
        remove(out / WORK)


def complete(out: Path, manifest: Manifest) -> None:
    """Ends a stage: its manifest appears, complete, and its workplace goes. OutputError if the lock was lost."""
    locks.check(out)
    manifest.complete = True
    manifest.write(out)
    clear_work(out)
