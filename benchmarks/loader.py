"""What the training data costs: rows a second, and CPU time over that of reading the same ids with bare numpy.

    python benchmarks/loader.py [--rows 200000] [--inputs 1024] [--targets 1024] [--tokens DIR --tokenizer DIR]

Without --tokens, shards of made-up ids are written first: conversations of two turns whose lengths are log-normal, 100
languages, 20 data sets, a vocabulary of mT5's size. The bare reader gets the examples in the same order, as places in
one array, slices them and joins them, and does nothing else: no mixture, no packing, no positions, no segment ids.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from collection import tokens
from collection.manifest import KEPT, Input, Manifest, Tally
from collection.store import part_name
from finetune.data.config import DataConfig, SourceConfig
from finetune.data.sources import Corpus
from finetune.data.special_ids import Vocabulary
from finetune.data.stream import TrainingData
from finetune.data.token_store import ExampleStore

VOCABULARY = Vocabulary(250_112, sha256="made up")
_GROUP = 20_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=200_000)
    arguments.add_argument("--inputs", type=int, default=1024)
    arguments.add_argument("--targets", type=int, default=1024)
    arguments.add_argument("--batches", type=int, default=100)
    arguments.add_argument("--batch", type=int, default=256, help="rows of a batch")
    arguments.add_argument("--tokens", type=Path, help="shards that `glotmill tokenizer encode` wrote")
    arguments.add_argument("--tokenizer", type=Path, help="the tokenizer of --tokens")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as work:
        shards = given.tokens or write_shards(Path(work) / "tokens", given.rows)
        vocabulary = Vocabulary.of(given.tokenizer) if given.tokenizer else VOCABULARY
        begun = time.process_time()
        store = ExampleStore.open(shards, Path(work) / "cache")
        laid_out = time.process_time() - begun
        config = DataConfig(
            sources=(SourceConfig(path=str(shards)),),
            inputs=given.inputs,
            targets=given.targets,
            rows=given.batch,
            prefetch=0,
            cache=str(Path(work) / "cache"),
        )
        data = TrainingData(Corpus.open(config, vocabulary))
        loaded = measure(data, given.batches)
        report = data.report()
        bare = measure_bare(data, store, report.rows)
    ids = report.rows * (given.inputs * report.input_fill + given.targets * report.target_fill)
    result = {
        "rows_per_second_to_lay_out": round(store.rows / laid_out),
        "rows_per_second": round(report.rows / loaded),
        "ids_per_second": round(ids / loaded),
        "examples_per_row": round(report.examples / report.rows, 2),
        "fill": round(report.fill, 4),
        "input_fill": round(report.input_fill, 4),
        "target_fill": round(report.target_fill, 4),
        "times_bare_numpy": round(loaded / bare, 2),
    }
    print(json.dumps(result))


def write_shards(folder: Path, rows: int) -> Path:
    """Token shards of made-up ids."""
    (folder / "data").mkdir(parents=True)
    chance, tally = np.random.default_rng(0), Tally()
    schema = pa.schema(
        [
            *tokens.SCHEMA,
            *(pa.field(name, pa.string()) for name in ("dataset", "task") if name not in tokens.SCHEMA.names),
        ]
    )
    languages = [f"l{number:02d}_Latn" for number in range(100)]
    with pq.ParquetWriter(folder / "data" / part_name(0, 1), schema, compression="zstd", compression_level=1) as writer:
        for start in range(0, rows, _GROUP):
            count = min(_GROUP, rows - start)
            lengths = np.stack([chance.lognormal(4.6, 1, count), chance.lognormal(4, 1, count)], axis=1)
            ends = np.append(0, np.cumsum(np.clip(lengths.reshape(-1).astype(np.int64), 1, 4000))).astype(np.int32)
            ids = pa.array(chance.integers(300, 250_000, ends[-1]).astype(np.int32))
            pairs = pa.array(np.arange(0, 2 * count + 1, 2, dtype=np.int32))
            language = chance.integers(0, len(languages), count)
            columns = {
                "id": pa.array([chance.bytes(16).hex() for _ in range(count)]),
                "language": pa.array([languages[number] for number in language]),
                "source": pa.repeat("made up", count),
                "split": pa.repeat("train", count),
                "roles": pa.ListArray.from_arrays(pairs, pa.array(["user", "assistant"] * count)),
                "tokens": pa.ListArray.from_arrays(pairs, pa.ListArray.from_arrays(pa.array(ends), ids)),
                "dataset": pa.array([f"d{number % 20}" for number in range(count)]),
                "task": pa.repeat("", count),
            }
            writer.write_table(pa.Table.from_pydict({name: columns[name] for name in schema.names}, schema=schema))
            for number, here in zip(*np.unique(language, return_counts=True), strict=True):
                tally.outcomes["made up", languages[number], KEPT] += int(here)
    config = {"vocabulary": VOCABULARY.size, "sha256": VOCABULARY.sha256}
    Manifest.of(
        tokens.COMMAND, tally, 1, config=config, inputs=[Input("in", 1, "h")], run={"identity": "0" * 32}, complete=True
    ).write(folder)
    return folder


def measure(data: TrainingData, batches: int) -> float:
    """CPU seconds for so many batches, after one of warming up, which is made again."""
    state = data.state()
    next(data)
    data.restore(state)
    begun = time.process_time()
    for _ in range(batches):
        next(data)
    return time.process_time() - begun


def measure_bare(data: TrainingData, store: ExampleStore, rows: int) -> float:
    """CPU seconds for slicing and joining the ids of the same examples."""
    places = []
    number = seen = 0
    while seen < rows:
        block = data.blocks.plan(number)
        answers = block.turn[: block.row_starts[min(rows - seen, block.rows)]]
        begins = store.row_turns[store.turn_rows[answers]]
        places.append(np.stack([store.turn_starts[at] for at in (begins, answers, answers + 1)], axis=1))
        number, seen = number + 1, seen + block.rows
    lists = [stretch.tolist() for stretch in places]
    begun = time.process_time()
    for stretch in lists:
        np.concatenate([store.ids[begin:middle] for begin, middle, _ in stretch])
        np.concatenate([store.ids[middle:end] for _, middle, end in stretch])
    return time.process_time() - begun


if __name__ == "__main__":
    main()
