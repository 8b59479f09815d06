"""Run the phases that find duplicates, one task for each part or bucket, and return the rows to drop."""

from __future__ import annotations

from dataclasses import asdict

from collection.reject import Reason
from collection.stage import WorkUnit
from core.paths import as_path
from pipelines.build import exact_duplicates
from pipelines.build.near_duplicates import bands, candidates, clusters, similarity
from pipelines.build.near_duplicates.candidates import Candidates
from pipelines.build.phase import BuildJob, InputPart, phase
from pipelines.runner import Phase


def phases(job: BuildJob) -> list[Phase]:
    """Return the phases: first exact duplicates, then near duplicates among the other rows."""
    phases = []
    if job.duplicates.exact:
        phases += [
            phase("fingerprint", _fingerprint, job.parts, job),
            phase("find", _find, range(_exact_buckets(job)), job),
        ]
    if job.duplicates.near:
        phases += [
            phase("sign", _sign, job.parts, job),
            phase("pair", _pair, range(_near_buckets(job)), job),
            phase("shingle", _shingle, job.parts, job),
            phase("compare", _compare, job.parts, job),
            phase("cluster", _cluster, range(1), job),
        ]
    return phases


def _exact_buckets(job: BuildJob) -> int:
    return exact_duplicates.bucket_count(job.rows)


def _near_buckets(job: BuildJob) -> int:
    return bands.bucket_count(job.rows)


def _fingerprint(part: InputPart, job: BuildJob, work: WorkUnit) -> None:
    target = job.file("fingerprints", part.index)
    exact_duplicates.write_fingerprints(as_path(part.path), target, _exact_buckets(job), part.was_there)
    work.beat(0, part.rows, last=True)


def _find(bucket: int, job: BuildJob, work: WorkUnit) -> None:
    sources, target = job.files("fingerprints", len(job.parts)), job.file("duplicates", bucket)
    work.extra.update(asdict(exact_duplicates.find_duplicates(sources, target, bucket, _exact_buckets(job))))


def _exact_duplicates(part: InputPart, job: BuildJob) -> dict[int, str]:
    if not job.duplicates.exact:
        return {}
    return exact_duplicates.duplicates_of(job.files("duplicates", _exact_buckets(job)), part.index, len(job.parts))


def _sign(part: InputPart, job: BuildJob, work: WorkUnit) -> None:
    target, skip = job.file("bands", part.index), _exact_duplicates(part, job)
    bands.write_bands(
        as_path(part.path),
        target,
        skip,
        _near_buckets(job),
        was_there=part.was_there,
        across_templates=job.duplicates.across_templates,
    )
    work.beat(0, part.rows, last=True)


def _pair(bucket: int, job: BuildJob, work: WorkUnit) -> None:
    sources, targets = job.files("bands", len(job.parts)), (job.file("pairs", bucket), job.file("members", bucket))
    work.extra["pairs"] = bands.find_pairs(sources, job.starts, bucket, _near_buckets(job), *targets)


def _shingle(part: InputPart, job: BuildJob, work: WorkUnit) -> None:
    members, target = job.files("members", _near_buckets(job)), job.file("shingles", part.index)
    candidates.write_shingles(as_path(part.path), part.index, part.start, members, len(job.parts), target)
    work.beat(0, part.rows, last=True)


def _compare(part: InputPart, job: BuildJob, work: WorkUnit) -> None:
    work.extra["similar"] = similarity.compare(
        job.files("pairs", _near_buckets(job)),
        part.index,
        len(job.parts),
        _candidates(job),
        job.file("similar", part.index),
        least=job.duplicates.threshold,
        across_templates=job.duplicates.across_templates,
    )


def _candidates(job: BuildJob) -> Candidates:
    return Candidates(job.files("shingles", len(job.parts)), job.starts)


def _cluster(_: int, job: BuildJob, work: WorkUnit) -> None:
    work.extra["dropped"] = clusters.cluster(job.files("similar", len(job.parts)), job.clusters)


def duplicates_of(part: InputPart, job: BuildJob) -> dict[int, tuple[Reason, str]]:
    """Return the rows of a part to drop, each with the reason and its detail."""
    duplicates = {
        row: (Reason.EXACT_DUPLICATE, f"the same as {survivor}")
        for row, survivor in _exact_duplicates(part, job).items()
    }
    if job.duplicates.near:
        rows, kept, similarities = job.clusters.duplicates(part.start, part.start + part.rows)
        for row, survivor, share in zip(
            rows.tolist(), _candidates(job).locate(kept).ids(), similarities.tolist(), strict=True
        ):
            duplicates[row] = (Reason.NEAR_DUPLICATE, f"{share:.2f} alike, in the cluster of {survivor}")
    return duplicates
