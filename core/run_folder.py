"""Own an output folder: hold it for one run, refuse another run's folder or a stranger's, and clear it safely.

Every command that writes a folder describes it by a `RunFolder`: what the folder may hold, and which files say whose
output it is. Only names that glotmill itself writes are ever removed.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core import files, locks
from core.errors import OutputError, explain_os_error
from core.paths import files_below, names_in, real, remove

WORK: Final = ".work"  # a folder for what a run needs until it is complete
RUN: Final = "run.json"  # in it: the identity of the run at work
_LOCK: Final = ".lock"
_CLEARING: Final = "clearing"
Identity = Mapping[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """The output folder of one command.

    Attributes:
        path: the folder; it may not exist yet.
        noun: what the folder holds, for errors: "run", "evaluation", "tokenizer".
        names: the entries that the command writes at the top of the folder, apart from `kept`, the lock and WORK.
        marks: files among them that show that glotmill wrote the folder.
        proof: a key that a mark in JSON must have to count; "" where its name is enough.
        kept: entries that clearing leaves, such as answers that were paid for.
        shared: whether people may keep files of their own in a folder that has a mark.
    """

    path: Path
    noun: str
    names: tuple[str, ...]
    marks: tuple[str, ...]
    proof: str = ""
    kept: tuple[str, ...] = ()
    shared: bool = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process.

        Raises:
            OutputError: another process holds the folder, or it cannot be written to.
        """
        try:
            with locks.locked(self.path):
                yield
        except OSError as error:
            raise OutputError(explain_os_error(error, f"cannot write to {self.path}")) from error

    def check_owner(self) -> None:
        """Raise OutputError unless the folder is empty or holds what this command writes."""
        entries = {name for name in names_in(self.path) if name != _LOCK and not name.endswith(".tmp")}
        strangers = sorted(entries - {*self.names, *self.kept, WORK})
        if strangers and not (self.shared and self.is_marked()):
            raise OutputError(
                f"{self.path} holds other files ({', '.join(strangers[:3])}): choose an empty or new folder for --out"
            )

    def check_marked(self) -> None:
        """Raise OutputError if the folder holds output without a file that says which run it is from."""
        if not self.is_empty() and not self.is_marked():
            raise OutputError(
                f"{self.path} holds data without {self.marks[0]}: choose an empty or new folder for --out"
            )

    def is_marked(self) -> bool:
        """Return whether a file in the folder shows that glotmill wrote it."""
        return any(self._is_mark(self.path / mark) for mark in (*self.marks, f"{WORK}/{RUN}"))

    def _is_mark(self, path: Path) -> bool:
        try:
            return path.exists() and (not self.proof or self.proof in (read_json(path) or {}))
        except OutputError:  # a killed run can leave half a file: then its name is enough
            return True

    def is_empty(self) -> bool:
        """Return whether the folder holds none of the command's output, finished or not."""
        return not any(name in self.names for name in names_in(self.path))

    def check_whole(self) -> None:
        """Raise OutputError if `clear` was stopped half-way in this folder."""
        if _CLEARING in (read_json(self.path / WORK / RUN) or {}):
            raise OutputError(f"{self.path} was being cleared when that was stopped: --fresh goes on with it")

    def check_same(
        self, before: Identity, now: Identity, difference: Callable[[Identity, Identity], str] | None = None
    ) -> None:
        """Raise OutputError if the folder holds the output of another run, and name the first difference.

        Args:
            before: what made the folder.
            now: what is to write to it.
            difference: names a difference that matters, or returns ""; by default every difference matters.
        """
        if message := (difference or first_difference)(before, now):
            kept = "; answers are kept" if any((self.path / name).exists() for name in self.kept) else ""
            raise OutputError(
                f"{self.path} holds another {self.noun}: {message}. Use another --out, or --fresh to start over{kept}"
            )

    def check_inputs(self, inputs: Iterable[str]) -> None:
        """Raise OutputError if clearing the folder would remove a file or folder that the run is to read."""
        root = real(self.path)
        for item in inputs:
            if real(item) == root or real(item).startswith(root + "/"):
                raise OutputError(f"--fresh would throw away {item}, which this run is to read: choose another --out")

    def clear(self) -> None:
        """Remove an earlier run's output, but not what is `kept` or not ours.

        A run that is killed here leaves a mark, so that nobody resumes from half a folder.
        """
        if self.is_empty() and WORK not in names_in(self.path):
            return
        mark = self.path / WORK / RUN
        files.write_text(mark, json.dumps({"command": "--fresh", _CLEARING: True}))
        for name in self.marks:
            remove(self.path / name)
        for path in files_below(self.path / WORK):
            if path != mark:
                remove(path)
        for name in self.names:
            remove(self.path / name)
        remove(self.path / WORK)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a file; None where the file is missing.

    Raises:
        OutputError: the file cannot be read or holds something else.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read ({error}): --fresh starts over") from error
    if not isinstance(values, dict):
        raise OutputError(f"{path} holds no JSON object: --fresh starts over")
    return values


def identity_hash(identity: Identity) -> str:
    """Return 32 hex digits that name what a run makes."""
    import xxhash

    return xxhash.xxh3_128_hexdigest(json.dumps(identity, ensure_ascii=False, sort_keys=True).encode())


def first_difference(before: Identity, now: Identity) -> str:
    """Return the first difference of two identities, such as "config.a.b was 1, is 2"; "" where they are equal."""
    return _difference(json.loads(json.dumps(before)), json.loads(json.dumps(now)), "")


def _difference(before: Any, now: Any, path: str) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            message = _difference(before.get(key, "absent"), now.get(key, "absent"), f"{path}.{key}" if path else key)
            if message:
                return message
        return ""
    if isinstance(before, list) and isinstance(now, list) and any(isinstance(item, dict) for item in before + now):
        if len(before) != len(now):
            return f"{path}.length was {len(before)}, is {len(now)}"
        messages = (_difference(*pair, f"{path}[{index}]") for index, pair in enumerate(zip(before, now, strict=True)))
        return next(filter(None, messages), "")
    return "" if before == now else f"{path} was {before!r}, is {now!r}"
