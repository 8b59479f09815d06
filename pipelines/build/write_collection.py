"""The end of a build: drop what goes and sort the rest, part by part; gather every language and split into its files.

Text moves from file to file, never through the runner, and no task holds more than some thousand rows.
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
    """What a build does when its duplicates are known."""
    return [phase("sort", _sort, job.own, job), phase("gather", _gather, partial(bins, job=job), job)]


def _sort(part: InputPart, job: BuildJob, work: WorkUnit) -> None:
    """Drops from a part what is not to stay, and writes the rest, some thousand rows at once, by language and split."""
    drops = duplicates_of(part, job)
    work.extra.update(groups=[], contaminated=[])
    path = as_path(job.place.out) / "rejects" / store.part_name(part.index, len(job.own))
    start = 0
    with (
        store.parquet_writer(path, reject.SCHEMA) as rejects,
        files.appearing(job.file("sorted", part.index)) as temporary,
        pa.ipc.new_file(temporary, record.SCHEMA) as rows,
    ):
        for batch in store.batches(as_path(part.path), rows=_ROWS_AT_ONCE):
            removed = {row: drops[start + row] for row in range(batch.num_rows) if start + row in drops}
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
    """The rows that stay, by language and split; the marker says how many there are of each."""
    groups: dict[tuple[str, str], list[int]] = {}
    rows = zip(*(batch.column(name).to_pylist() for name in ("language", "id", "parent_id")), strict=True)
    for row, (language, row_id, parent_id) in enumerate(rows):
        if row not in removed:
            groups.setdefault((language, split_of(row_id, parent_id, splits)), []).append(row)
    work.extra["groups"] += [[language, split, len(members)] for (language, split), members in sorted(groups.items())]
    return _rows_at(batch, [row for _, members in sorted(groups.items()) for row in members])


def _contaminated(batch: pa.RecordBatch, removed: Removed, job: BuildJob, work: WorkUnit) -> Removed:
    """The rows, of those that are left, that hold an item of an evaluation set; the marker says which items."""
    if job.contamination is None:
        return {}
    found: dict[int, tuple[Reason, str]] = {}
    left = [row for row in range(batch.num_rows) if row not in removed]
    talks = record.conversations(_rows_at(batch, left))
    languages = batch.column("language")
    texts = [" ".join([content for _, content in talk]) for talk in talks]
    for place, hit, (name, item) in decontaminate.hits(job.index, texts, job.contamination):
        found[left[place]] = Reason.CONTAMINATED, f"holds {hit.share:.2f} of {name}: {item}"
        work.extra["contaminated"].append([name, item, languages[left[place]].as_py()])
    return found


def _rejects(batch: pa.RecordBatch, removed: Removed, where: str, start: int, raw_limit: int) -> pa.RecordBatch:
    """A reject for each row that goes, in their order."""
    rejects = []
    for row, found in zip(sorted(removed), record.from_batch(_rows_at(batch, sorted(removed))), strict=True):
        reason, detail = removed[row]
        raw = orjson.dumps([turn._asdict() for turn in found.messages]).decode()[:raw_limit]
        place = f"{where}:{start + row + 1}"
        rejects.append(Reject(reason, detail, found.id, found.language, found.source, place, raw))
    return reject.to_batch(rejects)


def _rows_at(batch: pa.RecordBatch, rows: Sequence[int]) -> pa.RecordBatch:
    return batch.take(pa.array(rows, pa.int64()))


@dataclass(frozen=True, slots=True)
class SplitRows:
    """The final files of one language and split: where its rows stand in each sorted part, as (part, start, rows)."""

    language: str
    split: str
    pieces: tuple[tuple[int, int, int], ...]

    @property
    def rows(self) -> int:
        return sum(count for _, _, count in self.pieces)


@dataclass(frozen=True, slots=True)
class Bin:
    """Groups that are gathered in one go: many small ones, or a large one alone."""

    index: int
    groups: tuple[SplitRows, ...]


def bins(*, job: BuildJob) -> list[Bin]:
    """The groups of a build whose parts are all sorted, neighbours together up to so many rows."""
    pieces: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for part in job.own:
        start = 0
        for language, split, count in job.place.read(unit_name("sort", part)).extra["groups"]:
            pieces.setdefault((language, split), []).append((part.index, start, count))
            start += count
    together: list[list[SplitRows]] = []
    rows = _ROWS_A_BIN
    for key in sorted(pieces):
        group = SplitRows(*key, tuple(pieces[key]))
        if rows + group.rows > _ROWS_A_BIN:
            together.append([])
            rows = 0
        together[-1].append(group)
        rows += group.rows
    return [Bin(index, tuple(groups)) for index, groups in enumerate(together)]


def _gather(bin: Bin, job: BuildJob, work: WorkUnit) -> None:
    if len(bin.groups) == 1:
        tables = {bin.groups[0]: _held_together(table for _, table in _pieces(bin, job))}
    else:
        held: dict[SplitRows, list[pa.Table]] = {group: [] for group in bin.groups}
        for group, table in _pieces(bin, job):
            held[group].append(table)
        tables = {group: iter([pa.concat_tables(found)]) for group, found in held.items()}
    languages: dict[str, LanguageStats] = {}
    for group, found in tables.items():
        languages.setdefault(group.language, LanguageStats()).add(_write(group, found, job))
    work.extra["stats"] = {language: stats.to_json() for language, stats in languages.items()}
    work.beat(0, sum(group.rows for group in bin.groups), last=True)


def _pieces(bin: Bin, job: BuildJob) -> Iterator[tuple[SplitRows, pa.Table]]:
    """The rows of each group of a bin, part by part; each part is opened once."""
    wanted: dict[int, list[tuple[int, int, SplitRows]]] = {}
    for group in bin.groups:
        for part, start, count in group.pieces:
            wanted.setdefault(part, []).append((start, count, group))
    for part in sorted(wanted):
        with pa.memory_map(str(local(job.file("sorted", part)))) as file:
            table = pa.ipc.open_file(file).read_all()
            for run in _runs(sorted(wanted[part], key=lambda piece: piece[0])):
                first, last = run[0][0], run[-1][0] + run[-1][1]
                # Copied, so that the part can be let go: mapped pages count as memory, with all their neighbours.
                copy = table.slice(first, last - first).take(pa.array(range(last - first), pa.int64()))
                for start, count, group in run:
                    yield group, copy.slice(start - first, count)


def _runs(pieces: Sequence[tuple[int, int, SplitRows]]) -> Iterator[list[tuple[int, int, SplitRows]]]:
    """Pieces that stand one behind the other, together: the groups of a bin are neighbours wherever they stand."""
    run: list[tuple[int, int, SplitRows]] = []
    for piece in pieces:
        if run and run[-1][0] + run[-1][1] != piece[0]:
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _held_together(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of the size of a row group."""
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
    found = LanguageStats()
    count = math.ceil(group.rows / _ROWS_A_FILE)
    for index in range(count):
        path = as_path(job.place.out) / "data" / group.language / f"{group.split}-{index:05d}-of-{count:05d}.parquet"
        with store.parquet_writer(path, record.SCHEMA) as writer:
            for table in _first(tables, _ROWS_A_FILE if index + 1 < count else None):
                writer.write_table(table, row_group_size=store.GROUP_ROWS)
                found.add(stats.measure(table, group.split))
    return found


def _first(tables: Iterator[pa.Table], rows: int | None) -> Iterator[pa.Table]:
    """Tables up to so many rows together; all of them for None. The last one may pass the number by its own rows."""
    given = 0
    for table in tables:
        yield table
        given += table.num_rows
        if rows is not None and given >= rows:
            return
