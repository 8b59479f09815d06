"""Write into a finished run's manifest what its remote requests cost."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from collection.manifest import Manifest
from core.remote import RemoteJob

_UNKNOWN: Final = "what was spent is not known: workers on other machines count for themselves"


def note_usage(job: RemoteJob, manifest: Manifest, out: Path) -> Manifest:
    """Return the manifest with the run's usage, and write it to `out` again where that changes it."""
    if job.has_spent:
        usage = job.spending().to_json()
        if manifest.usage != usage:
            manifest.usage = usage
            manifest.write(out)
    elif job.spread and _UNKNOWN not in manifest.notes:
        manifest.notes.append(_UNKNOWN)
        manifest.write(out)
    return manifest
