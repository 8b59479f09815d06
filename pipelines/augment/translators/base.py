"""What every translation engine is: lines of one language in, lines of another out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from collection.languages import Language
from collection.reject import Reason


class Translated(NamedTuple):
    """The translation of a line. `unknown` is how many words the engine says that it did not know."""

    text: str
    unknown: int = 0


class Untranslated(NamedTuple):
    """Why a line has no translation."""

    reason: Reason
    detail: str


Outcome = Translated | Untranslated


class Translator(Protocol):
    """One engine. A line holds no line end.

    `placeholder` is text with `{}` in it that the engine mostly lets through as it is: it stands for what is not to be
    translated. What is lost all the same is seen, and the line is translated in pieces. An engine for `whole_lines`
    gets lines of the text as they are, any other one its sentences.
    """

    placeholder: str
    whole_lines: bool

    def signature(self, targets: Sequence[Language]) -> str:
        """All that decides what translations into these languages are: another signature makes another run."""

    def generator(self, source: Language, target: Language) -> str | None:
        """Engine and version for a pair of languages, None where it has no such pair."""

    def translate(self, lines: Sequence[str], source: Language, target: Language) -> Sequence[Outcome]:
        """What becomes of each line, in their order. The pair is one that `generator` has a name for."""
