"""The sources that can be ingested: a table from KIND to the class that parses its rows, imported when it is used."""

from __future__ import annotations

import importlib
from typing import Final

from collection.languages import resolve
from core.errors import UnknownNameError
from pipelines.ingest.sources.base import Source, SourceOptions

SOURCES: Final = {
    "xp3x": "pipelines.ingest.sources.xp3x:Xp3x",
    "aya": "pipelines.ingest.sources.aya:AyaDataset",
    "aya_collection": "pipelines.ingest.sources.aya:AyaCollection",
    "sharegpt": "pipelines.ingest.sources.sharegpt:ShareGpt",
    "table": "pipelines.ingest.sources.table:Table",
}


def make_source(kind: str, options: SourceOptions) -> Source:
    """The parser of a kind of source; UnknownNameError for a kind or a language that is none."""
    if kind not in SOURCES:
        raise UnknownNameError("kind of source", kind, SOURCES, f"expected one of {', '.join(SOURCES)}")
    if options.language and "{" not in options.language:
        resolve(options.language)
    module, _, name = SOURCES[kind].partition(":")
    source: Source = getattr(importlib.import_module(module), name)(options)
    return source
