"""A task: what is asked, where its items stand in files, and how answers are scored. A task is a TOML file.

Files are named by patterns, matched at the end of a path: `{language}` is a language in any spelling, `{split}` one of
`splits`, `{any}` anything. `fields` name what the items of a kind need, as columns of the file:

    bitext          source, target                     sentences that mean the same
    retrieval       query, document, [id]              a question, and the text that answers it
    classification  text, label, [id]
    clustering      text, label
    sts             first, second, score
    choice          answer + `choices`, `prompts`      the right one: a number, a letter, or its text
    text            references + `prompts`, `metrics`  what is generated stands beside references
    open            prompt                             open-ended: judged in pairs, and by its language
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

from core.config import build, read_toml
from core.errors import ConfigError, UnknownNameError
from eval.metrics.table import metric

Suite = Literal["embed", "rerank", "chat"]
Kind = Literal["bitext", "retrieval", "classification", "clustering", "sts", "choice", "text", "open"]
Format = Literal["lines", "jsonl", "json", "squad", "tsv", "csv", "parquet", "records"]
SUITES: Final = ("embed", "rerank", "chat")
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "embed": ("bitext", "retrieval", "classification", "clustering", "sts"),
    "rerank": ("retrieval",),
    "chat": ("choice", "text", "open"),
}
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "bitext": ("source", "target"),
    "retrieval": ("query", "document"),
    "classification": ("text", "label"),
    "clustering": ("text", "label"),
    "sts": ("first", "second", "score"),
    "choice": ("answer",),
    "text": ("references",),
    "open": ("prompt",),
}
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
    kind: Kind
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
            raise ConfigError(f"{where}: its name stands in paths: expected letters, digits, _, - and points")
        if self.shots < 0:
            raise ConfigError(f"{where}: shots is {self.shots}: expected 0 or more")
        if self.sentences and "documents" not in self.fields:
            raise ConfigError(f"{where}: fields lack documents, the list of all sentences, which sentences asks for")
        if self.kind not in KINDS[self.suite]:
            raise ConfigError(f"{where}: a {self.suite} task is one of {', '.join(KINDS[self.suite])}, not {self.kind}")
        if missing := [name for name in _NEEDED[self.kind] if name not in self.fields]:
            raise ConfigError(f"{where}: fields lack {', '.join(missing)}, which a task of {self.kind} needs")
        if not self.data.files:
            raise ConfigError(f"{where}: data.files names no files")
        if self.kind in ("choice", "text") and not self.prompts:
            raise ConfigError(f"{where}: it has no prompts, so nothing could be asked")
        if self.kind == "text" and len(self.prompts) != 1:
            raise ConfigError(f"{where}: text is generated for one prompt, and it has {len(self.prompts)}")
        if self.kind == "choice" and not self.choices:
            raise ConfigError(f"{where}: it has no choices")
        if self.kind == "text" and not self.metrics:
            raise ConfigError(f"{where}: it has no metrics")
        for name in self.metrics:
            metric(name)
        for name, texts in self.values.items():
            if "field" not in texts:
                raise ConfigError(f"{where}: values.{name} lacks field, the name of what decides")

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


def built_in() -> dict[str, Task]:
    """The tasks that come with glotmill, by name."""
    folder = resources.files("eval").joinpath("tasks")
    with resources.as_file(folder) as path:
        return _named(read(file) for file in sorted(path.glob("*.toml")))


def read(path: Path) -> Task:
    """The task of a TOML file; ConfigError where it is none."""
    try:
        return build(Task, read_toml(path))
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None


def chosen(suites: Sequence[str], names: Sequence[str] = (), files: Sequence[Path] = ()) -> list[Task]:
    """The tasks of some suites: those that are named and those of `files`, or all where neither is given."""
    for suite in suites:
        if suite not in SUITES:
            raise UnknownNameError("suite", suite, SUITES, f"expected one or more of {', '.join(SUITES)}")
    own = _named(read(path) for path in files)
    tasks = built_in() | own
    for name in names:
        if name not in tasks:
            raise UnknownNameError("task", name, tasks, "`glotmill eval tasks` lists all")
    for name in (*names, *own):
        if tasks[name].suite not in suites:
            raise ConfigError(f"the task {name} is of the suite {tasks[name].suite}, which is not asked for")
    wanted = [*names, *own] or list(tasks)
    return [task for name, task in tasks.items() if name in wanted and task.suite in suites]


def _named(tasks: Iterable[Task]) -> dict[str, Task]:
    found: dict[str, Task] = {}
    for task in tasks:
        if task.name in found:
            raise ConfigError(f"two tasks are called {task.name}")
        found[task.name] = task
    return found
