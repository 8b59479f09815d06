"""The table of translation engines. An engine is imported when it is asked for."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from core.errors import ConfigError, UnknownNameError
from pipelines.augment.translators.base import Outcome, Translated, Translator, Untranslated

if TYPE_CHECKING:
    from pipelines.augment.translators.config import EngineConfig

__all__ = ["TRANSLATORS", "Outcome", "Translated", "Translator", "Untranslated", "is_paid", "open_translator"]

# Name: its module, and whether a place follows it behind a colon.
TRANSLATORS: Final = {
    "apertium": ("pipelines.augment.translators.apertium", ""),
    "ctranslate2": ("pipelines.augment.translators.ctranslate2", "PATH"),
    "http": ("pipelines.augment.translators.http", "URL"),
    "replay": ("pipelines.augment.translators.replay", "PATH"),
}


@contextlib.contextmanager
def open_translator(spec: str, engines: EngineConfig, job: Any = None) -> Iterator[Translator]:
    """The engine that `NAME` or `NAME:PLACE` means, ready to translate. `job` is the RemoteJob of an engine that is
    asked over HTTP. UnknownNameError for a name that is in no table, and whatever the engine says against its place.
    """
    name, place = parse(spec)
    opened = importlib.import_module(TRANSLATORS[name][0]).opened
    with opened(place, engines, job) as translator:
        yield translator


def parse(spec: str) -> tuple[str, str]:
    """Name and place of an engine; UnknownNameError or ConfigError for what is neither."""
    name, _, place = spec.partition(":")
    forms = ", ".join(f"{known}:{what}" if what else known for known, (_, what) in TRANSLATORS.items())
    if name not in TRANSLATORS:
        raise UnknownNameError("translator", name, TRANSLATORS, f"expected one of {forms}")
    what = TRANSLATORS[name][1]
    if bool(what) != bool(place):
        raise ConfigError(f"--translator {spec}: expected {f'{name}:{what}' if what else name}")
    return name, place


def is_paid(spec: str) -> bool:
    """Whether an engine is asked over HTTP, and may cost money."""
    return parse(spec)[0] == "http"
