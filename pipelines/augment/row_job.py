"""Rows made of rows: the job that translation and synthesis share.

The rows of earlier stage folders or collections are cut into pieces of work, a bounded range of rows each. Its worker
gives them, batch by batch, to a maker, writes what comes of them as one part of `data/` and of `rejects/`, and a marker
with the counts.

Of every row a maker makes `targets` rows: a language each, say. `rows_in` counts those pairs, so that
in = out + rejected holds to the row whatever is made.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from collection import record, store
from collection.export import as_messages
from collection.manifest import KEPT, UNDETERMINED, Input, Manifest, Tally, total_of, unfair_reasons
from collection.record import Record
from collection.reject import Reason, Reject
from collection.stage import Marker, RunState, WorkUnit, complete, is_made
from collection.store import PartWriter, part_name
from core import config as configuration
from core import files, version
from core.errors import ConfigError, GlotmillError, SourceError, UserError
from core.paths import absolute, as_path, readable, real, remove
from core.progress import Progress
from core.run_folder import identity_hash
from pipelines import runner
from pipelines.runner import Phase, RunConfig

CODE: Final = ("core", "collection", "pipelines")


class RowMaker(Protocol):
    """Makes rows of rows in one worker, which holds it open for one piece of work."""

    def make(self, records: Sequence[Record]) -> Sequence[Record | Reject]:
        """What becomes of each row, `targets` outcomes a row in all: records, or the rejects that say why not.

        A UserError ends the run, to be taken up again; any other error turns its rows away as INTERNAL_ERROR. What a
        budget no longer allows comes back as OVER_BUDGET: the run ends well, and the same command with more money
        makes the rest.
        """


# Opened once a piece of work, in the worker: it may hold what cannot travel, such as a model or a connection.
Opener = Callable[[RunState], AbstractContextManager[RowMaker]]


@dataclass(frozen=True)
class RowJob:
    """What is made, and in which grain.

    `versions` names the engines: other ones make another run. `work_a_byte` is how much more work a byte is than in
    ingest, and so when many processes pay off; with 0 one process does all, as is best where a service limits the rate
    or one large model uses all cores. `free` are sections or keys of the configuration that change nothing in what is
    made, such as a budget, and are no part of the run's identity.
    """

    command: str
    open: Opener
    targets: int
    versions: Mapping[str, str]
    rows_a_piece: int = 2_000
    rows_a_batch: int = 200
    raw_limit: int = 65_536
    work_a_byte: float = 100.0
    free: tuple[str, ...] = ("run",)

    def __post_init__(self) -> None:
        for name, least in (("rows_a_piece", 1), ("rows_a_batch", 1), ("raw_limit", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected {least} or more")


@dataclass(frozen=True, slots=True)
class RowSlice:
    """Rows `first` up to, not including, `last` of one Parquet file. `name` is its path as people know it."""

    path: str
    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Piece:
    """What one worker does in one go and writes as one part. `key` names its input."""

    index: int
    count: int
    slices: tuple[RowSlice, ...]
    key: str

    @property
    def rows(self) -> int:
        return sum(row_slice.last - row_slice.first for row_slice in self.slices)

    @property
    def name(self) -> str:
        """The name of its marker."""
        return f"{part_name(self.index, self.count).removesuffix('.parquet')}-{self.key}"


@dataclass(frozen=True)
class RowInputs:
    """The rows that a run is given: files with their sizes and hashes, the manifests that they came with, the rows."""

    inputs: tuple[Input, ...]
    upstream: tuple[Manifest, ...]
    slices: tuple[RowSlice, ...]
    bytes: int

    @property
    def rows(self) -> int:
        return sum(row_slice.last for row_slice in self.slices)

    def pieces(self, rows_a_piece: int) -> tuple[Piece, ...]:
        """All rows in pieces of about so many, which depend on the input alone."""
        count = -(-self.rows // rows_a_piece)
        bounds = [self.rows * index // count for index in range(count + 1)] if count else []
        hashes = {item.path: item.hash for item in self.inputs}
        pieces = []
        for index, (first, last) in enumerate(itertools.pairwise(bounds)):
            slices = tuple(self._between(first, last))
            named = [[hashes[one.name], one.first, one.last] for one in slices]
            key = xxhash.xxh3_128_hexdigest(json.dumps(named).encode())
            pieces.append(Piece(index, count, slices, key))
        return tuple(pieces)

    def _between(self, first: int, last: int) -> Iterator[RowSlice]:
        start = 0
        for whole in self.slices:
            end = start + whole.last
            if start < last and first < end:
                yield RowSlice(whole.path, whole.name, max(first - start, 0), min(last - start, whole.last))
            start = end


def read_inputs(folders: Sequence[Path]) -> RowInputs:
    """The rows of finished folders. SourceError for one that is unfinished, damaged, or none of a command's."""
    if not folders:
        raise ConfigError("nothing to make rows of: expected --input DIR, a folder that another command wrote")
    places = [real(folder) for folder in folders]
    if twice := [folder for folder, place in zip(folders, places, strict=True) if places.count(place) > 1]:
        raise ConfigError(f"--input {twice[0]} was given twice: its rows would be made twice")
    upstream = [Manifest.read(folder) for folder in folders]
    inputs: list[Input] = []
    slices: list[RowSlice] = []
    for folder, manifest in zip(folders, upstream, strict=True):
        rows = 0
        for path in store.parts(folder):
            slices.append(RowSlice(absolute(path), str(path), 0, store.row_count(path)))
            inputs.append(Input(str(path), path.stat().st_size, files.content_hash(path)))
            rows += slices[-1].last
        if rows != manifest.rows_out:
            raise SourceError(
                f"{folder}: data/ holds {rows} rows, its manifest says {manifest.rows_out}: the folder is damaged"
            )
    return RowInputs(tuple(inputs), tuple(upstream), tuple(slices), sum(item.bytes for item in inputs))


