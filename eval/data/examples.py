"""Rows of files as the items that each kind of task asks about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import ConfigError
from eval.data.sources import Row, content_hash, take
from eval.task import Task


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


class NothingToAsk(Exception):
    """A task has no items in a language; says why."""


@dataclass(frozen=True)
class Retrieval:
    """Queries, documents (each once), and what answers what: gains by the document's place."""

    ids: tuple[str, ...]
    queries: tuple[str, ...]
    documents: tuple[str, ...]
    relevant: tuple[Mapping[int, int], ...]
    notes: tuple[str, ...]  # on queries that nothing answers

    @property
    def data(self) -> str:
        """A hash of all of it."""
        return content_hash([list(zip(self.queries, self.relevant, strict=True)), self.documents])

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """Of each query, what could be contaminated."""
        return {name: (query,) for name, query in zip(self.ids, self.queries, strict=True)}

    def told(self, number: int, ranking: Sequence[int]) -> dict[str, Any]:
        """A query, what answers it, and what a ranking of places has first: for people."""
        return {
            "query": self.queries[number],
            "expected": [self.documents[place] for place in self.relevant[number]],
            "found": [self.documents[place] for place in ranking[:1]],
        }


def retrieval(rows: Sequence[Row], corpus: Sequence[Row], task: Task, limit: int) -> Retrieval:
    """At most `limit` queries of some rows (0: all), among the documents of `corpus`: rows of the same ids, or they.

    NothingToAsk where no query has a document that answers it.
    """
    places: dict[str, int] = {}
    for row in corpus:
        for text in texts(row, "documents" if task.sentences else "document", task):
            places.setdefault(text, len(places))
    answers: dict[str, list[str]] = {}
    for name, row in zip(identifiers(corpus, task), corpus, strict=True):
        answers[name] = texts(row, "document", task)
    asked: list[tuple[str, str, Mapping[int, int]]] = []
    for name, row in zip(identifiers(rows, task), rows, strict=True):
        query = texts(row, "query", task)
        gains = {places[text]: 1 for text in answers.get(name, ()) if text in places}
        if query and gains:
            asked.append((name, query[0], gains))
    if not asked:
        raise NothingToAsk("no query has a document that answers it")
    left_out = len(rows) - len(asked)
    notes = (f"{task.name}: {left_out} queries have no document that answers them",) if left_out else ()
    chosen = [asked[place] for place in take(asked, limit, lambda place: asked[place][0])]
    ids, queries, relevant = zip(*chosen, strict=True)
    return Retrieval(ids, queries, tuple(places), relevant, notes)
