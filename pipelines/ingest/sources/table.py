"""Parse any table by a column mapping in the configuration: Alpaca, the Data Provenance collection, a CSV.

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
from dataclasses import dataclass
from typing import Any

from collection.record import Message
from core.errors import ConfigError
from pipelines.ingest.sources.base import Parsed, Pattern, SourceKind, SourceOptions, language_of, split_in_path


@dataclass(frozen=True)
class TableOptions(SourceOptions):
    """How a table is read: text with `{column}` for the value of a column, `{a.b}` for a field inside one."""

    inputs: str = "{inputs}"  # the prompt: text with {column} in it
    targets: str = "{targets}"  # the answer
    system: str = ""  # the system turn before the conversation
    id: str = ""  # the id that the row has in its source
    dataset: str = ""  # the data set; empty: `name`
    template: str = ""  # the template
    task: str = ""  # the task
    split: str = ""  # train, validation or test; empty: what the file's name says


class TableSource(SourceKind):
    """Rows of any table. A column that is mapped but absent makes the row a reject; an empty one is empty text."""

    help = "any table: CSV, JSON lines or Parquet, by a mapping of its columns"
    default_name = "table"
    Options = TableOptions
    _options: TableOptions

    def __init__(self, options: TableOptions) -> None:
        super().__init__(options)
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

    def check_language(self, language: str) -> None:
        """Raise UnknownNameError for a language option that is neither a pattern nor a language."""
        if "{" not in language:
            super().check_language(language)

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
