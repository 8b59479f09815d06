"""Build: the folders of earlier stages become one collection, without exact duplicates, split, by language, described.

Four phases, each a task a file: fingerprint every part; find duplicates in every bucket of fingerprints; drop them from
every part and sort what stays by language and split; gather every language and split into its final files. Text moves
from file to file, never through the runner.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from collection import card, record, stats, store
from collection.manifest import KEPT, Input, Manifest, balances, rejected_by_reason, total_of, unfair_reasons
from collection.reject import Reason, Reject
from collection.reject import SCHEMA as REJECT_SCHEMA
from collection.reject import to_batch as rejects_to_batch
from collection.splits import SPLITS, SplitConfig, split_of
from collection.stats import LanguageStats
from glotmill import config as configuration
from glotmill import files, version
from glotmill.errors import ConfigError, SourceError
from glotmill.progress import Progress
from pipelines import deduplicate, runner
from pipelines.runner import Phase, RunConfig
from pipelines.stage import Workplace, clear_work, finished, identity_hash, stage

CODE: Final = ("glotmill", "collection", "pipelines")
_ROWS_A_FILE: Final = 500_000
# Between phases: Arrow's own file form, whose batches can be read one by one without reading the file.
_QUICK: Final = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class BuildConfig:
    """The configuration of `glotmill build`."""

    splits: SplitConfig = field(default_factory=SplitConfig)
    name: str = ""  # of the collection, in its card; empty: its folder's
    deduplicate: bool = True
    raw_limit: int = 65_536  # characters of a dropped row that its reject keeps
    run: RunConfig = field(default_factory=RunConfig)


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
    config: BuildConfig
    parts: tuple[Part, ...]
    buckets: int

    def file(self, kind: str, index: int) -> Path:
        return self.place.folder / kind / f"{index:05d}"


def build(inputs: Sequence[Path], config: BuildConfig, out: Path, *, fresh: bool = False, beam_args: Sequence[str] = (), progress: Progress | None = None) -> Manifest:
    """Makes one collection in `out` of the finished folders `inputs`; the manifest of the collection."""
    progress = progress or Progress.silent()
    if not inputs:
        raise ConfigError("nothing to build from: expected --input DIR, once for every folder")
    upstream = [Manifest.read(folder) for folder in inputs]
    parts = _parts(inputs, upstream)
    identity = _identity(config, parts)
    if finished(out, identity) and not fresh:
        clear_work(out)
        progress.note(f"{out} already holds the output of this very run")
        return Manifest.read(out)

    begun = time.monotonic()
    with stage(out, identity, fresh) as place:
        job = Job(place, config, parts, deduplicate.bucket_count(sum(part.rows for part in parts)))
        weight = sum(Path(part.path).stat().st_size for part in parts)
        with progress.watch(place.beats, 3 * sum(part.rows for part in parts)):
            _run(job, weight * 3, beam_args)
        manifest = _finish(job, out, identity, upstream)
        manifest.run["seconds"] = round(time.monotonic() - begun, 1)
        manifest.complete = True
        manifest.write(out)
        clear_work(out)
    return manifest


def _parts(inputs: Sequence[Path], upstream: Sequence[Manifest]) -> tuple[Part, ...]:
    found: list[tuple[Path, str]] = []
    for folder, manifest in zip(inputs, upstream, strict=True):
        paths = store.parts(folder)
        rows = sum(pq.read_metadata(path).num_rows for path in paths)
        if rows != manifest.rows_out:
            raise SourceError(f"{folder}: data/ holds {rows} rows, its manifest says {manifest.rows_out}: the folder is damaged")
        found += [(path, f"{folder.name}/{path.relative_to(folder).as_posix()}") for path in paths]
    return tuple(
        Part(index, str(path), name, pq.read_metadata(path).num_rows, files.content_hash(path)) for index, (path, name) in enumerate(found)
    )


def _identity(config: BuildConfig, parts: Sequence[Part]) -> dict[str, Any]:
    values = configuration.as_dict(config)
    del values["run"]
    return {
        "command": "build",
        "code": version.code_hash(*CODE),
        "versions": {"pyarrow": pa.__version__},
        "config": values,
        "inputs": [{"path": part.path, "bytes": Path(part.path).stat().st_size, "hash": part.hash} for part in parts],
    }


def _run(job: Job, weight: int, beam_args: Sequence[str]) -> None:
    phases = [
        Phase("fingerprint", partial(_fingerprint, job=job), job.parts if job.config.deduplicate else ()),
        Phase("find duplicates", partial(_find, job=job), range(job.buckets) if job.config.deduplicate else ()),
        Phase("sort", partial(_sort, job=job), job.parts),
        Phase("gather", partial(_gather, job=job), partial(_groups, job=job)),
    ]
    try:
        runner.run(phases, job.config.run, weight, beam_args)
    except Exception as error:
        raise (job.place.error() or error) from error


def _fingerprint(part: Part, *, job: Job) -> None:
    name = f"fingerprint-{part.index:05d}"
    if not job.place.is_done(name):
        with job.place.piece(name) as work:
            deduplicate.write_fingerprints(Path(part.path), job.file("fingerprints", part.index), job.buckets)
            work.beat(0, part.rows, last=True)


def _find(bucket: int, *, job: Job) -> None:
    name = f"find-{bucket:05d}"
    if not job.place.is_done(name):
        with job.place.piece(name) as work:
            sources = [job.file("fingerprints", part.index) for part in job.parts]
            found = deduplicate.find_duplicates(sources, job.file("drops", bucket), bucket, job.buckets)
            work.extra.update(asdict(found))


def _sort(part: Part, *, job: Job) -> None:
    """Drops duplicates from a part, and writes what stays as one Arrow batch for each language and split."""
    name = f"sort-{part.index:05d}"
    if job.place.is_done(name):
        return
    with job.place.piece(name) as work:
        buckets = [job.file("drops", bucket) for bucket in range(job.buckets)] if job.config.deduplicate else []
        drops = deduplicate.drops_of(buckets, part.index, len(job.parts))
        table = pq.read_table(part.path, schema=record.SCHEMA)
        dropped = _rows_at(table, sorted(drops))
        _write_rejects(dropped, drops, part, job)
        for language, source in zip(*(dropped.column(name).to_pylist() for name in ("language", "source")), strict=True):
            work.tally.outcomes[source, language, Reason.EXACT_DUPLICATE.value] += 1
        table = _rows_at(table, [row for row in range(table.num_rows) if row not in drops]) if drops else table
        groups: dict[tuple[str, str], list[int]] = {}
        rows = zip(*(table.column(name).to_pylist() for name in ("language", "source", "id", "parent_id")), strict=True)
        for row, (language, source, row_id, parent_id) in enumerate(rows):
            groups.setdefault((language, split_of(row_id, parent_id, job.config.splits)), []).append(row)
            work.tally.outcomes[source, language, KEPT] += 1
        with files.appearing(job.file("sorted", part.index)) as temporary, pa.ipc.new_file(temporary, record.SCHEMA, options=_QUICK) as writer:
            for _, members in sorted(groups.items()):
                writer.write_batch(_rows_at(table, members).combine_chunks().to_batches(len(members))[0])
        work.extra["groups"] = [[language, split, len(members)] for (language, split), members in sorted(groups.items())]
        work.beat(part.rows, part.rows, last=True)


def _rows_at(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    return table.take(pa.array(rows, pa.int64()))


def _write_rejects(dropped: pa.Table, drops: dict[int, str], part: Part, job: Job) -> None:
    rejects = []
    for row, found in zip(sorted(drops), record.from_batch(dropped), strict=True):
        raw = json.dumps([turn._asdict() for turn in found.messages], ensure_ascii=False)[: job.config.raw_limit]
        detail = f"the same as {drops[row]}"
        rejects.append(Reject(Reason.EXACT_DUPLICATE, detail, found.id, found.language, found.source, f"{part.name}:{row + 1}", raw))
    path = Path(job.place.out) / "rejects" / store.part_name(part.index, len(job.parts))
    with store.parquet_writer(path, REJECT_SCHEMA) as writer:
        writer.write_batch(rejects_to_batch(rejects))


@dataclass(frozen=True, slots=True)
class Group:
    """The final files of one language and split: which batch of which sorted part they are made of."""

    language: str
    split: str
    pieces: tuple[tuple[int, int], ...]
    rows: int


def _groups(*, job: Job) -> list[Group]:
    pieces: dict[tuple[str, str], list[tuple[int, int]]] = {}
    rows: Counter[tuple[str, str]] = Counter()
    for part in job.parts:
        for index, (language, split, count) in enumerate(job.place.read(f"sort-{part.index:05d}").extra["groups"]):
            pieces.setdefault((language, split), []).append((part.index, index))
            rows[language, split] += count
    return [Group(*key, tuple(pieces[key]), rows[key]) for key in sorted(pieces)]


def _gather(group: Group, *, job: Job) -> None:
    name = f"gather-{group.language}-{group.split}"
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


def _finish(job: Job, out: Path, identity: dict[str, Any], upstream: Sequence[Manifest]) -> Manifest:
    groups = _groups(job=job)
    languages: dict[str, LanguageStats] = {}
    for group in groups:
        marker = job.place.read(f"gather-{group.language}-{group.split}")
        languages.setdefault(group.language, LanguageStats()).add(LanguageStats.from_json(marker.extra["stats"]))
    markers = [job.place.read(f"sort-{part.index:05d}") for part in job.parts]
    tally = total_of(marker.tally for marker in markers)
    balance = balances(tally, 1)
    shared = sum(job.place.read(f"find-{bucket:05d}").extra["shared_by_languages"] for bucket in range(job.buckets)) if job.config.deduplicate else 0
    manifest = Manifest(
        command="build",
        glotmill=version.__version__,
        code=identity["code"],
        versions=identity["versions"],
        config=identity["config"],
        inputs=[Input(part.path, Path(part.path).stat().st_size, part.hash) for part in job.parts],
        shards=len(job.parts),
        rows_in=tally.rows_in,
        rows_out=tally.rows_out,
        rows_rejected=tally.rows_in - tally.rows_out,
        rejected=rejected_by_reason(tally),
        languages=balance,
        sources=balances(tally, 0),
        language_id={},
        repaired={},
        masked={},
        warnings=unfair_reasons(balance),
        notes=[f"{shared} texts stand under more than one language; each keeps its row"] if shared else [],
        upstream=[asdict(one) for one in upstream],
        run={**version.describe(), "identity": identity_hash(identity)},
    )
    files.write_text(out / "stats.json", json.dumps(stats.to_json(languages), ensure_ascii=False, indent=2) + "\n")
    files.write_text(out / "README.md", card.render(job.config.name or out.resolve().name, manifest, languages))
    return manifest


__all__ = ["SPLITS", "BuildConfig", "build"]
