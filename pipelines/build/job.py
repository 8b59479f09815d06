"""Build one collection from the folders of earlier stages: without duplicates, split, by language, with a card.

Exact duplicates are found first, then near duplicates among the other rows. Both are dropped from every part. The
remaining rows are sorted by language and split, and gathered into the final files.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from collection import card, stats, store
from collection.contamination import ContaminationConfig, ContaminationIndex
from collection.manifest import Input, Manifest, total_of, unfair_reasons
from collection.reject import check_raw_limit
from collection.splits import SplitConfig
from collection.stage import complete, is_made
from collection.stats import LanguageStats
from core import config as configuration
from core import files, version
from core.errors import ConfigError, SourceError
from core.paths import absolute, as_path, local
from core.progress import Progress
from core.run_folder import identity_hash
from pipelines import runner
from pipelines.build import duplicates, exact_duplicates, write_collection
from pipelines.build.decontaminate import DecontaminateConfig, read_sets, report
from pipelines.build.phase import BuildJob, DuplicateConfig, InputPart, unit_name
from pipelines.runner import RunConfig

CODE: Final = ("core", "collection", "pipelines")


@dataclass(frozen=True)
class BuildConfig:
    """The configuration of `glotmill build`."""

    splits: SplitConfig = field(default_factory=SplitConfig)
    duplicates: DuplicateConfig = field(default_factory=DuplicateConfig)
    decontaminate: DecontaminateConfig = field(default_factory=DecontaminateConfig)
    name: str = ""  # of the collection, in its card; empty: its folder's
    raw_limit: int = 65_536  # characters of a dropped row that its reject keeps
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        check_raw_limit(self.raw_limit)


def build(
    inputs: Sequence[Path],
    config: BuildConfig,
    out: Path,
    *,
    against: Sequence[Path] = (),
    fresh: bool = False,
    beam_args: Sequence[str] = (),
    progress: Progress | None = None,
) -> Manifest:
    """Make one collection in `out` from the finished folders `inputs`, and return its manifest.

    Rows that are exact or near duplicates of rows in a folder of `against` are dropped. Rows of `against` are not
    written.
    """
    progress = progress or Progress.silent()
    if not inputs:
        raise ConfigError("no input was given: expected --input DIR, once for each folder")
    upstream = [Manifest.read(folder) for folder in inputs]
    parts = _parts(inputs, upstream, against, [Manifest.read(folder) for folder in against])
    items, evaluation = read_sets(config.decontaminate.sets)
    identity = _identity(config, parts, against, evaluation)
    if not (fresh or runner.is_dry_run(beam_args)) and is_made(out, identity, progress):
        return Manifest.read(out)

    runner.check_paths(beam_args, [str(out), *(part.given for part in parts)])
    begun = time.monotonic()
    with runner.workplace(out, identity, fresh, beam_args) as place:
        contamination = ContaminationConfig(config.decontaminate.share) if items else None
        job = BuildJob(place, config.splits, config.duplicates, contamination, config.raw_limit, parts)
        if items:
            with files.appearing(job.index) as temporary:
                ContaminationIndex.of(items).save(temporary)
        # A packed byte is about as much work here as a byte of text in ingest.
        weight = sum(as_path(part.path).stat().st_size for part in parts)
        # How often each row is read: fingerprinted, signed, compared; sorted, gathered.
        passes = config.duplicates.exact + 2 * config.duplicates.near
        with progress.watch(place.beats, passes * job.rows + 2 * sum(part.rows for part in job.own)):
            runner.run([*duplicates.phases(job), *write_collection.phases(job)], config.run, weight, beam_args, place)
        manifest = _finish(job, config.name, out, identity, upstream)
        manifest.run["seconds"] = round(time.monotonic() - begun, 1)
        complete(out, manifest)
    return manifest


def _parts(
    inputs: Sequence[Path], upstream: Sequence[Manifest], against: Sequence[Path], there: Sequence[Manifest]
) -> tuple[InputPart, ...]:
    parts: list[InputPart] = []
    start = 0
    names = _names([*inputs, *against])
    for folder, manifest, was_there in [
        *((*pair, False) for pair in zip(inputs, upstream, strict=True)),
        *((*pair, True) for pair in zip(against, there, strict=True)),
    ]:
        begun = start
        for path in store.parts(folder):
            name, rows = f"{names[folder]}/{path.relative_to(folder).as_posix()}", store.row_count(path)
            digest = files.content_hash(path)
            parts.append(InputPart(len(parts), absolute(path), str(path), name, rows, digest, start, was_there))
            start += rows
        if start - begun != manifest.rows_out:
            raise SourceError(
                f"{folder} is damaged: data/ has {start - begun} rows, expected {manifest.rows_out} by its manifest; "
                "make the folder again"
            )
    return tuple(parts)


def _names(folders: Sequence[Path]) -> dict[Path, str]:
    """Return the name of each folder in rejects: its own name, or its whole path if two folders have the same name."""
    own = {folder: folder.resolve().name for folder in folders}
    return {
        folder: name if list(own.values()).count(name) == 1 else folder.resolve().as_posix()
        for folder, name in own.items()
    }


def _identity(
    config: BuildConfig, parts: Sequence[InputPart], against: Sequence[Path], evaluation: Sequence[Input]
) -> dict[str, Any]:
    values = configuration.as_dict(config)
    del values["run"]
    values["against"] = [str(folder) for folder in against]  # the same folder as an input is another run
    return {
        "command": "build",
        "code": version.code_hash(*CODE),
        "versions": {"pyarrow": pa.__version__},
        "config": values,
        "inputs": [*map(asdict, _inputs(parts)), *map(asdict, evaluation)],
    }


def _inputs(parts: Sequence[InputPart]) -> list[Input]:
    return [Input(part.given, as_path(part.path).stat().st_size, part.hash) for part in parts]


def _finish(job: BuildJob, name: str, out: Path, identity: dict[str, Any], upstream: Sequence[Manifest]) -> Manifest:
    languages: dict[str, LanguageStats] = {}
    for bin in write_collection.bins(job=job):
        for language, counted in job.state.read(unit_name("gather", bin)).extra["stats"].items():
            languages.setdefault(language, LanguageStats()).add(LanguageStats.from_json(counted))
    markers = [job.state.read(unit_name("sort", part)) for part in job.own]
    tally = total_of(marker.tally for marker in markers)
    shared = (
        sum(
            job.state.read(unit_name("find", bucket)).extra["shared_by_languages"]
            for bucket in range(exact_duplicates.bucket_count(job.rows))
        )
        if job.duplicates.exact
        else 0
    )
    manifest = Manifest.of(
        "build",
        tally,
        len(job.own),
        glotmill=version.VERSION,
        **{name: identity[name] for name in ("code", "versions", "config")},
        inputs=[Input(**item) for item in identity["inputs"]],
        contamination=report(
            ContaminationIndex.load(local(job.index)),
            (row for marker in markers for row in marker.extra["contaminated"]),
        )
        if job.contamination
        else {},
        notes=[f"{shared} texts stand under more than one language; each keeps its row"] if shared else [],
        upstream=[asdict(manifest) for manifest in upstream],
        run={**version.describe(), "identity": identity_hash(identity), "phases": job.state.costs()},
    )
    manifest.warnings = unfair_reasons(manifest.languages)
    files.write_text(out / "stats.json", json.dumps(stats.to_json(languages), ensure_ascii=False, indent=2) + "\n")
    files.write_text(out / "README.md", card.render(name or out.resolve().name, manifest, languages))
    return manifest
