"""Rendering of one template over one row, as PromptSource does it, in Jinja's sandbox.

Differences to PromptSource, each of which would otherwise make a bad row in silence: a column that the row does not
have, and one that is null and is printed, are errors; `choice` and `random` draw by a seed, so that the same row is
rendered alike on every machine.
"""

from __future__ import annotations

import copy
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from jinja2 import TemplateError, Undefined
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing

from collection.templates import SEPARATOR, Template

# Longer text is no instruction, but a template that runs away.
_LONGEST: Final = 1 << 22
# Replaces `|||` inside the data while a row is rendered.
_GUARD: Final = "3ed2dface8203c4c9dfb1a5dc58e41e0"
_CHANGES_ITS_DATA: Final = re.compile(
    r"\.\s*(?:append|extend|insert|pop|remove|update|clear|sort|reverse|setdefault)\b"
)


class RenderingError(Exception):
    """A template that cannot be rendered over a row; the message says why."""


class Renderer:
    """Renders templates, each compiled once."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self._templates = templates
        self._chance = random.Random()
        self._environment = self._make_environment()
        self._compiled: dict[str, Any] = {}

    def render(self, index: int, row: Mapping[str, Any], seed: str) -> list[str]:
        """Return the stripped parts between `|||`: the prompt, then the answers. Raise RenderingError on failure."""
        template = self._templates[index]
        self._chance.seed(f"{seed}:{template.id}")
        if "answer_choices" in row:
            raise RenderingError("the row has a column 'answer_choices', which is a name of the templates")
        if _CHANGES_ITS_DATA.search(template.jinja + template.answer_choices):
            row = copy.deepcopy(row)
        values = {str(name): _guarded(value) for name, value in row.items()}
        try:
            choices = self._text(template.answer_choices, values) if template.answer_choices else None
            values["answer_choices"] = _parts(choices) if choices is not None else None
            return [part.replace(_GUARD, SEPARATOR) for part in _parts(self._text(template.jinja, values))]
        except RenderingError:
            raise
        except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise RenderingError(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from error
        except RecursionError as error:
            raise RenderingError("it calls itself without end") from error
        except MemoryError as error:
            raise RenderingError("it takes more memory than it may") from error

    def _text(self, source: str, values: Mapping[str, Any]) -> str:
        if source not in self._compiled:
            self._compiled[source] = self._environment.from_string(source)
        pieces: list[str] = []
        length = 0
        for piece in self._compiled[source].generate(values):
            pieces.append(piece)
            length += len(piece)
            if length > _LONGEST:
                raise RenderingError(f"it writes more than {_LONGEST:,} characters")
        return "".join(pieces)

    def _choice(self, items: Iterable[Any]) -> Any:
        known = list(items)
        if not known:
            raise RenderingError("it chooses from an empty list")
        return self._chance.choice(known)

    def _make_environment(self) -> SandboxedEnvironment:
        environment = SandboxedEnvironment(undefined=_Absent, finalize=_printed)
        del environment.globals["lipsum"]
        environment.globals["zip"] = zip
        environment.filters["choice"] = environment.filters["random"] = self._choice
        environment.filters["most_frequent"] = most_frequent
        environment.filters["highlight"] = str
        return environment


def most_frequent(items: Sequence[Any]) -> list[Any]:
    """Return the most frequent items, in their order. This is PromptSource's filter.

    >>> most_frequent(["b", "a", "b", "c", "a"])
    ['b', 'a']
    """
    counts = Counter(items)
    return [item for item, count in counts.items() if count == max(counts.values())]


class _Absent(Undefined):
    """A name that is no column of the row is an error once it is used; a field inside a column may be absent."""

    def _checked(self, value: Any) -> Any:
        if self._undefined_obj is missing:
            raise RenderingError(f"the row has no column {self._undefined_name!r}")
        return value

    def __str__(self) -> str:
        return str(self._checked(""))

    def __len__(self) -> int:
        return int(self._checked(0))

    def __iter__(self) -> Any:
        return iter(self._checked(()))

    def __bool__(self) -> bool:
        return bool(self._checked(False))

    def __index__(self) -> int:
        raise TypeError(f"{self._checked(self._undefined_name)!r} is no index")

    def __eq__(self, other: object) -> bool:
        return bool(self._checked(type(self) is type(other)))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._checked(id(type(self))))


def _printed(value: Any) -> Any:
    if value is None:
        raise RenderingError("it prints a null")
    return value


def _guarded(value: Any) -> Any:
    """Return data in which `|||` cannot be mistaken for the template's own."""
    if isinstance(value, str):
        return value.replace(SEPARATOR, _GUARD) if SEPARATOR in value else value
    if isinstance(value, list | tuple):
        return [_guarded(member) for member in value]
    if isinstance(value, Mapping):
        return {name: _guarded(member) for name, member in value.items()}
    return value


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(SEPARATOR)]
