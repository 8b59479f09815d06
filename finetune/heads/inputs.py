"""Turn texts into the ids that an encoder with a head reads: prefix, text, end token.

embed     query:  ids of the text </s>                      document:  ids of the text </s>
rerank    query:  ids of the query  document:  ids of the document </s>

Prefix and text are tokenized separately, so that a text has the same ids as a query and as a document. A text that is
too long loses its end; prefixes and </s> stay. The reranker reads a long document in several rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, UnknownNameError
from finetune.model.head import EncoderHead
from tokenizer.vocabulary import EOS, Tokenizer

Ids = npt.NDArray[np.int32]
TextKind = Literal["query", "document"]
_KINDS: Final = ("query", "document")
_SHORTEST: Final = 16


@dataclass(frozen=True)
class HeadInputs:
    """The inputs of one model."""

    tokenizer: Tokenizer
    head: EncoderHead
    query_prefix: Ids
    document_prefix: Ids

    @classmethod
    def of(cls, tokenizer: Tokenizer, head: EncoderHead) -> HeadInputs:
        """Tokenize the prefixes; raise ConfigError if they leave no room for text."""
        query, document = (
            np.asarray(ids, np.int32) for ids in tokenizer.encode_text([head.query_prefix, head.document_prefix])
        )
        taken = len(query) + len(document) + 1
        if head.max_tokens - head.query_room < 2 * taken:
            raise ConfigError(
                f"head.max_tokens is {head.max_tokens}, and the prefixes take {taken} of them: expected shorter "
                "prefixes, or more room"
            )
        return cls(tokenizer, head, query, document)

    def ids(self, texts: Sequence[str]) -> list[Ids]:
        """Return the ids of texts, without prefixes and uncut."""
        return [np.asarray(ids, np.int32) for ids in self.tokenizer.encode_text(texts)]

    def prefix(self, kind: TextKind) -> Ids:
        if kind not in _KINDS:
            raise UnknownNameError("kind of text", kind, _KINDS)
        return self.query_prefix if kind == "query" else self.document_prefix

    def single(self, ids: Ids, kind: TextKind, *, cut: Literal["start", "end"] = "end") -> Ids:
        """Return the row of one text; a text that is too long is cut at its end, or at its start."""
        prefix = self.prefix(kind)
        room = self.head.max_tokens - len(prefix) - 1
        kept = ids[:room] if cut == "end" else ids[max(0, len(ids) - room) :]
        return np.concatenate([prefix, kept, [EOS]], dtype=np.int32)

    def pair(self, query: Ids, document: Ids) -> Ids:
        """Return the row of a query and a document; a document that is too long is cut at its end."""
        return next(self.chunks(query, document))

    def chunks(self, query: Ids, document: Ids) -> Iterator[Ids]:
        """Yield a query with all of a document, in as many rows as needed. Neighbours share `head.overlap` ids."""
        before = np.concatenate(
            [self.query_prefix, query[: self.head.query_tokens], self.document_prefix], dtype=np.int32
        )
        room = self.head.max_tokens - len(before) - 1
        step = room - min(self.head.overlap, room // 2)
        start = 0
        while True:
            yield np.concatenate([before, document[start : start + room], [EOS]], dtype=np.int32)
            if start + room >= len(document):
                return
            start += step


def batches(rows: Sequence[Ids], batch_tokens: int, longest: int) -> Iterator[tuple[list[int], Ids]]:
    """Yield batches: the numbers of their rows, and their ids, padded with 0 to one of a few shapes.

    A batch has at most `batch_tokens` positions and rows of similar lengths. It may end with empty rows.
    """
    order = sorted(range(len(rows)), key=lambda number: -len(rows[number]))
    start = 0
    while start < len(order):
        length = shape_of(len(rows[order[start]]), longest)
        most = _power_below(max(1, batch_tokens // length))
        chosen = order[start : start + most]
        count = min(most, _power_above(len(chosen)))
        yield chosen, padded([rows[number] for number in chosen], count, length)
        start += most


def padded(rows: Sequence[Ids], count: int, length: int) -> Ids:
    """Return the rows as one array, [count, length], padded with 0."""
    ids = np.zeros((count, length), np.int32)
    for row, values in enumerate(rows):
        ids[row, : len(values)] = values
    return ids


def shape_of(length: int, longest: int) -> int:
    """Return the least of 16, 24, 32, 48, 64, ... from `length` up; at most `longest`, unless `length` is more."""
    size = _SHORTEST
    while size < length:
        half = size + size // 2
        size = half if half >= length else 2 * size
    return max(length, min(size, longest))


def _power_above(number: int) -> int:
    return 1 << max(0, number - 1).bit_length()


def _power_below(number: int) -> int:
    return 1 << (number.bit_length() - 1)
