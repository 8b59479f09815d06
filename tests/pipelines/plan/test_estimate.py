"""--plan: the cost of a run, estimated from a sample, is near the real cost, and leaves no trace."""

import pytest

from collection.language_id import LanguageIdConfig
from core.errors import ConfigError, SourceError
from pipelines.build.job import BuildConfig, build
from pipelines.ingest.config import IngestConfig, IngestSource
from pipelines.ingest.job import ingest
from pipelines.plan.build import of_build
from pipelines.plan.ingest import of_ingest
from pipelines.runner import RunConfig


def row(number):
    words = "jua mvua mto bahari mlima nyota upepo moto ardhi mti ndege samaki".split()
    said = " ".join(words[(number * k) % 12] + str(number % (k + 3)) for k in range(1, 30))
    return {"inputs": f"Swali la {number}: eleza.", "targets": f"{number} {said}", "language_code": "swa"}


@pytest.fixture
def config(tmp_path, write_lines):
    write_lines(tmp_path / "in" / "a.jsonl", [row(number) for number in range(3000)])
    write_lines(tmp_path / "in" / "b.jsonl", [row(number) for number in range(3000, 4000)])
    return IngestConfig(
        sources=(IngestSource("aya", str(tmp_path / "in")),),
        language_id=LanguageIdConfig(detector="cld2"),
        run=RunConfig(mode="in_memory"),
    )


def test_the_rows_and_the_disk_of_an_ingest_are_estimated(config, tmp_path):
    told = of_ingest(config)
    done = ingest(config, tmp_path / "out")
    assert (told.files, told.shards, told.processes) == (2, done.shards, 1)
    assert told.rows == pytest.approx(done.rows_in, rel=0.05) and not told.rows_are_counted
    assert told.bytes_in == sum(file.bytes for file in done.inputs)
    written = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.parquet"))
    assert told.disk == pytest.approx(written, rel=0.5)
    assert 0 < told.cpu_seconds < 60 and told.memory > 50 << 20


def test_the_rows_of_a_build_are_counted(config, tmp_path):
    ingest(config, tmp_path / "ingested")
    settings = BuildConfig(run=RunConfig(mode="in_memory"))
    told = of_build([tmp_path / "ingested"], settings)
    done = build([tmp_path / "ingested"], settings, tmp_path / "out")
    assert told.rows == done.rows_in > 3900 and told.rows_are_counted
    assert told.disk_while_running > told.disk > 0
    against = of_build([tmp_path / "ingested"], settings, [tmp_path / "out"])
    assert against.files > told.files


def test_processes_are_those_that_the_run_would_have(config):
    from dataclasses import replace

    spread = replace(config, run=RunConfig(mode="multi_processing", workers=3))
    assert of_ingest(spread).processes == 1  # one shard
    assert of_ingest(config).processes == 1


def test_what_cannot_be_read_is_an_error_here_too(config, tmp_path):
    with pytest.raises(ConfigError, match="KIND=PATH"):
        of_ingest(IngestConfig())
    with pytest.raises(SourceError, match="nowhere"):
        of_ingest(IngestConfig(sources=(IngestSource("aya", str(tmp_path / "nowhere")),)))
    with pytest.raises(SourceError, match="no such folder"):
        of_build([tmp_path / "nowhere"], BuildConfig())


def test_empty_input_costs_nothing(tmp_path, write_lines):
    write_lines(tmp_path / "in.jsonl", [])
    told = of_ingest(IngestConfig(sources=(IngestSource("aya", str(tmp_path / "in.jsonl")),)))
    assert (told.rows, told.sampled_rows, told.disk) == (0, 0, 0)
