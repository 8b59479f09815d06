"""The rows of token shards: a record as ids, message by message. docs/tokenizer.md describes every column."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

COMMAND: Final = "tokenizer encode"
SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("roles", pa.list_(pa.string()), nullable=False),
        pa.field("tokens", pa.list_(pa.list_(pa.int32())), nullable=False),
    ]
)
