"""What tests share: the real data where it is there, small sources, a quick ingest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """The path of a real data set; the test is skipped, with the reason, where it is not at hand."""
    base = Path(os.environ.get("GLOTMILL_SHARED", ROOT.parent / "shared"))

    def find(name: str) -> Path:
        path = base / name
        if not path.exists():
            pytest.skip(f"the data set {name} is not on this machine (GLOTMILL_SHARED says where such sets are)")
        return path

    return find


@pytest.fixture
def write_lines() -> Callable[[Path, Iterable[Any]], Path]:
    """Writes JSON lines; a string or bytes among the rows is written as it is."""

    def write(path: Path, rows: Iterable[Any]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            for row in rows:
                if isinstance(row, bytes):
                    file.write(row + b"\n")
                else:
                    text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)
                    file.write(text.encode("utf-8", "surrogatepass") + b"\n")
        return path

    return write
