"""Measure the training data: rows a second, and CPU time over that of reading the same ids with bare numpy.

    python benchmarks/loader.py [--rows 200000] [--inputs 1024] [--targets 1024] [--tokens DIR --tokenizer DIR]

Without --tokens, shards of made-up ids are written first: conversations of two turns whose lengths are log-normal, 100
languages, 20 data sets, a vocabulary of mT5's size. The bare reader gets the same examples in the same order, as slices
of the mapped arrays, and joins them. It does nothing else: no mixture, no packing, no positions, no segment ids.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from collection import tokens
from collection.manifest import KEPT, Input, Manifest, Tally
from collection.record import ROLES
from finetune.data.config import DataConfig, SourceConfig
from finetune.data.sources import DataSources
from finetune.data.special_ids import SpecialIds
from finetune.data.stream import TrainingData

SPECIAL_IDS = SpecialIds(250_112, sha256="made up")
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
        special_ids = SpecialIds.of(given.tokenizer) if given.tokenizer else SPECIAL_IDS
        config = DataConfig(
            sources=(SourceConfig(path=str(shards)),),
            inputs=given.inputs,
            targets=given.targets,
            rows=given.batch,
            prefetch=0,
        )
        begun = time.process_time()
        data = TrainingData(DataSources.open(config, special_ids))
        opened = time.process_time() - begun
        [store] = data.sources.stores.values()
        loaded = measure(data, given.batches)
        report = data.report()
        bare = measure_bare(data, report.rows)
    ids = report.rows * (given.inputs * report.input_fill + given.targets * report.target_fill)
    result = {
        "rows_per_second_to_open": round(store.rows / opened),
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
    """Write token shards of made-up ids."""
    chance, tally = np.random.default_rng(0), Tally()
    schema = tokens.schema(SPECIAL_IDS.size)
    languages = [f"l{number:02d}_Latn" for number in range(100)]
    with tokens.shard_writer(folder / "data" / tokens.shard_name(0, 1), SPECIAL_IDS.size) as writer:
        for start in range(0, rows, _GROUP):
            count = min(_GROUP, rows - start)
            lengths = np.stack([chance.lognormal(4.6, 1, count), chance.lognormal(4, 1, count)], axis=1)
            ends = np.append(0, np.cumsum(np.clip(lengths.reshape(-1).astype(np.int64), 1, 4000))).astype(np.int32)
            ids = pa.array(chance.integers(300, 250_000, ends[-1]).astype(np.int32))
            pairs = pa.array(np.arange(0, 2 * count + 1, 2, dtype=np.int32))
            roles = np.tile(np.array([ROLES.index("user"), ROLES.index("assistant")], np.uint8), count)
            language = chance.integers(0, len(languages), count)
            columns = {
                "id": pa.array([chance.bytes(16).hex() for _ in range(count)]),
                "language": pa.array([languages[number] for number in language]),
                "source": pa.repeat("made up", count),
                "split": pa.repeat("train", count),
                "roles": pa.ListArray.from_arrays(pairs, pa.array(roles)),
                "tokens": pa.ListArray.from_arrays(pairs, pa.ListArray.from_arrays(pa.array(ends), ids)),
                "dataset": pa.array([f"d{number % 20}" for number in range(count)]),
                "task": pa.repeat("", count),
            }
            writer.write_batch(pa.RecordBatch.from_pydict({name: columns[name] for name in schema.names}, schema))
            for number, rows_of in zip(*np.unique(language, return_counts=True), strict=True):
                tally.outcomes["made up", languages[number], KEPT] += int(rows_of)
    config = {"vocabulary": SPECIAL_IDS.size, "sha256": SPECIAL_IDS.sha256}
    Manifest.of(
        tokens.COMMAND, tally, 1, config=config, inputs=[Input("in", 1, "h")], run={"identity": "0" * 32}, complete=True
    ).write(folder)
    return folder


def measure(data: TrainingData, batches: int) -> float:
    """Return the CPU seconds for some batches, after one to warm up, which is made again."""
    state = data.state()
    next(data)
    data.restore(state)
    begun = time.process_time()
    for _ in range(batches):
        next(data)
    return time.process_time() - begun


def measure_bare(data: TrainingData, rows: int) -> float:
    """Return the CPU seconds for slicing and joining the ids of the same examples, in the same order."""
    [store] = data.sources.stores.values()
    sides = []
    number = seen = 0
    while seen < rows:
        plan = data.planner.plan(number)
        answers = plan.examples[: plan.row_starts[min(rows - seen, plan.rows)]]
        slices = []
        for batch_number, row, turn in answers[["batch", "row", "turn"]].tolist():
            batch = store.batches[batch_number]
            middle = int(batch.turn_starts[turn])
            begin, end = int(batch.turn_starts[batch.row_turns[row]]), int(batch.turn_starts[turn + 1])
            slices.append((batch.ids, begin, middle, end))
        sides.append(slices)
        number, seen = number + 1, seen + plan.rows
    begun = time.process_time()
    for slices in sides:
        np.concatenate([ids[begin:middle] for ids, begin, middle, _ in slices])
        np.concatenate([ids[middle:end] for ids, _, middle, end in slices])
    return time.process_time() - begun


if __name__ == "__main__":
    main()
