"""Drop duplicates and evaluation texts, sort the other rows part by part, and gather each language and split.

Text moves from file to file, never through the runner. A task holds at most some thousand rows in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson
import pyarrow as pa

from collection import record, reject, stats, store
from collection.manifest import KEPT
from collection.reject import Reason, Reject
from collection.splits import SplitConfig, split_of
from collection.stage import WorkUnit
from collection.stats import LanguageStats
from core import files
from core.paths import as_path, local
from pipelines.build import decontaminate
from pipelines.build.duplicates import duplicates_of
from pipelines.build.phase import BuildJob, InputPart, phase, unit_name
from pipelines.runner import Phase

_ROWS_A_FILE: Final = 500_000
_ROWS_A_BIN: Final = 50_000
_ROWS_AT_ONCE: Final = 20_000


def phases(job: BuildJob) -> list[Phase]:
    """Return the phases that follow the search for duplicates."""
    return [phase("sort", _sort, job.own, job), phase("gather", _gather, partial(bins, job=job), job)]


def _sort(part: InputPart, job: BuildJob, work: WorkUnit) -> None:
    """Write the rejects of a part and its other rows, sorted by language and split in batches of some thousand rows."""
    duplicates = duplicates_of(part, job)
    work.extra.update(groups=[], contaminated=[])
    path = as_path(job.state.out) / "rejects" / store.part_name(part.index, len(job.own))
    start = 0
    with (
        store.parquet_writer(path, reject.SCHEMA) as rejects,
        files.appearing(job.file("sorted", part.index)) as temporary,
        pa.ipc.new_file(temporary, record.SCHEMA) as rows,
    ):
        for batch in store.batches(as_path(part.path), rows=_ROWS_AT_ONCE):
            removed = {row: duplicates[start + row] for row in range(batch.num_rows) if start + row in duplicates}
            removed |= _contaminated(batch, removed, job, work)
            rejects.write_batch(_rejects(batch, removed, part.name, start, job.raw_limit))
            for source, language, reason in _outcomes(batch, removed):
                work.tally.outcomes[source, language, reason] += 1
            rows.write_batch(_in_order(batch, removed, job.splits, work))
            start += batch.num_rows
            work.beat(start, start)
        rejects.write_batch(reject.to_batch([]))
    work.beat(part.rows, part.rows, last=True)


Removed = Mapping[int, tuple[Reason, str]]


def _outcomes(batch: pa.RecordBatch, removed: Removed) -> Iterator[tuple[str, str, str]]:
    pairs = zip(batch.column("source").to_pylist(), batch.column("language").to_pylist(), strict=True)
    for row, (source, language) in enumerate(pairs):
        yield source, language, removed[row][0].value if row in removed else KEPT


def _in_order(batch: pa.RecordBatch, removed: Removed, splits: SplitConfig, work: WorkUnit) -> pa.RecordBatch:
    """Return the rows that are kept, sorted by language and split, and add the number of each to the marker."""
    groups: dict[tuple[str, str], list[int]] = {}
    rows = zip(*(batch.column(name).to_pylist() for name in ("language", "id", "parent_id")), strict=True)
    for row, (language, row_id, parent_id) in enumerate(rows):
        if row not in removed:
            groups.setdefault((language, split_of(row_id, parent_id, splits)), []).append(row)
    work.extra["groups"] += [[language, split, len(members)] for (language, split), members in sorted(groups.items())]
    return _rows_at(batch, [row for _, members in sorted(groups.items()) for row in members])


def _contaminated(batch: pa.RecordBatch, removed: Removed, job: BuildJob, work: WorkUnit) -> Removed:
    """Return the remaining rows that hold a text of an evaluation set, and add the texts to the marker."""
    if job.contamination is None:
        return {}
    contaminated: dict[int, tuple[Reason, str]] = {}
    left = [row for row in range(batch.num_rows) if row not in removed]
    talks = record.conversations(_rows_at(batch, left))
    languages = batch.column("language")
    texts = [" ".join([content for _, content in talk]) for talk in talks]
    for index, hit, (name, item) in decontaminate.hits(job.index, texts, job.contamination):
        contaminated[left[index]] = Reason.CONTAMINATED, f"holds {hit.share:.2f} of {name}: {item}"
        work.extra["contaminated"].append([name, item, languages[left[index]].as_py()])
    return contaminated


def _rejects(batch: pa.RecordBatch, removed: Removed, where: str, start: int, raw_limit: int) -> pa.RecordBatch:
    """Return a reject for each removed row, in the order of the rows."""
    rejects = []
    for row, dropped in zip(sorted(removed), record.from_batch(_rows_at(batch, sorted(removed))), strict=True):
        reason, detail = removed[row]
        raw = orjson.dumps([turn._asdict() for turn in dropped.messages]).decode()[:raw_limit]
        location = f"{where}:{start + row + 1}"
        rejects.append(Reject(reason, detail, dropped.id, dropped.language, dropped.source, location, raw))
    return reject.to_batch(rejects)


def _rows_at(batch: pa.RecordBatch, rows: Sequence[int]) -> pa.RecordBatch:
    return batch.take(pa.array(rows, pa.int64()))


@dataclass(frozen=True, slots=True)
class SplitRows:
    """The rows of one language and split, as ranges of the sorted parts: (part, start, number of rows)."""

    language: str
    split: str
    ranges: tuple[tuple[int, int, int], ...]

    @property
    def rows(self) -> int:
        return sum(count for _, _, count in self.ranges)


@dataclass(frozen=True, slots=True)
class Bin:
    """What one task gathers: many small groups, or one large group."""

    index: int
    groups: tuple[SplitRows, ...]


def bins(*, job: BuildJob) -> list[Bin]:
    """Return the groups of a build whose parts are sorted. Small neighbouring groups share a bin."""
    ranges: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for part in job.own:
        start = 0
        for language, split, count in job.state.read(unit_name("sort", part)).extra["groups"]:
            ranges.setdefault((language, split), []).append((part.index, start, count))
            start += count
    groups_of_bins: list[list[SplitRows]] = []
    rows = _ROWS_A_BIN
    for key in sorted(ranges):
        group = SplitRows(*key, tuple(ranges[key]))
        if rows + group.rows > _ROWS_A_BIN:
            groups_of_bins.append([])
            rows = 0
        groups_of_bins[-1].append(group)
        rows += group.rows
    return [Bin(index, tuple(groups)) for index, groups in enumerate(groups_of_bins)]


def _gather(bin: Bin, job: BuildJob, work: WorkUnit) -> None:
    if len(bin.groups) == 1:
        tables = {bin.groups[0]: _row_groups(table for _, table in _tables(bin, job))}
    else:
        tables_of: dict[SplitRows, list[pa.Table]] = {group: [] for group in bin.groups}
        for group, table in _tables(bin, job):
            tables_of[group].append(table)
        tables = {group: iter([pa.concat_tables(parts)]) for group, parts in tables_of.items()}
    languages: dict[str, LanguageStats] = {}
    for group, group_tables in tables.items():
        languages.setdefault(group.language, LanguageStats()).add(_write(group, group_tables, job))
    work.extra["stats"] = {language: stats.to_json() for language, stats in languages.items()}
    work.beat(0, sum(group.rows for group in bin.groups), last=True)


def _tables(bin: Bin, job: BuildJob) -> Iterator[tuple[SplitRows, pa.Table]]:
    """Yield the rows of each group of a bin, part by part. Each part is opened once."""
    wanted: dict[int, list[tuple[int, int, SplitRows]]] = {}
    for group in bin.groups:
        for part, start, count in group.ranges:
            wanted.setdefault(part, []).append((start, count, group))
    for part in sorted(wanted):
        with pa.memory_map(str(local(job.file("sorted", part)))) as file:
            table = pa.ipc.open_file(file).read_all()
            for run in _runs(sorted(wanted[part], key=lambda rows: rows[0])):
                first, last = run[0][0], run[-1][0] + run[-1][1]
                # Copied, so that the part can be closed: mapped pages count as memory, with all their neighbours.
                copy = table.slice(first, last - first).take(pa.array(range(last - first), pa.int64()))
                for start, count, group in run:
                    yield group, copy.slice(start - first, count)


def _runs(ranges: Sequence[tuple[int, int, SplitRows]]) -> Iterator[list[tuple[int, int, SplitRows]]]:
    """Yield runs of adjacent ranges: the groups of a bin are neighbours in every part."""
    run: list[tuple[int, int, SplitRows]] = []
    for rows in ranges:
        if run and run[-1][0] + run[-1][1] != rows[0]:
            yield run
            run = []
        run.append(rows)
    if run:
        yield run


def _row_groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield the same rows in tables of the size of a row group."""
    held: list[pa.Table] = []
    size = rows = 0
    for table in tables:
        held.append(table)
        size, rows = size + table.nbytes, rows + table.num_rows
        if size >= store.GROUP_BYTES or rows >= store.GROUP_ROWS:
            yield pa.concat_tables(held)
            held, size, rows = [], 0, 0
    if held:
        yield pa.concat_tables(held)


def _write(group: SplitRows, tables: Iterator[pa.Table], job: BuildJob) -> LanguageStats:
    language_stats = LanguageStats()
    count = math.ceil(group.rows / _ROWS_A_FILE)
    for index in range(count):
        path = as_path(job.state.out) / "data" / group.language / f"{group.split}-{index:05d}-of-{count:05d}.parquet"
        with store.parquet_writer(path, record.SCHEMA) as writer:
            for table in _first(tables, _ROWS_A_FILE if index + 1 < count else None):
                writer.write_table(table, row_group_size=store.GROUP_ROWS)
                language_stats.add(stats.measure(table, group.split))
    return language_stats


def _first(tables: Iterator[pa.Table], rows: int | None) -> Iterator[pa.Table]:
    """Yield tables until they have this many rows, or all for None. The last table may exceed the number."""
    given = 0
    for table in tables:
        yield table
        given += table.num_rows
        if rows is not None and given >= rows:
            return
