"""Define what all sources share: options, parsed rows, and functions that take fields out of raw rows."""

from __future__ import annotations

import functools
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, Protocol

from collection.languages import Language, find, resolve
from collection.record import Message
from collection.reject import Reason
from core.errors import ConfigError, nearest


@dataclass(frozen=True)
class SourceOptions:
    """How one source is read. An empty option means the default of its kind."""

    name: str = ""  # the `source` column of its records
    language: str = ""  # of rows that name none, in any spelling; for a table also `{column}`
    license: str = ""  # SPDX id
    origin: Literal["", "human", "template", "translated", "synthetic"] = ""  # human, template, translated, synthetic
    encoding: str = "utf-8"  # of its text files; a byte order mark is believed first


@dataclass(slots=True)
class Parsed:
    """A row as its source has it, before any clean-up. `declared` is None if the source names no language.

    `repairs` names the repairs that made a conversation of it.
    """

    messages: Sequence[Message]
    declared: Language | None = None
    source_id: str = ""
    dataset: str = ""
    template: str = ""
    task: str = ""
    split: str = ""
    origin: str = "human"
    license: str = "unknown"
    generator: str | None = None
    repairs: tuple[str, ...] = ()


class ParseFault(Exception):
    """A row that cannot be parsed, with the reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class RowSource(Protocol):
    """What turns the raw rows of one source into parsed ones. `name` is the `source` column."""

    name: str

    def parse(self, row: Mapping[str, Any], file: str) -> Parsed:
        """Return what a raw row says, or raise ParseFault.

        Args:
            row: The row as its file has it.
            file: The path of the file below the root of the source: folders may name the language and the split.
        """


class SourceKind(ABC):
    """A kind of source: its options, their checks, and how its rows are parsed.

    A subclass with options of its own names their class as `Options`.
    """

    help: ClassVar[str]  # one line for people who choose a kind
    default_name: ClassVar[str]  # the `source` column where the options give none
    Options: ClassVar[type[SourceOptions]] = SourceOptions
    published_cap: ClassVar[int] = 0  # the publisher cut each file at this many rows; 0: it did not

    def __init__(self, options: SourceOptions) -> None:
        self._options = options
        self.name = options.name or self.default_name
        self.check_language(options.language)

    def check_language(self, language: str) -> None:
        """Raise UnknownNameError for a language option that names no language."""
        if language:
            resolve(language)

    @abstractmethod
    def parse(self, row: Mapping[str, Any], file: str) -> Parsed:
        """Return what a raw row says, or raise ParseFault. See RowSource."""


def text_field(row: Mapping[str, Any], name: str) -> str:
    """Return a text field that every row of the source has; a number is returned as its digits."""
    value = row.get(name)
    if isinstance(value, str):
        return value
    if value is None:
        have = ", ".join(map(str, list(row)[:12]))
        raise ParseFault(Reason.MISSING_FIELD, f"no {name!r} in the row, which has: {have}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ParseFault(Reason.MISSING_FIELD, f"{name!r} is of type {type(value).__name__}, expected text")


def label(row: Mapping[str, Any], *names: str) -> str:
    """Return the first of several fields that has a value, as text; "" without one. Some copies hold numbers."""
    for name in names:
        value = row.get(name)
        if value is not None and value != "":
            return value if isinstance(value, str) else as_json(value)
    return ""


def as_json(value: Any) -> str:
    """Return a value that is not text as JSON; ParseFault for a value that JSON cannot hold."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ParseFault(Reason.MISSING_FIELD, "lists or objects nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise ParseFault(Reason.MISSING_FIELD, f"expected text: {error}") from error


def language_of(named: str, *hints: str) -> Language | None:
    """Return the language that a row names, or else the first hint (a folder, an option) that is one, or None.

    Raises:
        ParseFault: The row names an unknown language, and no hint is one.
    """
    for spelling in (named, *hints):
        if spelling and (language := find(spelling)):
            return language
    if named:
        raise ParseFault(Reason.UNKNOWN_LANGUAGE, unknown_language(named))
    return None


def unknown_language(spelling: str) -> str:
    """Return the detail of a reject for a spelling that is not a language."""
    from collection.languages import table

    close = nearest(spelling, [name for row in table().values() for name in (row.name, row.code, *row.aliases)])
    return f"no language is called {spelling!r}" + (f"; the nearest are {', '.join(close)}" if close else "")


@functools.lru_cache(maxsize=1024)
def split_in_path(file: str) -> str:
    """Return the split that a file's name or folder names: train, validation or test; "" if they name none."""
    for part in reversed(re.split(r"[/\\]", file)):
        words = re.split(r"[^a-z]+", part.lower())
        for split, spellings in _SPLITS.items():
            if any(spelling in words for spelling in spellings):
                return split
    return ""


_SPLITS: Final = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "eval"),
}


def folders_of(file: str) -> list[str]:
    """Return the folders of a path, the innermost first."""
    return list(reversed(re.split(r"[/\\]", file)[:-1]))


@dataclass(frozen=True, slots=True)
class Pattern:
    """Text with `{column}` in it, from the column mapping of a table."""

    text: str
    pieces: tuple[str, ...] = field(init=False)
    columns: tuple[str, ...] = field(init=False)
    only: str = field(init=False)  # the column if the text is one column and nothing else, or ""

    def __post_init__(self) -> None:
        pieces = tuple(re.split(r"\{([^{}]+)\}", self.text))
        if any("{" in piece or "}" in piece for piece in pieces[::2]):
            raise ConfigError(f"column mapping {self.text!r}: braces must stand in pairs around a column's name")
        object.__setattr__(self, "pieces", pieces)
        object.__setattr__(self, "columns", pieces[1::2])
        object.__setattr__(self, "only", pieces[1] if len(pieces) == 3 and not pieces[0] + pieces[2] else "")

    def fill(self, row: Mapping[str, Any]) -> str:
        """Return the text with the values of its columns, without blanks at its ends."""
        if not self.columns:
            return self.text
        if self.only:
            value = row.get(self.only)
            return value.strip() if type(value) is str else self._value(row, self.only)
        return "".join(
            [piece if index % 2 == 0 else self._value(row, piece) for index, piece in enumerate(self.pieces)]
        ).strip()

    def _value(self, row: Mapping[str, Any], column: str) -> str:
        if column in row:
            value = row[column]
        else:
            value = row
            for part in column.split("."):
                if not isinstance(value, Mapping) or part not in value:
                    have = ", ".join(map(str, list(row)[:12]))
                    raise ParseFault(Reason.MISSING_FIELD, f"no column {column!r} in the row, which has: {have}")
                value = value[part]
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, bool | int | float):
            return str(value)
        raise ParseFault(Reason.MISSING_FIELD, f"column {column!r} is of type {type(value).__name__}, expected text")
