"""The work of a build, a task a file: fingerprint, find duplicates, drop and sort, gather.

Text moves from file to file, part by part, never through the runner, and no task holds more than one part.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from collection import record, reject, stats, store
from collection.manifest import KEPT
from collection.reject import Reason, Reject
from collection.splits import SplitConfig, split_of
from collection.stats import LanguageStats
from glotmill import files
from pipelines import deduplicate
from pipelines.runner import Phase
from pipelines.stage import Workplace

_ROWS_A_FILE: Final = 500_000
# Between phases: Arrow's own file form, whose batches can be read one by one without reading the file.
_QUICK: Final = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an earlier stage."""

    index: int
    path: str
    name: str
    rows: int
    hash: str


@dataclass(frozen=True, slots=True)
class Job:
    """What every task of a build knows of the whole."""

    place: Workplace
    splits: SplitConfig
    deduplicate: bool
    raw_limit: int
    parts: tuple[Part, ...]
    buckets: int

    def file(self, kind: str, index: int) -> Path:
        """Where a phase leaves what the next one needs."""
        return self.place.folder / kind / f"{index:05d}"


def phases(job: Job) -> list[Phase]:
    """All phases of a build, in their order."""
    return [
        Phase("fingerprint", partial(_fingerprint, job=job), job.parts if job.deduplicate else ()),
        Phase("find duplicates", partial(_find, job=job), range(job.buckets) if job.deduplicate else ()),
        Phase("sort", partial(_sort, job=job), job.parts),
        Phase("gather", partial(_gather, job=job), partial(groups, job=job)),
    ]


def _fingerprint(part: Part, *, job: Job) -> None:
    name = f"fingerprint-{part.index:05d}"
    if not job.place.is_done(name):
        with job.place.piece(name) as work:
            deduplicate.write_fingerprints(Path(part.path), job.file("fingerprints", part.index), job.buckets)
            work.beat(0, part.rows, last=True)


def _find(bucket: int, *, job: Job) -> None:
    name = find_name(bucket)
    if not job.place.is_done(name):
        with job.place.piece(name) as work:
            sources = [job.file("fingerprints", part.index) for part in job.parts]
            found = deduplicate.find_duplicates(sources, job.file("drops", bucket), bucket, job.buckets)
            work.extra.update(asdict(found))


def _sort(part: Part, *, job: Job) -> None:
    """Drops duplicates from a part, and writes what stays as one Arrow batch for each language and split."""
    name = sort_name(part)
    if job.place.is_done(name):
        return
    with job.place.piece(name) as work:
        buckets = [job.file("drops", bucket) for bucket in range(job.buckets)] if job.deduplicate else []
        drops = deduplicate.drops_of(buckets, part.index, len(job.parts))
        table = pq.read_table(part.path, schema=record.SCHEMA, page_checksum_verification=True)
        dropped = _rows_at(table, sorted(drops))
        _write_rejects(dropped, drops, part, job)
        for language, source in zip(
            *(dropped.column(name).to_pylist() for name in ("language", "source")), strict=True
        ):
            work.tally.outcomes[source, language, Reason.EXACT_DUPLICATE.value] += 1
        table = _rows_at(table, [row for row in range(table.num_rows) if row not in drops]) if drops else table
        groups: dict[tuple[str, str], list[int]] = {}
        rows = zip(*(table.column(name).to_pylist() for name in ("language", "source", "id", "parent_id")), strict=True)
        for row, (language, source, row_id, parent_id) in enumerate(rows):
            groups.setdefault((language, split_of(row_id, parent_id, job.splits)), []).append(row)
            work.tally.outcomes[source, language, KEPT] += 1
        with (
            files.appearing(job.file("sorted", part.index)) as temporary,
            pa.ipc.new_file(temporary, record.SCHEMA, options=_QUICK) as writer,
        ):
            for _, members in sorted(groups.items()):
                writer.write_batch(_rows_at(table, members).combine_chunks().to_batches(len(members))[0])
        work.extra["groups"] = [
            [language, split, len(members)] for (language, split), members in sorted(groups.items())
        ]
        work.beat(part.rows, part.rows, last=True)


