"""Apertium: rules and dictionaries, a pipe of installed programs; `apertium -l` names its pairs.

A call takes some tenths of a second to begin, so many lines go through one. Each line is a paragraph of its own, so
that no rule reaches from one into the next.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import xxhash

from collection.languages import Language, table
from collection.reject import Reason
from core.errors import GlotmillError, UserError
from core.remote import RemoteJob
from pipelines.augment.translators.base import Outcome, Translated, Translator, Untranslated
from pipelines.augment.translators.config import EngineConfig

_LINES_A_CALL: Final = 2_000
_SECONDS_A_CALL: Final = 900
# What Apertium puts before words: not in its dictionary, not in its bilingual one, not to be inflected.
_NOTES: Final = {"*": re.compile(r"\*(?=\w)"), "@": re.compile(r"(?<!\w)@(?=\w)"), "#": re.compile(r"(?<!\w)#(?=\w)")}
_MODES: Final = ("/usr/share/apertium/modes", "/usr/local/share/apertium/modes")


class Apertium(Translator):
    """See the module. UserError where it is not installed."""

    work_a_byte = 100.0  # its programs use one core each
    placeholder = "XQ{}QX"

    @classmethod
    def opened(cls, argument: str, engines: EngineConfig, job: RemoteJob | None) -> Iterator[Translator]:
        yield cls()

    def __init__(self) -> None:
        if shutil.which("apertium") is None:
            raise UserError(
                "the translator apertium is not installed: install it with a pair of languages, such as "
                "`apt-get install apertium apertium-eng-spa`, or choose another --translator"
            )
        self._pairs = frozenset(_run(["apertium", "-l"], "", 60).split())
        # An older Apertium says its version on stderr, or not at all.
        self._version = next(iter(re.findall(r"\d+(?:\.\d+)+", _run(["apertium", "-V"], "", 60))), "")

    def generator(self, source: Language, target: Language) -> str | None:
        mode = self._mode(source, target)
        return f"apertium {self._version} {mode} {_data_hash(mode)}".strip() if mode else None

    def signature(self, targets: Sequence[Language]) -> str:
        modes = {mode for one in table().values() for target in targets if (mode := self._mode(one, target))}
        return f"apertium {self._version} " + " ".join(f"{mode} {_data_hash(mode)}" for mode in sorted(modes))

    def translate(self, lines: Sequence[str], source: Language, target: Language) -> list[Outcome]:
        mode = self._mode(source, target)
        if mode is None:
            raise GlotmillError(f"apertium was asked for {source} to {target}, which it has no mode for")
        outcomes: list[Outcome] = []
        for start in range(0, len(lines), _LINES_A_CALL):
            outcomes += _translate(lines[start : start + _LINES_A_CALL], mode)
        return outcomes

    def _mode(self, source: Language, target: Language) -> str | None:
        """The pair of codes that Apertium has the two languages under: of three letters, or of two as in older data."""
        names = (f"{a}-{b}" for a in _codes(source) for b in _codes(target))
        return next((name for name in names if name in self._pairs), None)


def _codes(language: Language) -> list[str]:
    """How Apertium may call a language; in another script than the usual one it has none."""
    if not language.is_default_variety:
        return []
    return list(dict.fromkeys(filter(None, (language.iso639_3, language.tag.split("-")[0], language.macrolanguage))))


def _translate(lines: Sequence[str], mode: str) -> list[Outcome]:
    """The lines in one call; in halves where they do not all come back, or the engine fails."""
    text = "\n\n".join([" ".join(line.split()) or "." for line in lines])
    try:
        found = _run(["apertium", mode], text + "\n", _SECONDS_A_CALL).rstrip("\n").split("\n\n")
    except GlotmillError as error:
        if len(lines) == 1:
            return [Untranslated(Reason.NOT_TRANSLATED, str(error))]
        found = []
    if len(found) != len(lines):
        if len(lines) == 1:
            return [Untranslated(Reason.NOT_TRANSLATED, f"apertium made {len(found)} lines of one")]
        middle = len(lines) // 2
        return [*_translate(lines[:middle], mode), *_translate(lines[middle:], mode)]
    return [_without_notes(line, target) for line, target in zip(lines, found, strict=True)]


def _without_notes(source: str, target: str) -> Translated:
    """A translation without Apertium's notes on its words, which are counted. What the source has itself stays."""
    count = 0
    for note, pattern in _NOTES.items():
        if note not in source:
            target, found = pattern.subn("", target)
            count += found
        else:  # whose they are cannot be told
            count += max(0, target.count(note) - source.count(note))
    return Translated(target, count)


def _run(command: Sequence[str], text: str, seconds: float) -> str:
    try:
        done = subprocess.run(command, input=text.encode("utf-8", "replace"), capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise GlotmillError(f"{' '.join(command)} took more than {seconds:g} s") from None
    except OSError as error:
        raise UserError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GlotmillError(f"{' '.join(command)} ended with {done.returncode}: {told[-1] if told else ''}")
    return done.stdout.decode("utf-8", "replace")


@functools.cache
def _data_hash(mode: str) -> str:
    """16 hex digits over the files of a pair: its version, whoever installed it. "" where they are not found."""
    file = next((path for folder in _MODES if (path := Path(folder) / f"{mode}.mode").is_file()), None)
    if file is None:
        return ""
    digest = xxhash.xxh3_64()
    pipe = file.read_text("utf-8")
    digest.update(pipe.encode())
    for name in re.findall(r"'([^']+)'", pipe):
        if (data := Path(name)).is_file():
            digest.update(data.read_bytes())
    return digest.hexdigest()
