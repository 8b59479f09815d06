"""Any tabular data set, by a column mapping in the configuration: Alpaca, the Data Provenance collection, a CSV.

[[sources]]
kind = "table"
path = "alpaca.json"

    [sources.options]
    name = "alpaca"
    inputs = "{instruction}\\n{input}"
    targets = "{output}"
    language = "eng_Latn"
    license = "CC-BY-NC-4.0"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collection.record import Message
from core.errors import ConfigError
from pipelines.ingest.sources.base import Parsed, Pattern, SourceOptions, language_of, split_in_path


class Table:
    """See the module. Columns that are named but absent make the row a reject; empty ones are empty text."""

    def __init__(self, options: SourceOptions) -> None:
        self._options = options
        self.name = options.name or "table"
        self._inputs, self._targets, self._system = (
            Pattern(text) for text in (options.inputs, options.targets, options.system)
        )
        self._language, self._id, self._split = Pattern(options.language), Pattern(options.id), Pattern(options.split)
        labels = [Pattern(text) for text in (options.dataset or self.name, options.template, options.task)]
        self._dataset, self._template, self._task = labels
        if not self._targets.columns:
            raise ConfigError(
                f"the mapping targets = {options.targets!r} names no column: expected something like '{{output}}'"
            )

    def parse(self, row: Mapping[str, Any], file: str) -> Parsed:
        messages = [Message("user", self._inputs.fill(row)), Message("assistant", self._targets.fill(row))]
        if self._system.text and (system := self._system.fill(row)):
            messages.insert(0, Message("system", system))
        return Parsed(
            messages,
            language_of(self._language.fill(row)),
            self._id.fill(row),
            self._dataset.fill(row),
            self._template.fill(row),
            self._task.fill(row),
            self._split.fill(row) or split_in_path(file),
            self._options.origin or "human",
            self._options.license or "unknown",
        )
