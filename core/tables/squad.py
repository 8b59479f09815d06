"""Read SQuAD's JSON documents, a row a question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from core.paths import as_path
from core.tables.encoding import open_utf8
from core.tables.json_lines import parse
from core.tables.reader import Batch, TableReader, batched
from core.tables.row import BadRow, Row, RowFault, Slice, bad_row, truncated


class SquadQuestion(NamedTuple):
    """A question of a SQuAD document, with the article and the paragraph that it belongs to."""

    article: Mapping[str, Any]
    paragraph: Mapping[str, Any]
    question: Mapping[str, Any]


def questions(document: Mapping[str, Any]) -> Iterator[SquadQuestion]:
    """Yield the questions of a document.

    Raises:
        AttributeError, KeyError, TypeError: The document is not in SQuAD's form.
    """
    for article in document["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield SquadQuestion(article, paragraph, question)


class SquadReader(TableReader):
    """Reads each question as a row of `id`, `title`, `context`, `question`, `answers` and `sentence_breaks`.

    `answers` is the list of answers as the document has it. A document is held in memory as a whole.
    """

    def batches(self, part: Slice) -> Iterator[Batch]:
        file, stream = open_utf8(as_path(part.path), part.encoding)
        with file:
            document, fault, detail = parse(file.read())
        if stream.fault:
            yield [truncated(part, 0, stream.fault)]
        elif fault is not None:
            yield [bad_row(part, fault, 0, detail)]
        else:
            yield from batched(_rows(part, document))


def _rows(part: Slice, document: Any) -> Iterator[Row | BadRow]:
    number = 0
    try:
        for number, (article, paragraph, question) in enumerate(questions(document), 1):
            data = {
                "id": str(question["id"]),
                "title": article.get("title", ""),
                "context": paragraph["context"],
                "question": question["question"],
                "answers": question.get("answers") or [],
                "sentence_breaks": paragraph.get("sentence_breaks") or [],
            }
            yield Row(data, None, number)
    except (AttributeError, KeyError, TypeError) as error:
        detail = f"not in SQuAD's form at or after question {number}: {type(error).__name__}: {error}"
        yield bad_row(part, RowFault.NOT_A_ROW, number, detail)
