"""A recording as a generator: answers that were written before, by people, by a batch job, by another program.

A line of JSON each: `text`, and what it answers: `prompt`, the last turn of the question as it is sent, or `id`, that
of the row. `model`, `finish_reason` (`complete`, `length`, ...) may stand beside them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from core import files
from core.errors import SourceError
from core.remote.answer import COMPLETE, Answer, Failure
from pipelines.augment.generators.base import Question


class ReplayGenerator:
    """Answers out of a file, which is held in memory. What it does not hold has no answer."""

    def __init__(self, path: str) -> None:
        self._answers = _read(path, files.content_hash(_there(path)))
        self.name = f"replay:{Path(path).name}"

    def answer(self, question: Question) -> Answer:
        for key in (("id", question.row_id), ("prompt", question.messages[-1].content)):
            if key in self._answers:
                return self._answers[key]
        raise Failure("not_recorded", f"the recording has no answer to row {question.row_id}")


@functools.lru_cache(maxsize=8)
def _read(path: str, content_hash: str) -> Mapping[tuple[str, str], Answer]:
    """The answers of a file, by what they answer. The hash makes a changed file another one."""
    answers: dict[tuple[str, str], Answer] = {}
    for number, line in enumerate(_lines(path), 1):
        try:
            row = orjson.loads(line)
            text, name = str(row["text"]), "id" if "id" in row else "prompt"
            answer = Answer(text, str(row.get("finish_reason", COMPLETE)), str(row.get("model", "")))
            answers.setdefault((name, row[name]), answer)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(
                f"{path}:{number} is no recorded answer ({type(error).__name__}: {error}): expected a JSON object with "
                "text, and prompt or id"
            ) from None
    return answers


def _lines(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from (line for line in file if line.strip())


def _there(path: str) -> Path:
    """The path of a recording; SourceError where there is no such file."""
    file = Path(path)
    if not file.is_file():
        raise SourceError(f"{path}: no such recording: expected a file of JSON lines with text, and prompt or id")
    return file


def signature(path: str) -> str:
    """What names a recording by its content."""
    return files.content_hash(_there(path))
