"""A method of synthesis: what is asked about a row, what is taken from the answer, what becomes the new row.

A method is data, a TOML file: a prompt with places for what stands in the row, and the name of a parser.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

from collection.languages import Language
from collection.record import Message, Record
from core.config import build, read_toml
from core.errors import ConfigError, UnknownNameError
from pipelines.augment.generators.base import Question

_PLACE: Final = re.compile(r"\{(\w+)\}")
_PLACES: Final = ("prompt", "answer", "language")


@dataclass(frozen=True)
class Select:
    """Which rows a method takes."""

    languages: tuple[str, ...] = ()  # only questions in these; none named: all
    max_characters: int = 0  # of a question, in characters of English; 0: no limit
    links: bool = True  # whether a question may hold a link
    min_script: float = 0.0  # share of a question's letters in a script of its language


@dataclass(frozen=True)
class Method:
    """How rows are made of rows.

    `keeps` says what stays of a row: `question`, its first question and a system turn before it; `conversation`, all
    but its last answer; `answer`, the last answer alone, to which the new text is the question.
    """

    about: str  # one line for people
    prompt: str = "{prompt}"  # what is asked, with {prompt}, {answer} and {language} for what stands in the row
    system: str = ""  # sent before it, never stored
    keeps: Literal["question", "conversation", "answer"] = "question"  # what stays of the row
    parser: Literal["whole", "tagged"] = "whole"  # of an answer: all of it, or what stands between <result> tags
    refusals: bool = False  # whether an answer that says no is wanted
    several: bool = False  # whether several generators answer, of which one is chosen
    in_language: str = "Answer in {language}."  # said where answers are wanted in another language
    parameters: dict[str, Any] = field(default_factory=dict)  # of the request, such as temperature
    select: Select = field(default_factory=Select)

    def __post_init__(self) -> None:
        for name in ("prompt", "system", "in_language"):
            for place in _PLACE.findall(getattr(self, name)):
                if place not in _PLACES:
                    raise UnknownNameError(
                        f"place in {name} of a method", place, _PLACES, f"known: {', '.join(_PLACES)}"
                    )

    def question(self, record: Record, language: Language, parameters: bool = True) -> Question:
        """What a generator is asked about a row whose answer is wanted in a language."""
        kept = self.kept(record)
        asked = kept[-1].content if self.keeps == "question" else record.prompt
        values = {"prompt": asked, "answer": record.target, "language": language.name}
        system = [self.system, self.in_language if language.code != record.language else ""]
        before = "\n\n".join([*(_filled(part, values) for part in system if part), *_system(record, self.keeps)])
        turns = [Message("system", before)] if before else []
        return Question(record.id, (*turns, Message("user", _filled(self.prompt, values))), self.parameters)

    def kept(self, record: Record) -> tuple[Message, ...]:
        """The turns of a row that stay, but for the one that is made anew."""
        if self.keeps == "answer":
            return (record.messages[-1],)
        if self.keeps == "conversation":
            return record.messages[:-1]
        first = next(index for index, turn in enumerate(record.messages) if turn.role == "user")
        return (*(turn for turn in record.messages[:first] if turn.role == "system"), record.messages[first])

    def made(self, record: Record, text: str) -> tuple[Message, ...]:
        """The turns of the new row."""
        if self.keeps == "answer":
            return (Message("user", text), *self.kept(record))
        return (*self.kept(record), Message("assistant", text))

    def parsed(self, text: str) -> str | None:
        """What is taken from an answer; None where it is not there."""
        return PARSERS[self.parser](text)


def _system(record: Record, keeps: str) -> list[str]:
    """The row's own system turns, where the generator answers in their place."""
    return [turn.content for turn in record.messages if turn.role == "system"] if keeps == "question" else []


def _filled(template: str, values: dict[str, str]) -> str:
    """A template with its places filled in one go: braces in a row's own text stand for nothing."""
    return _PLACE.sub(lambda place: values[place[1]], template)


_TAGGED: Final = re.compile(r"<result>(.*?)</result>", re.DOTALL | re.IGNORECASE)


def _whole(text: str) -> str | None:
    return text.strip() or None


def _tagged(text: str) -> str | None:
    """What stands between the last pair of tags: a model that thinks aloud may name them before."""
    found = _TAGGED.findall(text)
    return (found[-1].strip() or None) if found else None


PARSERS: Final = {"whole": _whole, "tagged": _tagged}


def load(name: str) -> Method:
    """A built-in method by its name, or one's own by the path of its TOML file.

    `base = "NAME"` in a file takes all that it does not say from another method. UnknownNameError for a name that is
    none, ConfigError for a file that cannot be used.
    """
    return build(Method, _values(name, ()))


@functools.cache
def built_in() -> tuple[str, ...]:
    """The names of the built-in methods."""
    found = resources.files("pipelines.augment.methods").iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in found if file.name.endswith(".toml")))


def _values(name: str, above: tuple[str, ...]) -> dict[str, Any]:
    if name in above:
        raise ConfigError(f"methods are based on each other in a circle: {' on '.join((*above, name))}")
    if name in built_in():
        values = read_toml(Path(str(resources.files("pipelines.augment.methods").joinpath(f"{name}.toml"))))
    elif name.endswith(".toml"):
        values = read_toml(Path(name))
    else:
        advice = f"expected one of {', '.join(built_in())}, or the path of a TOML file"
        raise UnknownNameError("method", name, built_in(), advice)
    base = values.pop("base", None)
    if base is None:
        return values
    below = _values(str(base), (*above, name))
    section = {**below.get("select", {}), **values.get("select", {})}
    return {**below, **values, **({"select": section} if section else {})}
