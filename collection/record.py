"""The record: one conversation, whose last turn is the assistant's, and where it came from.

>>> record = Record.of(
...     messages=(Message("user", "Habari?"), Message("assistant", "Nzuri.")), language="swh_Latn", source="aya_dataset"
... )
>>> record.prompt, record.target, len(record.id)
('Habari?', 'Nzuri.', 32)
"""

from __future__ import annotations

import itertools
import operator
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

ROLES: Final = ("system", "user", "assistant", "tool")
ORIGINS: Final = ("human", "template", "translated", "synthetic")


class Message(NamedTuple):
    """One turn. `role` is one of ROLES."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a collection; docs/record.md describes every field.

    `id` is the same on every run and machine, whatever clean-up, language ID or masking later change: it is taken
    from the row as it was read.
    """

    id: str
    language: str
    messages: tuple[Message, ...]
    source: str
    dataset: str = ""
    template: str = ""
    task: str = ""
    split: str = ""
    origin: str = "human"
    license: str = "unknown"
    parent_id: str | None = None
    generator: str | None = None
    lid_language: str | None = None
    lid_score: float | None = None

    @classmethod
    def of(
        cls, *, messages: Sequence[Message], language: str, source: str, source_id: str = "", **columns: str
    ) -> Record:
        """Return a record with its computed id. `source_id` is the source's own id for the row, or ""."""
        messages = tuple(messages)
        return cls(record_id(source, source_id, language, messages), language, messages, source, **columns)  # type: ignore[arg-type]

    @property
    def prompt(self) -> str:
        """All turns but the last, a blank line between them."""
        return "\n\n".join(message.content for message in self.messages[:-1])

    @property
    def target(self) -> str:
        """The content of the last turn."""
        return self.messages[-1].content


def record_id(source: str, source_id: str, language: str, messages: Iterable[Message]) -> str:
    """32 hex digits: xxh3-128 of source, the source's own id, language and messages, free text with its length."""
    turns = "".join([f"{role}\x1f{len(content)}\x1f{content}\x1e" for role, content in messages])
    text = f"{len(source)}\x1f{source}\x1f{len(source_id)}\x1f{source_id}\x1f{language}\x1e{turns}"
    try:
        return xxhash.xxh3_128_hexdigest(text.encode())
    except UnicodeEncodeError:
        # Lone surrogates can still stand in what was read; they must not keep the row from having an id.
        return xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogatepass"))


SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("template", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("license", pa.string(), nullable=False),
        pa.field("parent_id", pa.string()),
        pa.field("generator", pa.string()),
        pa.field("lid_language", pa.string()),
        pa.field("lid_score", pa.float32()),
    ]
)
assert SCHEMA.names == [field.name for field in fields(Record)]
_COLUMNS: Final = operator.attrgetter(*SCHEMA.names)


def to_batch(records: Sequence[Record]) -> pa.RecordBatch:
    """Return the records as one Arrow batch of SCHEMA, in their order."""
    columns = (
        dict(zip(SCHEMA.names, zip(*map(_COLUMNS, records), strict=True), strict=True))
        if records
        else dict.fromkeys(SCHEMA.names, ())
    )
    roles: list[str] = []
    contents: list[str] = []
    offsets = [0]
    for messages in columns.pop("messages"):
        for role, content in messages:
            roles.append(role)
            contents.append(content)
        offsets.append(len(roles))
    turns = pa.StructArray.from_arrays([_array(roles, pa.string()), _array(contents, pa.string())], ["role", "content"])
    arrays = {name: _array(values, SCHEMA.field(name).type) for name, values in columns.items()}
    arrays["messages"] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), turns)
    return pa.RecordBatch.from_arrays([arrays[name] for name in SCHEMA.names], schema=SCHEMA)


def conversations(batch: pa.RecordBatch) -> list[list[tuple[str, str]]]:
    """Role and content of each turn of each record of a batch: what many looks need, without making records."""
    messages = batch.column("messages")
    turns = messages.flatten()
    pairs = list(zip(turns.field("role").to_pylist(), turns.field("content").to_pylist(), strict=True))
    offsets = (messages.offsets.to_numpy() - messages.offsets[0].as_py()).tolist()
    return [pairs[start:end] for start, end in itertools.pairwise(offsets)]


def ids(batch: pa.RecordBatch) -> npt.NDArray[Any]:
    """Return the ids of a batch, 16 bytes each."""
    return np.frombuffer(bytes.fromhex("".join(batch.column("id").to_pylist())), "V16")


def _array(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, type_)
    except UnicodeEncodeError:  # a source's own names may hold lone surrogates, which no file can
        return pa.array([_SURROGATE.sub("\ufffd", value) if value else value for value in values], type_)


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def from_batch(batch: pa.RecordBatch | pa.Table) -> list[Record]:
    """Return the records of an Arrow batch or table of SCHEMA, in their order."""
    columns = [batch.column(name).to_pylist() for name in SCHEMA.names if name != "messages"]
    messages = (
        tuple(Message(turn["role"], turn["content"]) for turn in turns)
        for turns in batch.column("messages").to_pylist()
    )
    before, after = columns[:2], columns[2:]
    return [
        Record(*head, turns, *tail)  # type: ignore[call-arg]
        for head, turns, tail in zip(zip(*before, strict=True), messages, zip(*after, strict=True), strict=True)
    ]
