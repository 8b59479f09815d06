"""Define a translation engine: lines of one language in, lines of another out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from collection.languages import Language
from collection.reject import Reason
from core.remote.config import Prices

if TYPE_CHECKING:
    from core.remote import RemoteJob, Request
    from pipelines.augment.translators.config import EngineConfig


class Translated(NamedTuple):
    """The translation of a line. `unknown` is how many words the engine says that it did not know."""

    text: str
    unknown: int = 0


class Untranslated(NamedTuple):
    """Why a line has no translation."""

    reason: Reason
    detail: str


Outcome = Translated | Untranslated


class Translator(ABC):
    """A translation engine. Lines hold no line ends.

    `placeholder` is text with `{}` in it that the engine usually copies. It marks what must not be translated. Where a
    placeholder is lost, the line is translated in fragments. An engine for `whole_lines` gets the lines of a text;
    other engines get its sentences.
    """

    paid: ClassVar[bool] = False  # whether it asks a server, which may cost money
    work_a_byte: ClassVar[float] = 0.0  # 0: one process is best; else how much more work a byte is than in ingest
    placeholder: str
    whole_lines: bool = False

    @classmethod
    @abstractmethod
    def opened(cls, argument: str, engines: EngineConfig, job: RemoteJob | None) -> Iterator[Translator]:
        """Yield the engine once, then close it. `argument` is the text after the colon of its name."""

    @classmethod
    def check(cls, argument: str, engines: EngineConfig) -> None:
        """Raise ConfigError for an argument or options that cannot work, before anything is opened."""
        return None

    @classmethod
    def prices(cls, engines: EngineConfig) -> Prices:
        """Return what the server asks for tokens, as the configuration says."""
        return Prices()

    @classmethod
    def request(
        cls, argument: str, line: str, source: Language, target: Language, engines: EngineConfig
    ) -> Request | None:
        """Return the request for one line, or None where the engine counts no tokens."""
        return None

    @abstractmethod
    def signature(self, targets: Sequence[Language]) -> str:
        """Return all that decides translations into these languages: another signature makes another run."""

    @abstractmethod
    def generator(self, source: Language, target: Language) -> str | None:
        """Return the engine and its version for a pair of languages, or None where it lacks the pair."""

    @abstractmethod
    def translate(self, lines: Sequence[str], source: Language, target: Language) -> Sequence[Outcome]:
        """Translate each line, in order, between a pair that `generator` has a name for."""
