"""Define the configuration of `glotmill ingest`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.config import build
from core.errors import ConfigError
from pipelines.ingest.clean import RowConfig
from pipelines.ingest.sources import SOURCES, make_source, source_class
from pipelines.ingest.sources.base import SourceKind, SourceOptions
from pipelines.runner import RunConfig


@dataclass(frozen=True)
class IngestSource:
    """One source of a run. Without `options` it has those of its kind."""

    kind: str
    path: str
    options: SourceOptions | None = None


def _default_options() -> dict[str, SourceOptions]:
    return {kind: source_class(kind).Options() for kind in SOURCES}


@dataclass(frozen=True)
class IngestConfig(RowConfig):
    """The configuration of `glotmill ingest`: what is read, what is done to it, where it runs.

    In a file, a section named as a kind of source holds the options for all sources of that kind.
    """

    sources: tuple[IngestSource, ...] = ()  # [[sources]] with kind, path and options; --source adds to them
    options: Mapping[str, SourceOptions] = field(default_factory=_default_options)
    run: RunConfig = field(default_factory=RunConfig)

    @classmethod
    def prepared(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a configuration file with the options of sources as objects of their kinds' classes."""
        sections = {name: value for name, value in values.items() if name not in SOURCES}
        options = {kind: build(source_class(kind).Options, values.get(kind, {}), f"{kind}.") for kind in SOURCES}
        return {**sections, "sources": _with_options(values.get("sources", ())), "options": options}

    def options_of(self, source: IngestSource) -> SourceOptions:
        """Return the options that a source is read with."""
        return source.options or self.options[source.kind]

    def make_sources(self) -> list[SourceKind]:
        """Return the parsers of the sources.

        Raises:
            ConfigError: There are no sources.
            UnknownNameError: A kind or a language is not known.
        """
        if not self.sources:
            kinds = ", ".join(SOURCES)
            raise ConfigError(f"no source was given: expected --source KIND=PATH, where KIND is one of {kinds}")
        for source in self.sources:
            source_class(source.kind)
        return [make_source(source.kind, self.options_of(source)) for source in self.sources]

    def paths(self) -> list[tuple[str, str]]:
        """Return the path of each source and the encoding of its text files."""
        return [(source.path, self.options_of(source).encoding) for source in self.sources]


def _with_options(sources: Any) -> Any:
    """Return the [[sources]] of a file with their options as objects. Values of other types are left to pydantic."""
    if not isinstance(sources, Sequence):
        return sources
    return [_with_own_options(source, f"sources[{index}].options.") for index, source in enumerate(sources)]


def _with_own_options(source: Any, path: str) -> Any:
    if not isinstance(source, Mapping) or not {"kind", "options"} <= source.keys():
        return source
    return {**source, "options": build(source_class(source["kind"]).Options, source["options"], path)}