def _rows_at(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    return table.take(pa.array(rows, pa.int64()))


def _write_rejects(dropped: pa.Table, drops: dict[int, str], part: Part, job: Job) -> None:
    rejects = []
    for row, found in zip(sorted(drops), record.from_batch(dropped), strict=True):
        raw = json.dumps([turn._asdict() for turn in found.messages], ensure_ascii=False)[: job.raw_limit]
        detail = f"the same as {drops[row]}"
        rejects.append(
            Reject(
                Reason.EXACT_DUPLICATE, detail, found.id, found.language, found.source, f"{part.name}:{row + 1}", raw
            )
        )
    path = Path(job.place.out) / "rejects" / store.part_name(part.index, len(job.parts))
    with store.parquet_writer(path, reject.SCHEMA) as writer:
        writer.write_batch(reject.to_batch(rejects))


@dataclass(frozen=True, slots=True)
class Group:
    """The final files of one language and split: which batch of which sorted part they are made of."""

    language: str
    split: str
    pieces: tuple[tuple[int, int], ...]
    rows: int

    @property
    def name(self) -> str:
        """The name of the piece of work that gathers it."""
        return f"gather-{self.language}-{self.split}"


def groups(*, job: Job) -> list[Group]:
    """The groups of a build whose parts are all sorted."""
    pieces: dict[tuple[str, str], list[tuple[int, int]]] = {}
    rows: Counter[tuple[str, str]] = Counter()
    for part in job.parts:
        for index, (language, split, count) in enumerate(job.place.read(sort_name(part)).extra["groups"]):
            pieces.setdefault((language, split), []).append((part.index, index))
            rows[language, split] += count
    return [Group(*key, tuple(pieces[key]), rows[key]) for key in sorted(pieces)]


def _gather(group: Group, *, job: Job) -> None:
    name = group.name
    if job.place.is_done(name):
        return
    with job.place.piece(name) as work:
        found = LanguageStats()
        count = math.ceil(group.rows / _ROWS_A_FILE)
        rows = _rows_of(group, job)
        for index in range(count):
            path = Path(job.place.out) / "data" / group.language / f"{group.split}-{index:05d}-of-{count:05d}.parquet"
            with store.parquet_writer(path, record.SCHEMA) as writer:
                for table in _first(rows, _ROWS_A_FILE if index + 1 < count else None):
                    writer.write_table(table)
                    found.add(stats.measure(table, group.split))
        work.extra["stats"] = found.to_json()
        work.beat(0, group.rows, last=True)


def _rows_of(group: Group, job: Job) -> Iterator[pa.Table]:
    """The rows of a language and split, part by part, in row groups of a bounded size."""
    held: list[pa.Table] = []
    size = rows = 0
    for part, index in group.pieces:
        with pa.OSFile(str(job.file("sorted", part))) as file:
            table = pa.Table.from_batches([pa.ipc.open_file(file).get_batch(index)])
        held.append(table)
        size, rows = size + table.nbytes, rows + table.num_rows
        if size >= store.GROUP_BYTES or rows >= store.GROUP_ROWS:
            yield pa.concat_tables(held)
            held, size, rows = [], 0, 0
    if held:
        yield pa.concat_tables(held)


def _first(tables: Iterator[pa.Table], rows: int | None) -> Iterator[pa.Table]:
    """Tables up to so many rows together; all of them for None. The last one may pass the number by its own rows."""
    given = 0
    for table in tables:
        yield table
        given += table.num_rows
        if rows is not None and given >= rows:
            return


def sort_name(part: Part) -> str:
    """The name of the piece of work that sorts a part: its marker has the counts."""
    return f"sort-{part.index:05d}"


def find_name(bucket: int) -> str:
    """The name of the piece of work that looks through a bucket."""
    return f"find-{bucket:05d}"