def run_row_job(
    inputs: Sequence[Path],
    config: Any,
    out: Path,
    what: RowJob,
    *,
    run: RunConfig,
    fresh: bool = False,
    beam_args: Sequence[str] = (),
    progress: Progress | None = None,
) -> Manifest:
    """Makes rows of all rows of the finished folders `inputs`, or takes up what a killed run left; the manifest.

    `config` is the command's configuration, which goes into the manifest. SourceError where an input cannot be read,
    OutputError where `out` cannot be used.
    """
    progress = progress or Progress.silent()
    rows = read_inputs(inputs)
    identity = _identity(config, what, rows)
    if not (fresh or runner.is_dry_run(beam_args)) and is_made(out, identity, progress):
        manifest = Manifest.read(out)
        if Reason.OVER_BUDGET.value not in manifest.rejected:
            return manifest
        progress.note("its budget was spent before its end: going on")
    runner.check_paths(beam_args, [str(out), *(item.path for item in rows.inputs)])
    begun = time.monotonic()
    with runner.workplace(out, identity, fresh, beam_args) as place:
        if not runner.is_dry_run(beam_args):
            # Of the run before, whose budget was spent: from here on the folder is as unfinished as it says.
            remove(out / "manifest.json")
        pieces = rows.pieces(what.rows_a_piece)
        left = [piece for piece in pieces if not place.is_done(piece.name)]
        if len(left) < len(pieces):
            progress.note(f"resuming: {len(pieces) - len(left)} of {len(pieces)} pieces are done")
        phase = Phase(what.command, partial(run_piece, what=what, place=place), left)
        with progress.watch(place.beats, rows.rows):
            runner.run([phase], run, round(rows.bytes * what.work_a_byte), beam_args, place)
        manifest = _manifest(what, identity, rows, [place.read(piece.name) for piece in pieces])
        manifest.run["seconds"] = round(time.monotonic() - begun, 1)
        complete(out, manifest)
    return manifest


def run_piece(piece: Piece, *, what: RowJob, place: RunState) -> Tally | None:
    """Reads, makes and writes one piece of work; its counts. A piece that is done already is left alone."""
    if place.is_done(piece.name):
        return None
    with (
        place.unit(piece.name) as work,
        PartWriter(as_path(place.out), piece.index, piece.count) as part,
        what.open(place) as maker,
    ):
        done = 0
        for places, records in _batches(piece.slices, what.rows_a_batch):
            where = dict(zip((one.id for one in records), places, strict=True))
            outcomes = _made(maker, records, what.targets)
            part.write([_counted(outcome, where, what.raw_limit, work) for outcome in outcomes])
            done += len(records)
            work.beat(done, done)
        work.beat(done, done, last=True)
    return work.tally


def read(slices: Iterable[RowSlice]) -> Iterator[Record]:
    """The records of slices, in their order."""
    for _, records in _batches(slices, _ROWS_AT_ONCE):
        yield from records


_ROWS_AT_ONCE: Final = 500


def reject_of(made_of: Record, reason: Reason, detail: str = "", language: str = "") -> Reject:
    """The reject for one row that was to be made of a record, in a language where that is not the record's own."""
    raw = orjson.dumps(as_messages(made_of)).decode()
    return Reject(reason, detail, made_of.id, language or made_of.language, made_of.source, raw=raw)


def family(made_of: Record) -> str:
    """The `parent_id` of what is made of a record: the record, or the row that it was itself made of.

    The first of the line, so that all of a line fall into one split.
    """
    return made_of.parent_id or made_of.id


