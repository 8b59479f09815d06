"""Encoding: a collection becomes token shards, in several processes, and goes on where it was after a kill.

A task is some ranges of row groups, small files together, large ones apart. Texts are encoded some thousand rows at
a time, and their ids become columns of Arrow at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collection import tokens
from collection.manifest import KEPT, Input, Manifest, total_of
from collection.record import ROLES
from collection.splits import SPLITS
from collection.stage import RunState, WorkUnit, complete, is_made, stage
from collection.store import GROUP_BYTES, parts
from core import files, version
from core.errors import ConfigError, GlotmillError, SourceError
from core.progress import Progress
from core.run_folder import identity_hash
from tokenizer import model_file
from tokenizer.vocabulary import Tokenizer

CODE: Final = ("core", "collection", "tokenizer")
_COPIED: Final = ["id", "language", "source", "dataset", "task"]
_TASK_BYTES: Final = 64 << 20
# A batch that is encoded has so many rows at most, and so many bytes of text, or one row.
_ROWS: Final = 2_000
_BATCH_BYTES: Final = 8 << 20
_ROLES: Final = pa.array(ROLES)
_MOST_IDS: Final = (1 << 31) - 1
# Starting a process costs half a CPU-second: below this, some seconds of work, one process is as good.
_ONE_PROCESS: Final = 32 << 20


@dataclass(frozen=True)
class EncodeConfig:
    """The configuration of `glotmill tokenizer encode`."""

    workers: int = 0  # processes; 0: all cores. It changes nothing in what is written

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ConfigError(f"workers is {self.workers}: expected 0 (all cores) or more")


@dataclass(frozen=True, slots=True)
class RowRange:
    """Row groups `first` to `last` of one part; `split` is that of the part, "" where the folder has none."""

    path: str
    split: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class EncodeTask:
    """What becomes one shard."""

    index: int
    count: int
    ranges: tuple[RowRange, ...]
    rows: int

    @property
    def name(self) -> str:
        return f"encode-{self.index:05d}"


def encode(
    tokenizer: Path,
    collection: Path,
    out: Path,
    config: EncodeConfig,
    *,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """Encodes all records of a finished folder into `out`; the manifest of the shards."""
    progress = progress or Progress.silent()
    upstream = Manifest.read(collection)
    if upstream.command == tokens.COMMAND:
        raise SourceError(f"{collection} holds tokens already: expected a folder of records")
    model = Tokenizer.load(tokenizer)
    paths = parts(collection)
    tasks, weight = _tasks(paths)
    if sum(task.rows for task in tasks) != upstream.rows_out:
        raise SourceError(
            f"{collection}: data/ holds {sum(task.rows for task in tasks)} rows, "
            f"its manifest says {upstream.rows_out}: the folder is damaged"
        )
    identity = _identity(model, paths)
    if not fresh and is_made(out, identity, progress):
        return Manifest.read(out)
    begun = time.monotonic()
    with stage(out, identity, fresh) as place:
        left = [task for task in tasks if not place.is_done(task.name)]
        with progress.watch(place.beats, sum(task.rows for task in tasks)):
            _run(left, str(model.path.resolve()), place, _processes(config, weight, len(left)))
        manifest = _finish(out, place, tasks, identity, upstream)
        manifest.run["seconds"] = round(time.monotonic() - begun, 1)
        complete(out, manifest)
    return manifest


def _tasks(paths: Sequence[Path]) -> tuple[list[EncodeTask], int]:
    """The work, in pieces of about equal size, and its size in bytes."""
    found: list[tuple[tuple[RowRange, ...], int]] = []
    ranges: list[RowRange] = []
    weight = size = rows = 0
    for path in paths:
        split = path.name.split("-")[0] if path.parent.name != "data" else ""
        try:
            data = pq.read_metadata(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise SourceError(f"{path} cannot be read: {error}") from error
        first = 0
        for group in range(data.num_row_groups):
            size += data.row_group(group).total_byte_size
            rows += data.row_group(group).num_rows
            full = size >= _TASK_BYTES
            if full or group == data.num_row_groups - 1:
                ranges.append(RowRange(str(path.resolve()), split if split in SPLITS else "", first, group))
                first = group + 1
            if full:
                found.append((tuple(ranges), rows))
                ranges, weight, size, rows = [], weight + size, 0, 0
    if ranges:
        found.append((tuple(ranges), rows))
    return [EncodeTask(index, len(found), *one) for index, one in enumerate(found)], weight + size


def _identity(model: Tokenizer, paths: Sequence[Path]) -> dict[str, Any]:
    return {
        "command": tokens.COMMAND,
        "code": version.code_hash(*CODE),
        "versions": {"pyarrow": pa.__version__, "sentencepiece": str(model_file.sentencepiece().__version__)},
        "config": {"vocabulary": model.size, "sha256": hashlib.sha256(model.path.read_bytes()).hexdigest()},
        "inputs": [asdict(Input(str(path), path.stat().st_size, files.content_hash(path))) for path in paths],
    }


def _processes(config: EncodeConfig, weight: int, tasks: int) -> int:
    if not config.workers and weight < _ONE_PROCESS:
        return 1
    return max(1, min(config.workers or os.cpu_count() or 1, tasks))


def _run(tasks: Sequence[EncodeTask], model: str, place: RunState, processes: int) -> None:
    if processes == 1:
        for task in tasks:
            _encode(task, model, place)
        return
    # Not forked: SentencePiece and Arrow have threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _as_worker, (os.getpid(),))
    try:
        for future in as_completed([pool.submit(_encode, task, model, place) for task in tasks]):
            future.result()
    except BrokenProcessPool as error:
        raise GlotmillError(
            "a worker ended without a word, most likely for want of memory: try --set workers=1"
        ) from error
    except BaseException as error:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        if isinstance(error, Exception):
            raise (place.error() or error) from error
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _as_worker(parent: int) -> None:
    """A worker ends with its parent, and leaves it to the parent to hear the keyboard."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone already
        os._exit(1)


