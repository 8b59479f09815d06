"""Statistics of a collection: rows, lengths, origins, licences and sources, by language.

Statistics of parts add up, so that each worker counts what it writes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from collection.languages import find
from collection.store import batches, parts
from core.errors import SourceError

# `provenance` is source, origin and licence together, with tabs between.
_BY: Final = ("split", "source", "dataset", "origin", "license", "provenance")
_PROVENANCE: Final = ("source", "origin", "license")


@dataclass
class LanguageStats:
    """What one language has. Lengths are in characters; `lengths` counts targets by the power of two below theirs."""

    rows: int = 0
    turns: int = 0
    prompt_characters: int = 0
    target_characters: int = 0
    target_bytes: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    by: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in _BY})

    def add(self, other: LanguageStats) -> None:
        self.rows += other.rows
        self.turns += other.turns
        self.prompt_characters += other.prompt_characters
        self.target_characters += other.target_characters
        self.target_bytes += other.target_bytes
        self.lengths.update(other.lengths)
        for name in _BY:
            self.by[name].update(other.by[name])

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "turns": self.turns,
            "prompt_characters": self.prompt_characters,
            "target_characters": self.target_characters,
            "target_bytes": self.target_bytes,
            "target_lengths": {str(1 << power): self.lengths[power] for power in sorted(self.lengths)},
            **{name: dict(sorted(self.by[name].items())) for name in _BY},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LanguageStats:
        return cls(
            values["rows"],
            values["turns"],
            values["prompt_characters"],
            values["target_characters"],
            values["target_bytes"],
            Counter({int(least).bit_length() - 1: count for least, count in values["target_lengths"].items()}),
            {name: Counter(values[name]) for name in _BY},
        )


def measure(table: pa.Table | pa.RecordBatch, split: str | None = None) -> LanguageStats:
    """Statistics of records of one language. `split` replaces the column of the records, which is the source's."""
    stats = LanguageStats(rows=table.num_rows)
    if not table.num_rows:
        return stats
    messages = table.column("messages")
    if isinstance(messages, pa.ChunkedArray):
        messages = pa.concat_arrays(messages.chunks)
    contents = messages.flatten().field("content")
    lengths = pc.utf8_length(contents)
    ends = pc.subtract(messages.offsets[1:], messages.offsets[0])
    last = pc.subtract(ends, 1)
    targets = lengths.take(last)
    stats.turns = len(contents)
    stats.target_characters = pc.sum(targets).as_py() or 0
    stats.prompt_characters = (pc.sum(lengths).as_py() or 0) - stats.target_characters
    stats.target_bytes = pc.sum(pc.binary_length(contents.take(last))).as_py() or 0
    powers = pc.cast(pc.floor(pc.log2(pc.max_element_wise(targets, 1))), pa.int32())
    stats.lengths = _counted(powers)
    for name in _BY:
        if name == "split" and split is not None:
            stats.by[name][split] = table.num_rows
        elif name == "provenance":
            joined = pc.binary_join_element_wise(*(table.column(column) for column in _PROVENANCE), "\t")
            stats.by[name] = _counted(joined)
        else:
            stats.by[name] = _counted(table.column(name))
    return stats


def _counted(column: Any) -> Counter[Any]:
    return Counter({item["values"]: item["counts"] for item in pc.value_counts(column).to_pylist()})


def by_language(folder: Path) -> dict[str, LanguageStats]:
    """Statistics of every language in a folder that a command wrote: from its `stats.json`, or counted.

    SourceError where `stats.json` is damaged.
    """
    path = folder / "stats.json"
    if path.exists():
        try:
            values = json.loads(path.read_text("utf-8"))
            return {code: LanguageStats.from_json(item) for code, item in values["languages"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise SourceError(f"{path} cannot be read: {error!r}; `glotmill build` writes it anew") from error
    found: dict[str, LanguageStats] = {}
    for part in parts(folder):
        for batch in batches(part):
            for code in pc.unique(batch.column("language")).to_pylist():
                rows = batch.filter(pc.equal(batch.column("language"), code))
                found.setdefault(code, LanguageStats()).add(measure(rows))
    return dict(sorted(found.items()))


def total(stats: Iterable[LanguageStats]) -> LanguageStats:
    """All together."""
    everything = LanguageStats()
    for one in stats:
        everything.add(one)
    return everything


def to_json(languages: Mapping[str, LanguageStats]) -> dict[str, Any]:
    """Return the content of `stats.json`: totals, and each language with name, script, family and resource class."""
    described = {}
    for code, stats in sorted(languages.items()):
        language = find(code)
        described[code] = {
            "name": language.name if language else code,
            "script": language.script.name if language else "",
            "family": language.family if language else "",
            "resource": language.resource if language else None,
            "aya": language.aya if language else None,
            **stats.to_json(),
        }
    return {"total": total(languages.values()).to_json(), "languages": described}
