"""Who answers: a server, or a recording. A generator is imported when it is asked for.

`http:URL` asks a chat server, `replay:PATH` a file of answers. The model stands behind the URL: `http:URL#MODEL`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urldefrag

from core.errors import ConfigError, UnknownNameError
from pipelines.augment.generators.base import Generator, GeneratorConfig, Question

if TYPE_CHECKING:
    from core.remote import Session

__all__ = ["GENERATORS", "Generator", "GeneratorConfig", "Question", "configured", "is_paid", "open_generator"]

GENERATORS: Final = {"http": "URL", "replay": "PATH"}


def parse(spec: str) -> tuple[str, str]:
    """Kind and place of a generator: `http` and its URL, `replay` and its path.

    UnknownNameError for another kind, ConfigError where the place is missing.
    """
    kind, _, place = spec.partition(":")
    if kind in ("http", "https") and place.startswith("//"):
        return "http", spec  # a URL alone is clear enough
    forms = ", ".join(f"{name}:{what}" for name, what in GENERATORS.items())
    if kind not in GENERATORS:
        raise UnknownNameError("generator", spec, GENERATORS, f"expected one of {forms}")
    if not place:
        raise ConfigError(f"--generator {spec}: expected {kind}:{GENERATORS[kind]}")
    return kind, place


def configured(spec: str, base: GeneratorConfig) -> GeneratorConfig:
    """The generator that a word of the command line means, with all else as in `base`."""
    kind, place = parse(spec)
    bare, model = urldefrag(place) if kind == "http" else (place, "")
    return replace(base, spec=f"{kind}:{bare}", model=model or base.model)


def is_paid(config: GeneratorConfig) -> bool:
    """Whether it is asked over HTTP, and may cost money."""
    return parse(config.spec)[0] == "http"


def open_generator(config: GeneratorConfig, session: Session) -> Generator:
    """The generator, asked through a session that also closes it; ConfigError for what cannot be asked."""
    kind, place = parse(config.spec)
    if kind == "replay":
        from pipelines.augment.generators.replay import ReplayGenerator

        return ReplayGenerator(place)
    from pipelines.augment.generators.http import HttpGenerator

    return HttpGenerator(place, config, session)
