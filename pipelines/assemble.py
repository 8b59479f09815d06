"""The work of a build, a task a file: find exact and near duplicates, drop them and sort the rest, gather.

Text moves from file to file, part by part, never through the runner, and no task holds more than one part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from collection import record, reject, stats, store
from collection.manifest import KEPT
from collection.record import Record
from collection.reject import Reason, Reject
from collection.splits import split_of
from collection.stats import LanguageStats
from glotmill import files
from pipelines import decontaminate, deduplicate
from pipelines.job import Job, Part, phase, piece_name
from pipelines.near_duplicates import bands, candidates, clusters, likeness
from pipelines.near_duplicates.candidates import Candidates
from pipelines.runner import Phase
from pipelines.stage import PieceOfWork

_ROWS_A_FILE: Final = 500_000
_ROWS_A_BIN: Final = 50_000


def phases(job: Job) -> list[Phase]:
    """All phases of a build, in their order."""
    found = []
    if job.duplicates.exact:
        found += [
            phase("fingerprint", _fingerprint, job.parts, job),
            phase("find", _find, range(_exact_buckets(job)), job),
        ]
    if job.duplicates.near:
        found += [
            phase("sign", _sign, job.parts, job),
            phase("pair", _pair, range(_near_buckets(job)), job),
            phase("shingle", _shingle, job.parts, job),
            phase("compare", _compare, job.parts, job),
            phase("cluster", _cluster, range(1), job),
        ]
    return [*found, phase("sort", _sort, job.own, job), phase("gather", _gather, partial(bins, job=job), job)]


def _exact_buckets(job: Job) -> int:
    return deduplicate.bucket_count(job.rows)


def _near_buckets(job: Job) -> int:
    return bands.bucket_count(job.rows)


def _fingerprint(part: Part, job: Job, work: PieceOfWork) -> None:
    target = job.file("fingerprints", part.index)
    deduplicate.write_fingerprints(Path(part.path), target, _exact_buckets(job), part.was_there)
    work.beat(0, part.rows, last=True)


def _find(bucket: int, job: Job, work: PieceOfWork) -> None:
    sources, target = job.files("fingerprints", len(job.parts)), job.file("drops", bucket)
    work.extra.update(asdict(deduplicate.find_duplicates(sources, target, bucket, _exact_buckets(job))))


def _exact_drops(part: Part, job: Job) -> dict[int, str]:
    if not job.duplicates.exact:
        return {}
    return deduplicate.drops_of(job.files("drops", _exact_buckets(job)), part.index, len(job.parts))


def _sign(part: Part, job: Job, work: PieceOfWork) -> None:
    target, skip = job.file("bands", part.index), _exact_drops(part, job)
    bands.write_bands(Path(part.path), target, skip, _near_buckets(job), part.was_there)
    work.beat(0, part.rows, last=True)


def _pair(bucket: int, job: Job, work: PieceOfWork) -> None:
    sources, targets = job.files("bands", len(job.parts)), (job.file("pairs", bucket), job.file("members", bucket))
    work.extra["pairs"] = bands.find_pairs(sources, job.starts, bucket, _near_buckets(job), *targets)


def _shingle(part: Part, job: Job, work: PieceOfWork) -> None:
    members, target = job.files("members", _near_buckets(job)), job.file("shingles", part.index)
    candidates.write_shingles(Path(part.path), part.index, part.start, members, len(job.parts), target)
    work.beat(0, part.rows, last=True)


def _compare(part: Part, job: Job, work: PieceOfWork) -> None:
    work.extra["alike"] = likeness.compare(
        job.files("pairs", _near_buckets(job)),
        part.index,
        len(job.parts),
        _candidates(job),
        job.file("alike", part.index),
        least=job.duplicates.threshold,
        across_templates=job.duplicates.across_templates,
    )


def _candidates(job: Job) -> Candidates:
    return Candidates(job.files("shingles", len(job.parts)), job.starts)


def _cluster(_: int, job: Job, work: PieceOfWork) -> None:
    work.extra["gone"] = clusters.cluster(job.files("alike", len(job.parts)), job.clusters)


def _drops(part: Part, job: Job) -> dict[int, tuple[Reason, str]]:
    """The rows of a part that go, each with the reason and its detail."""
    drops = {
        row: (Reason.EXACT_DUPLICATE, f"the same as {survivor}") for row, survivor in _exact_drops(part, job).items()
    }
    if job.duplicates.near:
        places, stays, shares = job.clusters.drops(part.start, part.start + part.rows)
        for row, survivor, alike in zip(places.tolist(), _candidates(job).ids(stays), shares.tolist(), strict=True):
            drops[row] = (Reason.NEAR_DUPLICATE, f"{alike:.2f} alike, in the cluster of {survivor}")
    return drops


def _sort(part: Part, job: Job, work: PieceOfWork) -> None:
    """Drops from a part what is not to stay, and writes the rest in the order of language and split."""
    table = pq.read_table(part.path, schema=record.SCHEMA, page_checksum_verification=True)
    drops = _drops(part, job)
    drops |= _contaminated(table, drops, job, work)
    dropped = record.from_batch(_rows_at(table, sorted(drops)))
    _write_rejects(dropped, drops, part, job)
    for row, found in zip(sorted(drops), dropped, strict=True):
        work.tally.outcomes[found.source, found.language, drops[row][0].value] += 1
    table = _rows_at(table, [row for row in range(table.num_rows) if row not in drops]) if drops else table
    groups: dict[tuple[str, str], list[int]] = {}
    rows = zip(*(table.column(name).to_pylist() for name in ("language", "source", "id", "parent_id")), strict=True)
    for row, (language, source, row_id, parent_id) in enumerate(rows):
        groups.setdefault((language, split_of(row_id, parent_id, job.splits)), []).append(row)
        work.tally.outcomes[source, language, KEPT] += 1
    ordered = _rows_at(table, [row for _, members in sorted(groups.items()) for row in members]).combine_chunks()
    with (
        files.appearing(job.file("sorted", part.index)) as temporary,
        pa.ipc.new_file(temporary, record.SCHEMA) as file,
    ):
        file.write_table(ordered)
    work.extra["groups"] = [[language, split, len(members)] for (language, split), members in sorted(groups.items())]
    work.beat(part.rows, part.rows, last=True)


def _contaminated(
    table: pa.Table, drops: Mapping[int, tuple[Reason, str]], job: Job, work: PieceOfWork
) -> dict[int, tuple[Reason, str]]:
    """The rows, of those that are left, that hold an item of an evaluation set; the marker says which items."""
    if job.contamination is None:
        return {}
    found: dict[int, tuple[Reason, str]] = {}
    told: list[list[str]] = []
    left = [row for row in range(table.num_rows) if row not in drops]
    languages = table.column("language")
    for batch in _rows_at(table, left).combine_chunks().to_batches():
        texts = [" ".join([content for _, content in talk]) for talk in record.conversations(batch)]
        for place, hit, (name, item) in decontaminate.hits(job.index, texts, job.contamination):
            detail = f"holds {hit.share:.2f} of {name}: {item}"
            found[left[place]] = Reason.CONTAMINATED, detail
            told.append([name, item, languages[left[place]].as_py()])
    work.extra["contaminated"] = told
    return found


def _rows_at(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    return table.take(pa.array(rows, pa.int64()))


def _write_rejects(dropped: Sequence[Record], drops: Mapping[int, tuple[Reason, str]], part: Part, job: Job) -> None:
    rejects = []
    for row, found in zip(sorted(drops), dropped, strict=True):
        reason, detail = drops[row]
        raw = orjson.dumps([turn._asdict() for turn in found.messages]).decode()[: job.raw_limit]
        where = f"{part.name}:{row + 1}"
        rejects.append(Reject(reason, detail, found.id, found.language, found.source, where, raw))
    path = Path(job.place.out) / "rejects" / store.part_name(part.index, len(job.own))
    with store.parquet_writer(path, reject.SCHEMA) as writer:
        writer.write_batch(reject.to_batch(rejects))


@dataclass(frozen=True, slots=True)
class Group:
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
    groups: tuple[Group, ...]


def bins(*, job: Job) -> list[Bin]:
    """The groups of a build whose parts are all sorted, neighbours together up to so many rows."""
    pieces: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for part in job.own:
        start = 0
        for language, split, count in job.place.read(piece_name("sort", part)).extra["groups"]:
            pieces.setdefault((language, split), []).append((part.index, start, count))
            start += count
    together: list[list[Group]] = []
    rows = _ROWS_A_BIN
    for key in sorted(pieces):
        group = Group(*key, tuple(pieces[key]))
        if rows + group.rows > _ROWS_A_BIN:
            together.append([])
            rows = 0
        together[-1].append(group)
        rows += group.rows
    return [Bin(index, tuple(groups)) for index, groups in enumerate(together)]


def _gather(bin: Bin, job: Job, work: PieceOfWork) -> None:
    if len(bin.groups) == 1:
        tables = {bin.groups[0]: _held_together(table for _, table in _pieces(bin, job))}
    else:
        held: dict[Group, list[pa.Table]] = {group: [] for group in bin.groups}
        for group, table in _pieces(bin, job):
            held[group].append(table)
        tables = {group: iter([pa.concat_tables(found)]) for group, found in held.items()}
    languages: dict[str, LanguageStats] = {}
    for group, found in tables.items():
        languages.setdefault(group.language, LanguageStats()).add(_write(group, found, job))
    work.extra["stats"] = {language: stats.to_json() for language, stats in languages.items()}
    work.beat(0, sum(group.rows for group in bin.groups), last=True)


def _pieces(bin: Bin, job: Job) -> Iterator[tuple[Group, pa.Table]]:
    """The rows of each group of a bin, part by part; each part is opened once."""
    wanted: dict[int, list[tuple[Group, int, int]]] = {}
    for group in bin.groups:
        for part, start, count in group.pieces:
            wanted.setdefault(part, []).append((group, start, count))
    for part in sorted(wanted):
        with pa.memory_map(str(job.file("sorted", part))) as file:
            table = pa.ipc.open_file(file).read_all()
            for group, start, count in wanted[part]:
                yield group, table.slice(start, count)


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


def _write(group: Group, tables: Iterator[pa.Table], job: Job) -> LanguageStats:
    found = LanguageStats()
    count = math.ceil(group.rows / _ROWS_A_FILE)
    for index in range(count):
        path = Path(job.place.out) / "data" / group.language / f"{group.split}-{index:05d}-of-{count:05d}.parquet"
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
