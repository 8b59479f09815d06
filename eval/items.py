"""Rows of files as the items that each kind of task asks about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.dataset import Row
from eval.task import Task
from glotmill.errors import ConfigError


def at(row: Mapping[str, Any], path: str, task: Task) -> Any:
    """The value of a column, or of a part of it: `answers.text`."""
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise ConfigError(
                f"the task {task.name} reads the column {path}, which its rows do not have: {', '.join(map(str, row))}"
            )
        value = value[name]
    return value


def field(row: Mapping[str, Any], name: str, task: Task) -> Any:
    """What the task calls `name`."""
    return at(row, task.fields[name], task)


def texts(row: Mapping[str, Any], name: str, task: Task) -> list[str]:
    """One text or several; empty ones left out."""
    value = field(row, name, task)
    many = value if isinstance(value, list | tuple) else [value]
    # Published files have null and NaN where there is no text.
    return [text for one in many if one is not None and one == one and (text := str(one).strip())]


def identifiers(rows: Sequence[Row], task: Task) -> list[str]:
    """The id of each row: its own, or its place in the file; made different where two are the same.

    Taken of all rows before any is left out, so that parallel files have the same ids in every language.
    """
    template = task.fields.get("id", "")
    if "{" in template:
        own = [task.filled(template, row) for row in rows]
    else:
        own = [str(at(row, template, task)) if template else str(place) for place, row in enumerate(rows)]
    seen: dict[str, int] = {}
    found = []
    for name in own:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found


@dataclass(frozen=True)
class Retrieval:
    """Queries, documents (each once), and what answers what: gains by the document's place."""

    ids: tuple[str, ...]
    queries: tuple[str, ...]
    documents: tuple[str, ...]
    relevant: tuple[Mapping[int, int], ...]
    left_out: int  # queries that nothing answers


def retrieval(rows: Sequence[Row], corpus: Sequence[Row], task: Task) -> Retrieval:
    """The queries of some rows, among the documents of `corpus`, rows of the same ids or the very same."""
    places: dict[str, int] = {}
    for row in corpus:
        for text in texts(row, "documents" if task.sentences else "document", task):
            places.setdefault(text, len(places))
    answers: dict[str, list[str]] = {}
    for name, row in zip(identifiers(corpus, task), corpus, strict=True):
        answers[name] = texts(row, "document", task)
    ids, queries, relevant = [], [], []
    left_out = 0
    for name, row in zip(identifiers(rows, task), rows, strict=True):
        query = texts(row, "query", task)
        gains = {places[text]: 1 for text in answers.get(name, ()) if text in places}
        if not query or not gains:
            left_out += 1
            continue
        ids.append(name)
        queries.append(query[0])
        relevant.append(gains)
    return Retrieval(tuple(ids), tuple(queries), tuple(places), tuple(relevant), left_out)
