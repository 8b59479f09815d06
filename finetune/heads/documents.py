"""Render structured documents as the text that a reranker reads.

    a string                    unchanged
    a JSON object or a row      a line `key: value` for each field, in order; nested objects indented by two
    a list                      a line `- value` for each item; an object's first key follows the dash
    a table                     a list of objects: each row with its column names
    an e-mail                   an object of headers and body: `from: ...`, `subject: ...`, `body: ...`

The text looks like YAML, and does not depend on a YAML library: no quotes, no wrapping, no reordering. Text of several
lines is indented under `key: |`. True, false, null and numbers are written as in JSON. `rank_fields` selects top-level
fields, in its order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.errors import ConfigError

Document = str | Mapping[str, Any]


def render(document: Document, rank_fields: Sequence[str] | None = None) -> str:
    """Return the text of a document.

    Raises:
        ConfigError: the document lacks a field of `rank_fields`, or has a value that JSON cannot hold.
    """
    if isinstance(document, str):
        return document
    if not isinstance(document, Mapping):
        raise ConfigError(f"a document is {type(document).__name__}: expected a string, or an object with fields")
    if rank_fields:
        if missing := [name for name in rank_fields if name not in document]:
            raise ConfigError(f"rank_fields: a document has no field {missing[0]!r}; it has {', '.join(document)}")
        document = {name: document[name] for name in rank_fields}
    return "\n".join(_object(document))


def _object(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping | list | tuple) and value:
            yield f"{key}:"
            yield from (f"  {line}" for line in _lines(value))
        elif isinstance(value, str) and "\n" in value:
            yield f"{key}: |"
            yield from (f"  {line}" for line in value.splitlines())
        else:
            yield f"{key}: {_plain(value)}".rstrip()


def _lines(value: Mapping[str, Any] | Sequence[Any]) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _object(value)
        return
    for item in value:
        inner = list(_lines(item)) if isinstance(item, Mapping | list | tuple) and item else _plain(item).splitlines()
        for number, line in enumerate(inner or [""]):
            yield f"{'  ' if number else '- '}{line}".rstrip()


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a document holds {type(value).__name__}, which JSON does not know") from error
