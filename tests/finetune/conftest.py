"""Token shards of a few made-up rows, without a tokenizer."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collection import tokens
from collection.manifest import KEPT, Input, Manifest, Tally
from collection.store import part_name


@pytest.fixture
def shards(tmp_path):
    """Writes a folder of token shards; a row is a dict with `turns`, (role, ids) each, and whatever else it has."""

    def write(name, rows, *, vocabulary=1000, sha256="tokenizer", identity="", parts=2, columns=("dataset", "task")):
        folder, tally = tmp_path / name, Tally()
        extra = [pa.field(column, pa.string()) for column in columns if column not in tokens.SCHEMA.names]
        schema = pa.schema([*tokens.SCHEMA, *extra])
        lines = []
        for number, row in enumerate(rows):
            line = {
                "id": hashlib.md5(f"{name} {row.get('key', number)}".encode()).hexdigest(),
                "language": "swh_Latn",
                "source": "aya",
                "split": "",
                "dataset": "",
                "task": "",
                **row,
                "roles": [role for role, _ in row["turns"]],
                "tokens": [list(ids) for _, ids in row["turns"]],
            }
            lines.append({key: line[key] for key in schema.names})
            tally.outcomes[line["source"], line["language"], KEPT] += 1
        (folder / "data").mkdir(parents=True, exist_ok=True)
        for part in range(parts):
            table = pa.Table.from_pylist(lines[part::parts], schema=schema)
            pq.write_table(table, folder / "data" / part_name(part, parts), row_group_size=7)
        Manifest.of(
            tokens.COMMAND,
            tally,
            parts,
            config={"vocabulary": vocabulary, "sha256": sha256},
            inputs=[Input("in", 1, "h")],
            run={"identity": identity or f"{name:0<32}"},
            complete=True,
        ).write(folder)
        return folder

    return write


@pytest.fixture
def plain():
    """Rows of one prompt and one answer; ids 10 and up, so that each tells which row it is of."""

    def rows(count, first=10, **columns):
        return [
            {
                "turns": [
                    ("user", [first + number] * (1 + number % 5)),
                    ("assistant", [first + number] * (1 + number % 3)),
                ],
                "key": f"{first} {number}",
                **columns,
            }
            for number in range(count)
        ]

    return rows
