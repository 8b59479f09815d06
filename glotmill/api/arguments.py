"""Turn the arguments of a Python call into what the functions behind the commands take."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from core.config import build, merged, read_toml
from core.paths import as_path
from core.progress import Progress

Config = TypeVar("Config")
# A file or folder of this machine or of an object store.
PathLike = str | os.PathLike[str]
# A TOML file, or its keys and values.
ConfigLike = PathLike | Mapping[str, Any] | None
# Values by dotted key, such as {"filters.max_repetition": 0.8}.
Overrides = Mapping[str, Any] | None


def configured(cls: type[Config], config: ConfigLike, overrides: Overrides) -> Config:
    """Return the configuration as a `cls`, with the overrides applied, as `--config` and `--set` do.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type or range.
    """
    values = config if isinstance(config, Mapping) else read_toml(as_path(os.fspath(config))) if config else {}
    settings = [
        f"{key}={json.dumps(value, ensure_ascii=False, default=str)}" for key, value in (overrides or {}).items()
    ]
    return build(cls, merged(values, settings))


def path_of(path: PathLike) -> Path:
    """Return the path that a text or path-like object names."""
    return as_path(str(path))  # str, since os.fspath takes the protocol off a path in an object store


def paths_of(paths: PathLike | Iterable[PathLike]) -> list[Path]:
    """Return one path or several as a list."""
    return [path_of(paths)] if isinstance(paths, str | os.PathLike) else [path_of(path) for path in paths]


def progress_of(shown: bool) -> Progress:
    """Return a progress display on stderr, or a silent one."""
    return Progress.on_stderr() if shown else Progress.silent()