@functools.lru_cache(maxsize=1)
def _tokenizer(model: str) -> Tokenizer:
    return Tokenizer(Path(model))


def _encode(task: EncodeTask, model: str, place: RunState) -> None:
    tokenizer = _tokenizer(model)
    path = Path(place.out) / "data" / tokens.shard_name(task.index, task.count)
    with place.unit(task.name) as piece:
        with tokens.shard_writer(path, tokenizer.size) as writer:
            _write_rows(task, tokenizer, writer, piece)
        piece.extra["shard"] = [path.relative_to(place.out).as_posix(), files.content_hash(path)]


def _write_rows(task: EncodeTask, tokenizer: Tokenizer, writer: pa.RecordBatchWriter, piece: WorkUnit) -> None:
    """Encode the rows of a task, and count their tokens by language."""
    schema, processor = tokens.schema(tokenizer.size), tokenizer.text_processor
    counted: Counter[str] = Counter()
    rows = size = 0
    gathered: list[pa.RecordBatch] = []
    for split, batch in _batches(task):
        gathered.append(to_tokens(batch, split, processor, schema))
        rows += batch.num_rows
        size += gathered[-1].nbytes
        piece.beat(rows, rows)
        if size >= GROUP_BYTES:
            _write(gathered, writer, piece, counted)
            gathered, size = [], 0
    if gathered:
        _write(gathered, writer, piece, counted)
    piece.extra["tokens"] = dict(counted)
    piece.beat(rows, rows, last=True)


def _batches(task: EncodeTask) -> Iterator[tuple[str, pa.RecordBatch]]:
    for one in task.ranges:
        try:
            with pq.ParquetFile(one.path, page_checksum_verification=True) as file:
                for group in range(one.first, one.last + 1):
                    data = file.metadata.row_group(group)
                    rows = _BATCH_BYTES * data.num_rows // max(data.total_byte_size, 1)
                    size = min(max(rows, 1), _ROWS)
                    for batch in file.iter_batches(size, row_groups=[group], columns=[*_COPIED, "messages"]):
                        for piece in _by_size(batch):
                            yield one.split, piece
        except (OSError, pa.ArrowInvalid) as error:
            raise SourceError(f"{one.path} cannot be read: {error}") from error


