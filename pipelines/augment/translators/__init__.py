"""List the translation engines. `--help` reads this table, so it imports no engine and nothing heavy.

To add an engine, write a subclass of `Translator` in its own file and add one row to `TRANSLATORS`.
"""

from __future__ import annotations

import contextlib
import importlib
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple

from core.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from core.remote import RemoteJob
    from pipelines.augment.translators.base import Translator
    from pipelines.augment.translators.config import EngineConfig

__all__ = [
    "TRANSLATORS",
    "TranslatorRow",
    "forms",
    "open_translator",
    "parse",
    "translator_class",
]


class TranslatorRow(NamedTuple):
    """Where the class of an engine is, and the word for what follows its name after a colon ("" for nothing)."""

    module: str
    name: str
    argument: str = ""


TRANSLATORS: Final[dict[str, TranslatorRow]] = {
    "apertium": TranslatorRow("pipelines.augment.translators.apertium", "Apertium"),
    "ctranslate2": TranslatorRow("pipelines.augment.translators.ctranslate2", "CTranslate2", "PATH"),
    "http": TranslatorRow("pipelines.augment.translators.http", "HttpTranslator", "URL"),
    "replay": TranslatorRow("pipelines.augment.translators.replay", "ReplayTranslator", "PATH"),
}


def forms() -> str:
    """Return how each engine is written on the command line, for help texts and errors."""
    *first, last = (f"{name}:{row.argument}" if row.argument else name for name, row in TRANSLATORS.items())
    return f"{', '.join(first)} or {last}"


def parse(spec: str) -> tuple[str, str]:
    """Return the engine's name and argument.

    Raises:
        UnknownNameError: no engine has this name.
        ConfigError: the argument is missing, or the engine takes none.
    """
    name, _, argument = spec.partition(":")
    if name not in TRANSLATORS:
        raise UnknownNameError("translator", name, TRANSLATORS, f"expected {forms()}")
    expected = TRANSLATORS[name].argument
    if bool(expected) != bool(argument):
        raise ConfigError(f"--translator {spec}: expected {f'{name}:{expected}' if expected else name}")
    return name, argument


def translator_class(spec: str) -> type[Translator]:
    """Import and return the class of an engine; errors as of `parse`."""
    row = TRANSLATORS[parse(spec)[0]]
    found: type[Translator] = getattr(importlib.import_module(row.module), row.name)
    return found


def open_translator(
    spec: str, engines: EngineConfig, job: RemoteJob | None = None
) -> AbstractContextManager[Translator]:
    """Open the engine that `NAME` or `NAME:ARGUMENT` means. Engines that ask a server spend within `job`'s budget."""
    return contextlib.contextmanager(translator_class(spec).opened)(parse(spec)[1], engines, job)
