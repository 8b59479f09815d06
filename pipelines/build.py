"""Build: the folders of earlier stages become one collection, without exact duplicates, split, by language, described.

Four phases: fingerprint every part; find duplicates in every bucket of fingerprints; drop them from every part and sort
what stays by language and split; gather every language and split into its final files.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from collection import card, stats, store
from collection.manifest import Input, Manifest, balances, rejected_by_reason, total_of, unfair_reasons
from collection.splits import SplitConfig
from collection.stats import LanguageStats
from glotmill import config as configuration
from glotmill import files, version
from glotmill.errors import ConfigError, SourceError
from glotmill.progress import Progress
from pipelines import deduplicate, runner
from pipelines.assemble import Job, Part, find_name, groups, phases, sort_name
from pipelines.runner import RunConfig
from pipelines.stage import clear_work, finished, identity_hash, stage

CODE: Final = ("glotmill", "collection", "pipelines")


@dataclass(frozen=True)
class BuildConfig:
    """The configuration of `glotmill build`."""

    splits: SplitConfig = field(default_factory=SplitConfig)
    name: str = ""  # of the collection, in its card; empty: its folder's
    deduplicate: bool = True  # drop exact duplicates
    raw_limit: int = 65_536  # characters of a dropped row that its reject keeps
    run: RunConfig = field(default_factory=RunConfig)


# How much more there is in a part than its size says.
_UNPACKED: Final = 3


def build(
    inputs: Sequence[Path],
    config: BuildConfig,
    out: Path,
    *,
    fresh: bool = False,
    beam_args: Sequence[str] = (),
    progress: Progress | None = None,
) -> Manifest:
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
        rows = sum(part.rows for part in parts)
        buckets = deduplicate.bucket_count(rows)
        job = Job(place, config.splits, config.deduplicate, config.raw_limit, parts, buckets)
        weight = _UNPACKED * sum(Path(part.path).stat().st_size for part in parts)
        # Each row is fingerprinted, sorted and gathered.
        with progress.watch(place.beats, 3 * rows):
            runner.run(phases(job), config.run, weight, beam_args, place)
        manifest = _finish(job, config.name, out, identity, upstream)
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
            raise SourceError(
                f"{folder}: data/ holds {rows} rows, its manifest says {manifest.rows_out}: the folder is damaged"
            )
        found += [(path, f"{folder.name}/{path.relative_to(folder).as_posix()}") for path in paths]
    return tuple(
        Part(index, str(path), name, pq.read_metadata(path).num_rows, files.content_hash(path))
        for index, (path, name) in enumerate(found)
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


def _finish(job: Job, name: str, out: Path, identity: dict[str, Any], upstream: Sequence[Manifest]) -> Manifest:
    languages: dict[str, LanguageStats] = {}
    for group in groups(job=job):
        marker = job.place.read(group.name)
        languages.setdefault(group.language, LanguageStats()).add(LanguageStats.from_json(marker.extra["stats"]))
    markers = [job.place.read(sort_name(part)) for part in job.parts]
    tally = total_of(marker.tally for marker in markers)
    balance = balances(tally, 1)
    shared = (
        sum(job.place.read(find_name(bucket)).extra["shared_by_languages"] for bucket in range(job.buckets))
        if job.deduplicate
        else 0
    )
    manifest = Manifest(
        command="build",
        glotmill=version.VERSION,
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
    files.write_text(out / "README.md", card.render(name or out.resolve().name, manifest, languages))
    return manifest