def _by_size(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch, or ranges of it with no more text than a batch is to have: rows are not all alike."""
    messages = batch.column("messages")
    contents = messages.flatten().field("content")
    if not len(contents):
        yield batch
        return
    ends = np.frombuffer(contents.buffers()[1], np.int32)[contents.offset :].astype(np.int64)
    ends = ends[messages.offsets.to_numpy() - messages.offsets[0].as_py()]
    first = 0
    while first < batch.num_rows:
        fitting = int(np.searchsorted(ends, ends[first] + _BATCH_BYTES, "right")) - 1
        last = max(first + 1, fitting)
        yield batch.slice(first, last - first)
        first = last


def to_tokens(batch: pa.RecordBatch, split: str, processor: Any, schema: pa.Schema) -> pa.RecordBatch:
    """The records of a batch as rows of token shards; SourceError where a column of Arrow cannot hold their ids."""
    messages = batch.column("messages")
    turns = messages.flatten()
    # As bytes, which is what the library works on: strings would be made here, and taken apart there.
    encoded = processor.encode_as_numpy(turns.field("content").cast(pa.binary()).to_pylist(), num_threads=1)
    ends = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=ends[1:])
    if ends[-1] > _MOST_IDS:
        raise SourceError(
            f"record {batch.column('id')[0].as_py()} has {ends[-1]} tokens: expected fewer than {_MOST_IDS + 1}"
        )
    ids = np.concatenate(encoded) if encoded else np.empty(0, np.int32)
    first = messages.offsets[0].as_py()
    offsets = pa.array(messages.offsets.to_numpy() - first, pa.int32())
    id_type = schema.field("tokens").type.value_type.value_type
    by_turn = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(ids.astype(id_type.to_pandas_dtype())))
    roles = pc.index_in(turns.field("role"), _ROLES).cast(pa.uint8())
    columns = [
        *map(batch.column, _COPIED),
        pa.repeat(split, batch.num_rows),
        pa.ListArray.from_arrays(offsets, roles),
        pa.ListArray.from_arrays(offsets, by_turn),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _write(
    gathered: Sequence[pa.RecordBatch], writer: pa.RecordBatchWriter, piece: WorkUnit, counted: Counter[str]
) -> None:
    """Write the batches as one, and count their rows and tokens."""
    batch = pa.concat_batches(gathered)
    writer.write_batch(batch)
    table = pa.Table.from_batches([batch])
    rows = table.select(["source", "language"]).group_by(["source", "language"]).aggregate([([], "count_all")])
    for row in rows.to_pylist():
        piece.tally.outcomes[row["source"], row["language"], KEPT] += row["count_all"]
    ids = batch.column("tokens")
    ends = ids.values.offsets.to_numpy()[ids.offsets.to_numpy()]
    sizes = pa.table({"language": table.column("language"), "size": np.diff(ends)})
    for row in sizes.group_by("language").aggregate([("size", "sum")]).to_pylist():
        counted[row["language"]] += row["size_sum"]


def _finish(
    out: Path, place: RunState, tasks: Sequence[EncodeTask], identity: dict[str, Any], upstream: Manifest
) -> Manifest:
    markers = [place.read(task.name) for task in tasks]
    counted: Counter[str] = Counter()
    for marker in markers:
        counted.update(marker.extra["tokens"])
    manifest = Manifest.of(
        tokens.COMMAND,
        total_of(marker.tally for marker in markers),
        len(tasks),
        glotmill=version.VERSION,
        **{name: identity[name] for name in ("code", "versions", "config")},
        inputs=[Input(**item) for item in identity["inputs"]],
        notes=[f"{sum(counted.values()):,} tokens"],
        upstream=[asdict(upstream)],
        run={**version.describe(), "identity": identity_hash(identity)},
    )
    stats = {
        "tokens": sum(counted.values()),
        "languages": {
            code: {"rows": manifest.languages[code].rows_out, "tokens": counted[code]} for code in sorted(counted)
        },
        "shards": dict(marker.extra["shard"] for marker in markers),
    }
    files.write_text(out / "stats.json", json.dumps(stats, ensure_ascii=False, indent=2) + "\n")
    return manifest