def _batches(slices: Iterable[RowSlice], rows: int) -> Iterator[tuple[list[str], list[Record]]]:
    """The records of slices, so many at once, each with its place: `file:row`."""
    places: list[str] = []
    records: list[Record] = []
    for row_slice in slices:
        for first, batch in _read(row_slice, rows):
            places += [f"{row_slice.name}:{first + number + 1}" for number in range(batch.num_rows)]
            records += record.from_batch(batch)
            while len(records) >= rows:
                yield places[:rows], records[:rows]
                places, records = places[rows:], records[rows:]
    if records:
        yield places, records


def _read(row_slice: RowSlice, rows: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of a row_slice in small batches, each with the number of its first row in the file."""
    try:
        with (
            readable(as_path(row_slice.path)) as source,
            pq.ParquetFile(source, page_checksum_verification=True) as file,
        ):
            groups: list[int] = []
            start = end = 0
            for group in range(file.num_row_groups):
                begin, end = end, end + file.metadata.row_group(group).num_rows
                if begin < row_slice.last and row_slice.first < end:
                    start = start if groups else begin
                    groups.append(group)
            for batch in file.iter_batches(batch_size=rows, row_groups=groups) if groups else ():
                first, last = max(row_slice.first - start, 0), min(row_slice.last - start, batch.num_rows)
                if first < last:
                    yield start + first, batch.slice(first, last - first)
                start += batch.num_rows
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceError(f"{row_slice.name} cannot be read: {error}") from error


def _made(maker: RowMaker, records: Sequence[Record], targets: int) -> Sequence[Record | Reject]:
    """What a maker makes of a batch. Where it fails, its rows one by one, and those that fail alone are turned away."""
    try:
        outcomes = maker.make(records)
    except UserError:
        raise
    except Exception as error:  # a bug on one row must neither lose it nor stop the run
        if len(records) == 1:
            failed = reject_of(records[0], Reason.INTERNAL_ERROR, f"{type(error).__name__}: {error}")
            return [failed] * targets
        return [outcome for one in records for outcome in _made(maker, [one], targets)]
    if len(outcomes) != targets * len(records):
        raise GlotmillError(f"{len(outcomes)} rows were made of {len(records)}, expected {targets} of each")
    return outcomes


def _counted(outcome: Record | Reject, where: Mapping[str, str], raw_limit: int, work: WorkUnit) -> Record | Reject:
    """An outcome that was counted; a reject completed with its place, and cut at the limit."""
    if isinstance(outcome, Record):
        work.tally.outcomes[outcome.source, outcome.language, KEPT] += 1
        return outcome
    detail, raw, language = outcome.detail, outcome.raw, outcome.language or UNDETERMINED
    if len(raw) > raw_limit:
        detail = f"{detail}{'; ' if detail else ''}the first {raw_limit} of {len(raw)} characters are kept"
    work.tally.outcomes[outcome.source, language, outcome.reason.value] += 1
    location = outcome.location or where.get(outcome.id, "")
    return Reject(outcome.reason, detail, outcome.id, language, outcome.source, location, raw[:raw_limit])


def _identity(config: Any, what: RowJob, rows: RowInputs) -> dict[str, Any]:
    values = configuration.as_dict(config)
    for name in what.free:
        *sections, last = name.split(".")
        place = values
        for section in sections:
            place = place[section]
        del place[last]
    return {
        "command": what.command,
        "code": version.code_hash(*CODE),
        "versions": {"pyarrow": pa.__version__, **what.versions},
        "config": values,
        "inputs": [asdict(item) for item in rows.inputs],
    }


def _manifest(what: RowJob, identity: dict[str, Any], rows: RowInputs, markers: Sequence[Marker]) -> Manifest:
    manifest = Manifest.of(
        what.command,
        total_of(marker.tally for marker in markers),
        len(markers),
        glotmill=version.VERSION,
        **{name: identity[name] for name in ("code", "versions", "config")},
        inputs=list(rows.inputs),
        notes=_notes(what, rows),
        upstream=[asdict(one) for one in rows.upstream],
        run={
            **version.describe(),
            "identity": identity_hash(identity),
            "shard_seconds": round(sum(marker.seconds for marker in markers), 1),
        },
    )
    manifest.warnings = unfair_reasons(manifest.languages)
    if errors := manifest.rejected.get(Reason.INTERNAL_ERROR.value):
        told = f"glotmill itself failed on {errors} rows (internal_error in rejects/): please report it"
        manifest.warnings.insert(0, told)
    if left := manifest.rejected.get(Reason.OVER_BUDGET.value):
        manifest.notes.append(f"the budget was spent before {left:,} rows: the same command with more makes them")
    return manifest


def _notes(what: RowJob, rows: RowInputs) -> list[str]:
    if what.targets == 1:
        return []
    return [f"each of {rows.rows:,} rows was to become {what.targets}: rows in are counted so many times"]
