"""Add up the manifests of the demo's stages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collection.manifest import Manifest
from collection.stats import LanguageStats, by_language

# The stages that read or make rows, in order. The collection is last; Apertium's folder may be missing.
_STAGES = (
    *("ingested-xp3x", "ingested", "templated", "to-translate", "translated", "apertium"),
    *("curt", "synthesized", "collection"),
)


@dataclass(frozen=True)
class DemoResult:
    """The rows of the demo: read, kept in the collection, and rejected by any stage."""

    rows_in: int
    rows_out: int
    rejected: Mapping[str, int]  # by reason
    languages: Mapping[str, LanguageStats]  # of the collection

    @classmethod
    def read(cls, out: Path) -> DemoResult:
        """Read the manifests below `out`."""
        manifests = [Manifest.read(out / name) for name in _STAGES if (out / name / "manifest.json").exists()]
        rejected: Counter[str] = Counter()
        for manifest in manifests:
            rejected.update(manifest.rejected)
        # The collection reads only rows that earlier stages wrote, so its input is not counted again.
        rows_in = sum(manifest.rows_in for manifest in manifests[:-1])
        return cls(rows_in, manifests[-1].rows_out, rejected, by_language(out / "collection"))

    def to_json(self) -> dict[str, Any]:
        """Return the fields that `glotmill demo --json` prints."""
        return {
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "rows_rejected": self.rows_in - self.rows_out,
            "rejected": self.rejected,
            "languages": {code: stats.rows for code, stats in self.languages.items()},
        }
