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
from core.paths import absolute, as_path, files_below, files_in, is_remote, names_in, real, remove
from core.progress import Progress

_OWN = ("data", "rejects", "manifest.json", "stats.json", "README.md", ".work", ".lock")
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
class Workplace:
    """The `.work` folder of a run, as workers see it: small enough to travel with every task."""

    out: str

    @property
    def folder(self) -> Path:
        return as_path(self.out) / ".work"

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
    def piece(self, name: str) -> Iterator[PieceOfWork]:
        """Runs one piece of work. Its marker is written at the end; its error, if any, where the driver sees it."""
        piece = PieceOfWork(self, name)
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


class PieceOfWork:
    """Counts and heartbeat of a piece of work while it runs."""

    def __init__(self, place: Workplace, name: str) -> None:
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
def stage(out: Path, identity: Mapping[str, Any], fresh: bool = False) -> Iterator[Workplace]:
    """The workplace for one run that makes `identity` in `out`, alone.

    OutputError if the folder holds something else: another run's output, or files that are not glotmill's.
    """
    with locks.locked(out):
        if fresh:
            _check_clearing(out, identity)
            _clear(out)
        _check_identity(out, identity)
        place = Workplace(absolute(out))  # workers may stand elsewhere
        try:
            for name in ("done", "beats", "errors"):
                (place.folder / name).mkdir(parents=True, exist_ok=True)
            for path in files_in(place.folder / "errors", ".json"):
                remove(path)
            if not is_remote(out):
                (place.folder / "errors" / _LAST_RESORT).write_text(" " * _NOTE_BYTES, "ascii")
            files.remove_leftovers(out)
            files.write_text(place.folder / "run.json", json.dumps(identity, ensure_ascii=False, sort_keys=True))
            yield place
        except OSError as error:
            raise OutputError(explain_os_error(error, f"cannot write to {out}")) from error


def is_made(out: Path, identity: Mapping[str, Any], progress: Progress) -> bool:
    """Whether the folder already holds the complete output of just this run; says so where it does."""
    if not finished(out, identity):
        return False
    clear_work(out)
    progress.note(f"{out} already holds the output of this very run")
    return True


def finished(out: Path, identity: Mapping[str, Any]) -> bool:
    """Whether the folder already holds the complete output of just this run."""
    try:
        values = json.loads((out / "manifest.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(values.get("complete")) and values["run"].get("identity") == identity_hash(identity)


def identity_hash(identity: Mapping[str, Any]) -> str:
    """32 hex digits that name what a run makes."""
    import xxhash

    return xxhash.xxh3_128_hexdigest(json.dumps(identity, ensure_ascii=False, sort_keys=True).encode())


def clear_work(out: Path) -> None:
    """Removes the workplace of a run that is complete."""
    with contextlib.suppress(OSError):
        remove(out / ".work")


def complete(out: Path, manifest: Manifest) -> None:
    """Ends a stage: its manifest appears, complete, and its workplace goes. OutputError if the lock was lost."""
    locks.check(out)
    manifest.complete = True
    manifest.write(out)
    clear_work(out)


def _check_clearing(out: Path, identity: Mapping[str, Any]) -> None:
    """OutputError where more than an earlier run's output would go: somebody's files, or what this run is to read."""
    _check_strangers(out)
    marks = (out / "manifest.json", out / ".work" / "run.json")
    if any(name not in (".lock", ".work", _PAID) for name in names_in(out)) and not any(
        "command" in _peek(path) for path in marks
    ):
        raise OutputError(f"{out} was not written by glotmill, so --fresh does not clear it: choose another --out")
    root = real(out)
    for item in identity.get("inputs", ()):
        if real(item["path"]).startswith(root + "/"):
            raise OutputError(
                f"--fresh would throw away {item['path']}, which this run is to read: choose another --out"
            )


def _peek(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        # A run that was killed while it began leaves half a file, or none: the name is mark enough.
        return {"command": ""} if path.exists() else {}
    return values if isinstance(values, dict) else {}


def _clear(out: Path) -> None:
    """Removes an earlier run's output. Stopped on the way, it leaves a mark: nobody takes what is left for a run's."""
    if not any(name not in (".lock",) for name in names_in(out)):
        return
    files.write_text(out / ".work" / "run.json", json.dumps({"command": "--fresh", _CLEARING: True}))
    remove(out / "manifest.json")
    for path in files_below(out / ".work"):
        if path != out / ".work" / "run.json":
            remove(path)
    for name in _OWN:
        if name not in (".lock", ".work"):
            remove(out / name)
    remove(out / ".work")


_CLEARING = "clearing"


def _check_identity(out: Path, identity: Mapping[str, Any]) -> None:
    _check_strangers(out)
    for path, read in ((out / ".work" / "run.json", _run_identity), (out / "manifest.json", _manifest_identity)):
        if path.exists():
            before = read(path)
            if _CLEARING in before:
                raise OutputError(f"{out} was being cleared when that was stopped: --fresh goes on with it")
            difference = _difference(before, identity)
            if difference:
                raise OutputError(
                    f"{out} holds the output of another run: {difference}. "
                    "Use another --out, or --fresh to throw it away and start over"
                )
            return
    if any(name not in (".lock", ".work", _PAID) for name in names_in(out)):
        raise OutputError(f"{out} holds data without a manifest: choose an empty or new folder for --out")


def _check_strangers(out: Path) -> None:
    strangers = [name for name in names_in(out) if name not in (*_OWN, _PAID)]
    if strangers:
        raise OutputError(
            f"{out} holds other files ({', '.join(strangers[:3])}): choose an empty or new folder for --out"
        )


def _run_identity(path: Path) -> Mapping[str, Any]:
    try:
        values: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read ({error}): --fresh starts over") from error
    return values


def _manifest_identity(path: Path) -> Mapping[str, Any]:
    values = _run_identity(path)
    return {name: values.get(name) for name in ("command", "code", "versions", "config", "inputs")}


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first thing in which two runs differ, "" where they are one."""
    flat_before, flat_now = (dict(_flat(json.loads(json.dumps(values)))) for values in (before, now))
    for key in sorted(flat_before.keys() | flat_now.keys()):
        then, here = flat_before.get(key, "absent"), flat_now.get(key, "absent")
        if then != here:
            return f"{key} was {then!r}, is {here!r}"
    return ""


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _flat(item, f"{path}[{index}]")
        yield f"{path}.length", len(value)
    else:
        yield path, value
