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
        base = [field for field in tokens.SCHEMA if field.name not in ("dataset", "task")]
        schema = pa.schema([*base, *(pa.field(column, pa.string()) for column in columns)])
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


@pytest.fixture(scope="session")
def tiny():
    """A model as small as they come, with what tests need to feed it."""
    from types import SimpleNamespace

    import jax
    import jax.numpy as jnp
    import numpy as np
    from flax.linen import meta

    from finetune.architecture import Architecture, Execution
    from finetune.conversation import Pair
    from finetune.model import EncoderDecoder

    shape = Architecture(
        vocabulary=128, width=16, heads=2, head_width=8, feed_forward=32, encoder_layers=2, decoder_layers=2
    )

    def model(architecture=shape, **run):
        return EncoderDecoder(architecture, Execution(**run))

    def params(module, seed=0):
        ids = jnp.ones((1, 4), jnp.int32)
        return meta.unbox(jax.jit(module.init)(jax.random.key(seed), ids, ids)["params"])

    def pairs(*lengths, seed=0):
        chance = np.random.default_rng(seed)
        return [Pair(*(chance.integers(3, 128, size).astype(np.int32) for size in both)) for both in lengths]

    return SimpleNamespace(shape=shape, model=model, params=params, pairs=pairs)
