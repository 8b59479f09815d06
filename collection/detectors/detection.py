"""What a detector answers, and what a detector is."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from typing import Any, Final, NamedTuple, Protocol

from collection.languages import Language
from core.errors import MissingDependencyError


class Detection(NamedTuple):
    """What a detector says of one text.

    `language` is None where it cannot tell. `score` is how often such an answer is right, between 0 and 1, not the
    library's own figure. `groups` holds every language group that some of the evidence speaks for.
    """

    language: Language | None
    score: float = 0.0
    groups: frozenset[str] = frozenset()


UNKNOWN: Final = Detection(None)


class Detector(Protocol):
    """`signature` names the detector with the versions and model bytes that its answers depend on."""

    signature: str

    def detect(self, text: str, declared: Language | None = None) -> Detection:
        """Return the language of `text`. `declared` may save work, but never makes an answer more likely."""

    def knows(self, language: Language) -> bool:
        """Whether the detector could have named this language in this script, so that its silence says something."""


_LETTER: Final = re.compile(r"[^\W\d_]")


def has_letters(text: str) -> bool:
    """Whether there is anything in a text that has a language: detectors answer something to digits and blanks, too."""
    return _LETTER.search(text) is not None


# Texts longer than this, in characters, say nothing new about their language.
ENOUGH: Final = 1000


def library(module: str, package: str) -> Any:
    """Return the module of an optional package. Raise MissingDependencyError if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(package, "data", "language identification") from error


def version(package: str) -> str:
    """Return the version of an installed package."""
    return importlib.metadata.version(package)
