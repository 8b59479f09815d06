"""Describe a task: what is asked, which files hold its examples, and how answers are scored. A task is a TOML file.

Files are named by patterns that match the end of a path. `{language}` is a language in any spelling, `{split}` is one
of `splits`, and `{any}` is anything. `fields` name the columns of the file that the kind of the task needs;
`docs/evaluation.md` lists the kinds and their fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from core.errors import ConfigError

Suite = Literal["embed", "rerank", "chat"]
Format = Literal["lines", "jsonl", "json", "squad", "tsv", "csv", "parquet", "records"]
SUITES: Final = ("embed", "rerank", "chat")
_PLACE: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Files:
    """Where items stand."""

    files: tuple[str, ...]
    format: Format
    splits: tuple[str, ...] = ()  # which to judge by: the first that is there
    train: tuple[str, ...] = ()  # which to learn from: examples of few-shot prompts, probes
    marks: tuple[str, ...] = ()  # texts that stand at the beginning of such a file
    columns: tuple[str, ...] = ()  # of a table without a head
    quoted: bool = True  # whether a table's fields may stand in quotation marks
    beside: str = ""  # a file whose columns come beside, as other_NAME: parallel text
    join: str = ""  # the column that both share; "": line by line
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # only rows that have one of these values


@dataclass(frozen=True)
class Prompt:
    """One way of asking. `{name}` is a field, or one of the task's values."""

    name: str
    text: str


@dataclass(frozen=True)
class Task:
    """Everything about a task but its items."""

    name: str
    suite: Suite
    kind: str  # a kind of the suite: eval/suites/table.py
    about: str
    data: Files
    fields: Mapping[str, str]
    license: str = "unknown"
    prompts: tuple[Prompt, ...] = ()
    choices: tuple[str, ...] = ()  # templates, one an option; or the name of a field that holds a list: "[options]"
    values: Mapping[str, Mapping[str, str]] = field(
        default_factory=dict
    )  # name: field = NAME, and a text for each value
    metrics: tuple[str, ...] = ()  # of generated text, the first is the main one
    answer_language: str = ""  # what is generated is of this language, not the file's; "passage": of its passage's
    sentences: bool = False  # retrieval: a document is a sentence of a passage
    corpus: str = ""  # retrieval: whose documents are searched: "" the language's own, "*" all, or one language's
    answer_from: int = 0  # choice: the number of the first option, where answers are numbers
    refusals: bool = False  # open: what is asked should be refused
    max_tokens: int = 128
    shots: int = 0

    def __post_init__(self) -> None:
        where = f"the task {self.name}"
        if not re.fullmatch(r"[\w][\w.-]*", self.name):
            raise ConfigError(f"{where}: its name is part of paths; expected letters, digits, _, - and points")
        if self.shots < 0:
            raise ConfigError(f"{where}: shots is {self.shots}: expected 0 or more")
        if self.sentences and "documents" not in self.fields:
            raise ConfigError(f"{where}: fields lack documents, the list of all sentences, which sentences asks for")
        if not self.data.files:
            raise ConfigError(f"{where}: data.files names no files")
        for name, texts in self.values.items():
            if "field" not in texts:
                raise ConfigError(f"{where}: values.{name} lacks field, the column that decides")

    def filled(self, template: str, row: Mapping[str, Any]) -> str:
        """A template with a row's fields in it."""

        def put(match: re.Match[str]) -> str:
            name = match.group(1)
            if name in self.values:
                texts = self.values[name]
                seen = str(row.get(texts["field"], ""))
                if seen not in texts:
                    raise ConfigError(f"the task {self.name}: values.{name} has no text for {seen!r}")
                return texts[seen]
            if name not in row:
                raise ConfigError(
                    f"the task {self.name} speaks of {{{name}}}, which its rows do not have: {', '.join(row)}"
                )
            return str(row[name])

        return _PLACE.sub(put, template)

    def columns(self) -> set[str]:
        """The columns that prompts and choices speak of."""
        templates = [prompt.text for prompt in self.prompts] + list(self.choices)
        named = {name for text in templates for name in _PLACE.findall(text)}
        decided = {texts["field"] for name, texts in self.values.items() if name in named}
        return (named - self.values.keys() - {"language_name"}) | decided

    def pattern(self, file: str) -> re.Pattern[str]:
        """What a path looks like that the pattern `file` names; groups `language` and `split`."""
        seen: set[str] = set()

        def group(match: re.Match[str]) -> str:
            name = match.group(1)
            if name == "any":
                return "[^/]*"
            if name in seen:
                return f"(?P={name})"
            seen.add(name)
            known = "|".join(map(re.escape, dict.fromkeys((*self.data.splits, *self.data.train))))
            return f"(?P<{name}>{known})" if name == "split" and known else f"(?P<{name}>[^/]+?)"

        parts: list[str] = []
        place = 0
        for match in _PLACE.finditer(file):
            parts += [re.escape(file[place : match.start()]), group(match)]
            place = match.end()
        return re.compile("(?:.*/)?" + "".join((*parts, re.escape(file[place:]))))
