"""Task data as templates want it: the columns of the data set that a template was written for.

Data comes in other forms than the copy that a template's author had: columns under other names, classes as words
instead of numbers, lists written as text, SQuAD's nested document instead of rows.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from collection.languages import Language, find
from collection.reject import Reason, Reject
from core.tables import Row, Slice, location, raw_text
from core.tables.squad import questions
from pipelines.ingest.sources.base import ParseFault, Pattern, folders_of, split_in_path


@dataclass(frozen=True)
class TaskData:
    """One data set and the templates for it."""

    templates: str = ""  # a templates.yaml of PromptSource, or a folder with some below it
    data: str = ""  # file, folder, glob or hf://NAME
    name: str = ""  # the `source` column; empty: the data set's name in the templates
    dataset: str = ""  # the `dataset` column; empty: data set and subset as the templates call them
    subset: str = ""  # which configuration of the data set this is; empty: what the files' names say
    language: str = ""  # of the answers, in any spelling, or `{column}`; empty: what subset and path say
    license: str = ""  # SPDX id
    split: str = ""  # train, validation or test; empty: what the files' names say
    layout: Literal["rows", "squad"] = "rows"  # rows | squad: SQuAD's document of paragraphs and questions
    columns: Mapping[str, str] = field(default_factory=dict)  # a template's name for a column = the data's
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # column = its classes, in the templates' order
    lists: tuple[str, ...] = ()  # columns that hold a list written as text
    numbers: tuple[str, ...] = ()  # columns that hold a number written as text, as all columns of a CSV are
    encoding: str = "utf-8"  # of text files


def rows_of(batch: Sequence[Row | Reject], data: TaskData, part: Slice) -> Iterator[Row | Reject]:
    """The rows of a batch in the layout and under the names that the templates want; rejects pass through."""
    for row in batch:
        if isinstance(row, Reject):
            yield row
            continue
        try:
            for found in _squad(row) if data.layout == "squad" else (row,):
                yield Row(_named(found.data, data), found.raw, found.number)
        except ParseFault as fault:
            yield Reject(fault.reason, fault.detail, location=location(part, row.number), raw=raw_text(row))


def _squad(row: Row) -> Iterator[Row]:
    """The questions of a document in SQuAD's form, as rows of the columns that SQuAD has on the hub."""
    if not isinstance(row.data.get("data"), list):
        raise ParseFault(Reason.MISSING_FIELD, f"no list 'data', as SQuAD has it; the row has: {_names(row.data)}")
    number = 0
    try:
        for number, (article, paragraph, question) in enumerate(questions(row.data), 1):
            answers = question.get("answers") or []
            values = {
                "id": question["id"],
                "title": article.get("title", ""),
                "context": paragraph["context"],
                "question": question["question"],
                "answers": {key: [answer[key] for answer in answers] for key in ("text", "answer_start")},
            }
            yield Row(values, None, number)
    except (AttributeError, KeyError, TypeError) as error:
        what = f"question {number} is not as SQuAD has it: {type(error).__name__}: {error}"
        raise ParseFault(Reason.MISSING_FIELD, what) from error


def _named(row: Mapping[str, Any], data: TaskData) -> dict[str, Any]:
    values = dict(row)
    for name, column in data.columns.items():
        if column not in row:
            raise ParseFault(Reason.MISSING_FIELD, f"no column {column!r} in the row, which has: {_names(row)}")
        values[name] = row[column]
    for name in data.lists:
        values[name] = _list(values, name)
    for name in data.numbers:
        values[name] = _number(values, name)
    for name, classes in data.labels.items():
        seen = values.get(name)
        if seen not in classes:
            told = f"{name!r} is {seen!r}, expected one of {', '.join(classes)}"
            raise ParseFault(Reason.MISSING_FIELD, told)
        values[name] = classes.index(seen)
    return values


def _list(values: Mapping[str, Any], name: str) -> list[Any]:
    text = values.get(name)
    if isinstance(text, list):
        return text
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(str(text))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, list | tuple):
            return list(found)
    if quoted := re.fullmatch(r"\['(.*)'\]", str(text).strip(), re.DOTALL):  # with quotes inside, as in AfriQA
        return quoted[1].split("', '")
    raise ParseFault(Reason.MISSING_FIELD, f"{name!r} holds no list: {str(text)[:80]!r}")


def _number(values: Mapping[str, Any], name: str) -> int | float:
    value = values.get(name)
    if isinstance(value, int | float):
        return value
    try:
        return int(str(value))
    except ValueError:
        pass
    try:
        return float(str(value))
    except ValueError:
        raise ParseFault(Reason.MISSING_FIELD, f"{name!r} holds no number: {str(value)[:80]!r}") from None


def _names(row: Mapping[str, Any]) -> str:
    return ", ".join(map(str, list(row)[:12]))


def subsets_in(file: str) -> set[str]:
    """What in a file's path may name a subset: each folder, the file's name, and its pieces between dots."""
    *folders, name = re.split(r"[/\\]", file)
    stem = _EXTENSIONS.sub("", name)
    return {*folders, name, stem, *stem.split(".")}


def language_of(row: Mapping[str, Any], data: TaskData, subset: str, file: str) -> Language | None:
    """The language of the answers: what is said, else what the data's subset or path is called, else the templates'.

    The templates' own subset comes last: English prompts of `xquad.en` are for `xquad.es.json`, too.
    """
    if data.language:
        spelling = Pattern(data.language).fill(row)
        found = find(spelling)
        if found is None:
            raise ParseFault(Reason.UNKNOWN_LANGUAGE, f"no language is called {spelling!r}")
        return found
    for hint in (*_pieces(data.subset), *_path_hints(file), *_pieces(subset)):
        if hint and (found := find(hint)):
            return found
    return None


def _pieces(subset: str) -> list[str]:
    """A pair of languages has the answer's last, as in FLORES; a subset may begin with the data set's own name."""
    return [subset, *reversed(re.split(r"[-.]", subset))]


def _path_hints(file: str) -> list[str]:
    stem = _EXTENSIONS.sub("", re.split(r"[/\\]", file)[-1])
    hints = [*stem.split(".")[::-1], *folders_of(file)]
    return [hint for hint in hints if not split_in_path(hint) and hint.lower() not in _NO_LANGUAGE]


_EXTENSIONS: Final = re.compile(r"\.(jsonl?|ndjson|parquet|csv|tsv)(\.\w+)?$", re.IGNORECASE)
_NO_LANGUAGE: Final = frozenset({"data", "raw", "dataset", "rows", "all", "queries", "main", "default"})
