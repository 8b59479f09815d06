"""Ingest published sources: each row becomes a record or a reject.

A Beam element is one shard task. Its worker reads the slices of the task, cleans their rows, and writes one part of
`data/`, one part of `rejects/`, and a marker with the counts. The driver adds up the markers.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from collection.manifest import Manifest, Tally, total_of, unfair_reasons
from collection.reject import REASONS, Reason
from collection.stage import RunState, complete, is_made
from collection.store import PartWriter
from core import config as configuration
from core import version
from core.errors import SourceError
from core.paths import as_path
from core.progress import Progress
from core.run_folder import identity_hash
from pipelines import runner
from pipelines.ingest import preflight
from pipelines.ingest.clean import RowCleaner, detector_of, wanted_languages
from pipelines.ingest.config import IngestConfig
from pipelines.ingest.sources.base import RowSource, SourceKind
from pipelines.rows import read_rows, size_of
from pipelines.shard_phase import run_shard_phase
from pipelines.shards import Plan, ShardTask, plan

CODE = ("core", "collection", "pipelines")


def ingest(
    config: IngestConfig,
    out: Path,
    *,
    fresh: bool = False,
    beam_args: Sequence[str] = (),
    progress: Progress | None = None,
) -> Manifest:
    """Read all sources into `out`, or resume a run that was stopped; return the manifest of the finished stage.

    Raises:
        SourceError: No row of a source can be read.
        OutputError: `out` cannot be used.
    """
    progress = progress or Progress.silent()
    sources = config.make_sources()
    wanted_languages(config.languages)
    detector = detector_of(config)
    progress.note("reading the list of sources")
    planned = plan(config.paths())
    for index, (given, source) in enumerate(zip(config.sources, sources, strict=True)):
        slices = [piece.slice for task in planned.tasks for piece in task.slices if piece.source == index]
        preflight.check(given.path, given.kind, source, slices)
    signature = detector.signature if detector else "none"
    identity = _identity(config, planned, signature)
    if not (fresh or runner.is_dry_run(beam_args)) and is_made(out, identity, progress):
        return Manifest.read(out)

    runner.check_paths(beam_args, [str(out), *(file.path for file in planned.inputs)])
    begun = time.monotonic()
    with runner.workplace(out, identity, fresh, beam_args) as place:
        run_shard_phase("ingest", partial(run_task, config=config), planned, place, config.run, beam_args, progress)
        manifest = _manifest(planned, sources, identity, place)
        manifest.run["seconds"] = round(time.monotonic() - begun, 1)
        _check_sources(manifest, sources)
        complete(out, manifest)
    return manifest


def run_task(task: ShardTask, *, config: IngestConfig, place: RunState) -> Tally | None:
    """Read, clean and write one shard, and return its counts; None for a shard that is done already."""
    name = task.name
    if place.is_done(name):
        return None
    sources = config.make_sources()
    cleaner = RowCleaner(config)
    file_rows: Counter[str] = Counter()
    cut = {piece.slice.name for piece in task.slices if piece.slice.start or piece.slice.end}
    with place.unit(name) as work, PartWriter(as_path(place.out), task.index, task.count) as part:
        rows = weight = 0
        for piece in task.slices:
            source, seen = sources[piece.source], 0
            for batch in read_rows(piece.slice):
                rows += len(batch)
                seen += size_of(batch)
                file_rows[piece.slice.name] += len(batch)
                part.write(cleaner.clean(batch, source, piece.slice))
                work.beat(rows, weight + min(seen, piece.weight))
            weight += piece.weight
            work.beat(rows, weight, last=piece is task.slices[-1])
        work.tally.add(cleaner.tally)
        # Only the row count of a whole file shows whether the publisher cut it. A shard may hold a part of one.
        caps = _published_caps([task], sources)
        work.extra["file_rows"] = {
            file: count for file, count in file_rows.items() if count == caps[file] or file in cut
        }
    return work.tally


def _identity(config: IngestConfig, planned: Plan, detector: str) -> dict[str, Any]:
    values = configuration.as_dict(config)
    del values["run"]
    values.update(values.pop("options"))
    return {
        "command": "ingest",
        "code": version.code_hash(*CODE),
        "versions": {"detector": detector, **{name: importlib.metadata.version(name) for name in ("ftfy", "pyarrow")}},
        "config": values,
        "inputs": [{"path": file.path, "bytes": file.bytes, "hash": file.hash} for file in planned.inputs],
    }


def _check_sources(manifest: Manifest, sources: Sequence[RowSource]) -> None:
    for source in sources:
        balance = manifest.sources.get(source.name)
        read = (
            sum(count for reason, count in balance.rejected.items() if REASONS[Reason(reason)][0] == "read")
            if balance
            else 0
        )
        if balance is None or read == balance.rows_in:
            raise SourceError(f"source {source.name}: none of its rows could be read; rejects/ says why")


def _manifest(planned: Plan, sources: Sequence[SourceKind], identity: dict[str, Any], place: RunState) -> Manifest:
    markers = [place.read(task.name) for task in planned.tasks]
    tally = total_of(marker.tally for marker in markers)
    verdicts: dict[str, dict[str, int]] = {}
    for (language, verdict), count in sorted(tally.verdicts.items()):
        verdicts.setdefault(language, {})[verdict] = count
    manifest = Manifest.of(
        "ingest",
        tally,
        len(planned.tasks),
        glotmill=version.VERSION,
        **{name: identity[name] for name in ("code", "versions", "config")},
        inputs=list(planned.inputs),
        language_id={
            "detector": identity["versions"]["detector"],
            "verdicts": verdicts,
            "relabelled": [
                [declared, detected, count] for (declared, detected), count in sorted(tally.relabelled.items())
            ],
        },
        notes=_notes(planned, sources, markers),
        run={
            **version.describe(),
            "identity": identity_hash(identity),
            "shard_seconds": round(sum(marker.seconds for marker in markers), 1),
            "shard_cpu_seconds": round(sum(marker.cpu_seconds for marker in markers), 1),
        },
    )
    manifest.warnings = unfair_reasons(manifest.languages)
    if errors := manifest.rejected.get(Reason.INTERNAL_ERROR.value):
        warning = f"glotmill itself failed on {errors} rows (internal_error in rejects/): please report it"
        manifest.warnings.insert(0, warning)
    return manifest


def _published_caps(tasks: Sequence[ShardTask], sources: Sequence[SourceKind]) -> dict[str, int]:
    """Return the number of rows at which each file's publisher cut it; 0 for a publisher that cut none."""
    return {piece.slice.name: sources[piece.source].published_cap for task in tasks for piece in task.slices}


def _notes(planned: Plan, sources: Sequence[SourceKind], markers: Sequence[Any]) -> list[str]:
    notes = []
    rows: Counter[str] = Counter()
    for marker in markers:
        rows.update(marker.extra["file_rows"])
    caps = _published_caps(planned.tasks, sources)
    for cap in sorted({source.published_cap for source in sources} - {0}):
        if capped := sorted(file for file, count in rows.items() if count == cap == caps[file]):
            notes.append(
                f"{len(capped)} files hold exactly {cap:,} rows, the publisher's cap, so each is a sample: "
                f"{', '.join(capped[:5])}"
            )
    if planned.ignored:
        notes.append(
            f"{len(planned.ignored)} files of no known format were left out: {', '.join(planned.ignored[:10])}"
        )
    return notes
