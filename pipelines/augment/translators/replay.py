"""Recorded translations: for tests, and for runs that must come out the same for ever.

Two layouts are read. A JSON Lines or TSV file holds `source`, `target`, `source_language`, `target_language` and, if it
likes, `system`. A folder in the layout of the evaluation of Firefox's translation models holds, in `en-es/` and the
like, `flores-test.en` and `flores-test.SYSTEM.es`, line by line.

`replay:PATH?system=nllb` takes what one system made; else the first one, by name, that has a line has it.
"""

from __future__ import annotations

import csv
import functools
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import xxhash

from collection.languages import Language, find
from collection.reject import Reason
from core.errors import SourceError, explain_os_error
from core.remote import RemoteJob
from pipelines.augment.translators.base import Outcome, Translated, Translator, Untranslated
from pipelines.augment.translators.config import EngineConfig


class _Recording(NamedTuple):
    source: str
    target: str
    pair: tuple[str, str]
    system: str


class ReplayTranslator(Translator):
    """See the module. SourceError where nothing is recorded."""

    placeholder = "{{{}}}"

    @classmethod
    def opened(cls, argument: str, engines: EngineConfig, job: RemoteJob | None) -> Iterator[Translator]:
        path = Path(argument.partition("?")[0]).expanduser()
        yield _loaded(argument, path.stat().st_mtime_ns if path.exists() else 0)

    def __init__(self, spec: str) -> None:
        place, _, query = spec.partition("?")
        wanted = query.removeprefix("system=")
        path = Path(place).expanduser()
        self._lines: dict[tuple[str, str], dict[str, str]] = {}
        self._systems: dict[tuple[str, str], set[str]] = {}
        digest = xxhash.xxh3_64()
        try:
            found = [one for one in _recordings(path) if not wanted or one.system == wanted]
        except OSError as error:
            raise SourceError(explain_os_error(error, f"cannot read {path}")) from error
        for one in sorted(found, key=lambda one: one.system):
            self._lines.setdefault(one.pair, {}).setdefault(one.source, one.target)
            self._systems.setdefault(one.pair, set()).add(one.system)
            digest.update("\x1f".join((*one.pair, *one[:2])).encode())
        if not self._lines:
            raise SourceError(f"{spec}: no recorded translations there")
        self._hash = digest.hexdigest()

    def generator(self, source: Language, target: Language) -> str | None:
        systems = self._systems.get((source.code, target.code))
        return f"replay of {'+'.join(sorted(systems)) or 'unnamed'} {self._hash}" if systems else None

    def signature(self, targets: Sequence[Language]) -> str:
        return f"replay {self._hash}"

    def translate(self, lines: Sequence[str], source: Language, target: Language) -> list[Outcome]:
        known = self._lines[source.code, target.code]
        return [
            Translated(known[line]) if line in known else Untranslated(Reason.NOT_TRANSLATED, "no recording of it")
            for line in lines
        ]


@functools.lru_cache(maxsize=2)
def _loaded(spec: str, changed: int) -> ReplayTranslator:
    # Kept by what the file is, not by its name alone: a later run in the same process may have another one there.
    return ReplayTranslator(spec)


def _recordings(path: Path) -> Iterator[_Recording]:
    if path.is_dir():
        yield from _folder(path)
    elif path.suffix == ".tsv":
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            yield from (_recording(row, f"{path}:{number}") for number, row in enumerate(rows, 2))
    else:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise SourceError(f"{path}:{number} is not JSON: {error}") from error
                yield _recording(row, f"{path}:{number}")


def _recording(row: dict[str, str], place: str) -> _Recording:
    try:
        pair = (_code(row["source_language"], place), _code(row["target_language"], place))
        return _Recording(row["source"], row["target"], pair, row.get("system") or "")
    except (KeyError, TypeError):
        raise SourceError(
            f"{place}: expected source, target, source_language, target_language and, if known, system"
        ) from None


def _code(spelling: str, place: str) -> str:
    found = find(spelling)
    if found is None:
        raise SourceError(f"{place}: no language is called {spelling!r}")
    return found.code


def _folder(path: Path) -> Iterator[_Recording]:
    """Everything below a folder in the layout of the evaluation of Firefox's models."""
    english = next(path.rglob("flores-test.en"), None)
    if english is None:
        raise SourceError(f"{path}: no flores-test.en below it, as in the evaluation of Firefox's translation models")
    sources = english.read_text("utf-8").splitlines()
    for folder in sorted(path.glob("en-*")):
        code = folder.name.removeprefix("en-")
        language = find({"tl": "fil", "zh": "zho_Hans"}.get(code, code))
        for file in sorted(folder.glob(f"flores-test.*.{code}")):
            system = file.name.split(".")[1]
            if language is not None:
                lines = file.read_text("utf-8").splitlines()
                for source, target in itertools.zip_longest(sources, lines):
                    if source is None or target is None:
                        raise SourceError(f"{file}: {len(lines)} lines, expected {len(sources)}")
                    yield _Recording(source, target, ("eng_Latn", language.code), system)
