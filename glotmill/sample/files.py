"""Read the sample's own tables and write its JSON files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any


def read_table(name: str) -> list[dict[str, str]]:
    """Return the rows of a TSV file of this package, each by column name."""
    text = resources.files("glotmill.sample").joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, and make the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def write_chats(path: Path, chats: Sequence[dict[str, Any]]) -> None:
    """Write chats in ShareGPT's format, and make the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(chats, ensure_ascii=False, indent=1), "utf-8")


def chat(name: str, language_tag: str, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return a chat in ShareGPT's format, from pairs of a prompt and its answer."""
    turns = [{"from": role, "value": text} for pair in pairs for role, text in zip(("human", "gpt"), pair, strict=True)]
    return {"id": name, "lang": language_tag, "conversations": turns}
