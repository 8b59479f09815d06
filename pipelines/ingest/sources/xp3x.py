"""Parse xP3x and xP3: prompted task data in JSON lines, a folder a language, a file a data set, split and prompt.

xP3x rows hold `inputs`, `targets`, `language`, `split`, `template`, `dataset`, `config`; xP3 rows only the first two. A
field in the row counts before the folder: the script that made the folders gave some languages the wrong code. The
publisher cut each file at 100,000 rows; the notes of the manifest list such files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from collection.record import Message
from pipelines.ingest.sources.base import (
    Parsed,
    SourceKind,
    folders_of,
    label,
    language_of,
    split_in_path,
    text_field,
)

_EXTENSIONS = re.compile(r"\.(jsonl?|parquet|csv|tsv)(\.\w+)?$", re.IGNORECASE)


class Xp3x(SourceKind):
    """Rows of xP3x and xP3. See the module."""

    help = "xP3x and xP3: prompted task data"
    default_name = "xp3x"
    published_cap = 100_000

    def parse(self, row: Mapping[str, Any], file: str) -> Parsed:
        messages = (Message("user", text_field(row, "inputs")), Message("assistant", text_field(row, "targets")))
        merged = re.match(r"merged_(\w+?)\.json", PurePosixPath(file).name)
        file_code = [merged[1]] if merged else []
        return Parsed(
            messages,
            language_of(label(row, "language"), *file_code, *folders_of(file)[:1], self._options.language),
            dataset=self._dataset(row, file),
            template=label(row, "template"),
            split=label(row, "split") or split_in_path(file),
            origin=self._options.origin or "template",
            license=self._options.license or "Apache-2.0",
        )

    def _dataset(self, row: Mapping[str, Any], file: str) -> str:
        dataset, config = label(row, "dataset"), label(row, "config")
        if not dataset:
            return _EXTENSIONS.sub("", PurePosixPath(file).name).removeprefix("xp3_")
        return f"{dataset}/{config}" if config and config != "None" else dataset
