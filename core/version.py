"""Identify the running code by version and a hash of its sources, so that a resumed run never mixes two programs."""

from __future__ import annotations

import functools
import importlib.util
import platform
from pathlib import Path
from typing import Final

import xxhash

import core

VERSION = core.__version__


# Templates, styles and scripts of pages are left out: how a page looks changes no data, so a run may go on.
_HASHED: Final = frozenset({".py", ".tsv", ".toml", ".txt"})


@functools.cache
def code_hash(*packages: str) -> str:
    """xxh3-64 over all modules and data files of the packages, as 16 hex digits."""
    digest = xxhash.xxh3_64()
    for package in packages:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            for path in sorted(Path(folder).rglob("*")):
                if path.suffix in _HASHED and path.is_file():
                    digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def describe() -> dict[str, str]:
    """Version, Python and machine, for a manifest."""
    return {
        "glotmill": VERSION,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
