"""Name the kinds of source that can be ingested. A class is imported when it is first used.

To add a kind, write a SourceKind in a file of this folder and give it a row in SOURCES.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from core.errors import UnknownNameError

if TYPE_CHECKING:
    from pipelines.ingest.sources.base import SourceKind, SourceOptions

SOURCES: Final[dict[str, str]] = {
    "xp3x": "pipelines.ingest.sources.xp3x:Xp3x",
    "aya": "pipelines.ingest.sources.aya:AyaDataset",
    "aya_collection": "pipelines.ingest.sources.aya:AyaCollection",
    "sharegpt": "pipelines.ingest.sources.sharegpt:ShareGpt",
    "table": "pipelines.ingest.sources.table:TableSource",
}


def source_class(kind: str) -> type[SourceKind]:
    """Return the class of a kind of source; UnknownNameError for a kind that is not in SOURCES."""
    if kind not in SOURCES:
        raise UnknownNameError("kind of source", kind, SOURCES, f"expected one of {', '.join(SOURCES)}")
    module, _, name = SOURCES[kind].partition(":")
    cls: type[SourceKind] = getattr(importlib.import_module(module), name)
    return cls


def make_source(kind: str, options: SourceOptions | None = None) -> SourceKind:
    """Return the parser of a kind of source; UnknownNameError for a kind or a language that is not known."""
    cls = source_class(kind)
    return cls(options or cls.Options())
