"""Jobs for Dataflow: the whole graph is built as it would be sent, without a cloud; nothing is run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from collection.stage import RunState
from core.errors import ConfigError, DryRun
from core.paths import files_below
from pipelines.build.job import BuildConfig, build
from pipelines.ingest.config import IngestConfig, IngestSource
from pipelines.ingest.job import ingest
from pipelines.runner import Phase, RunConfig, run

IMAGE = "europe-docker.pkg.dev/my-project-123/glotmill/worker:1"
ARGUMENTS = [
    "--runner=DataflowRunner",
    "--dry_run=True",
    "--project=my-project-123",
    "--region=europe-west1",
    "--temp_location=gs://my-bucket/tmp",
    "--sdk_location=container",
    f"--sdk_container_image={IMAGE}",
]
ROW = {"inputs": "Je, wiki ina siku ngapi?", "targets": "Wiki moja ina siku saba.", "language": "swh_Latn"}


@pytest.fixture
def graphs(monkeypatch):
    """The pipelines that Dataflow's runner was given, as it would send them."""
    from apache_beam.internal.gcp import auth
    from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

    # The one thing that only a cloud has; it would be looked for for twenty seconds.
    monkeypatch.setattr(auth, "get_service_credentials", lambda options: None)
    found, run = [], DataflowRunner.run_pipeline

    def kept(self, *arguments, **more):
        result = run(self, *arguments, **more)
        found.append(self.proto_pipeline)
        return result

    monkeypatch.setattr(DataflowRunner, "run_pipeline", kept)
    return found


def source(bucket):
    (bucket / "source").mkdir(parents=True, exist_ok=True)
    (bucket / "source/rows.jsonl").write_text(json.dumps(ROW) + "\n")
    return IngestConfig(sources=(IngestSource("xp3x", str(bucket / "source")),), run=RunConfig(mode="in_memory"))


def steps(graph):
    return {one.unique_name for one in graph.components.transforms.values()}


def test_the_graphs_of_ingest_and_build_are_whole(bucket, graphs):
    config = source(bucket)
    with pytest.raises(DryRun, match=r"the job graph has \d+ steps in 1 phases; nothing was run"):
        ingest(config, bucket / "in", beam_args=ARGUMENTS)
    assert not (bucket / "in/manifest.json").exists() and not (bucket / "in/.work").exists()
    assert {"Start", "ingest: tasks", "ingest: spread", "ingest: run", "ingest: wait"} <= steps(graphs[0])

    ingest(config, bucket / "in")
    with pytest.raises(DryRun):
        build([bucket / "in"], BuildConfig(), bucket / "out", beam_args=ARGUMENTS)
    phases = ("fingerprint", "find", "sign", "pair", "shingle", "compare", "cluster", "sort", "gather")
    assert {f"{phase}: run" for phase in phases} <= steps(graphs[1])
    for graph in graphs:
        images = [one.payload for one in graph.components.environments.values()]
        assert images and all(IMAGE.encode() in payload for payload in images)


def test_what_a_worker_is_sent_is_known_by_name(bucket, graphs):
    """A worker has glotmill installed: functions travel as names of its modules, not as code."""
    with pytest.raises(DryRun):
        ingest(source(bucket), bucket / "in", beam_args=ARGUMENTS)
    sent = b"".join(one.spec.payload for one in graphs[0].components.transforms.values())
    assert b"__main__" not in sent and len(sent) < 20_000


def test_the_graph_is_small_however_many_tasks_there_are(bucket, graphs):
    tasks = [f"gs://my-bucket/some/folder/part-{number:05d}" for number in range(10_000)]
    with pytest.raises(DryRun):
        run([Phase("p", print, tasks), Phase("q", print, tasks)], RunConfig(), 0, ARGUMENTS, RunState(str(bucket)))
    assert graphs[0].ByteSize() < 50_000  # Dataflow takes ten megabytes


def test_a_dry_run_touches_nothing(bucket, graphs):
    config = source(bucket)
    ingest(config, bucket / "in")
    (bucket / "in/.work/done").mkdir(parents=True, exist_ok=True)
    (bucket / "in/.work/done/done-before.json").write_text("{}")
    before = {path.as_posix(): path.read_bytes() for path in files_below(bucket)}
    for fresh in (False, True):
        with pytest.raises(DryRun):
            ingest(config, bucket / "in", fresh=fresh, beam_args=ARGUMENTS)
    assert {path.as_posix(): path.read_bytes() for path in files_below(bucket)} == before


def test_paths_that_workers_cannot_see_are_an_error(tmp_path, bucket):
    config = source(bucket)
    with pytest.raises(ConfigError, match=r"workers cannot see .*/out: expected a path such as gs://"):
        ingest(config, tmp_path / "out", beam_args=ARGUMENTS)
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    here = IngestConfig(sources=(IngestSource("xp3x", str(tmp_path / "rows.jsonl")),))
    with pytest.raises(ConfigError, match=r"cannot see .*rows\.jsonl"):
        ingest(here, bucket / "out", beam_args=ARGUMENTS)


def test_a_dry_run_of_another_runner_would_be_a_real_one(tmp_path, bucket):
    with pytest.raises(ConfigError, match="--dry_run is for --runner=DataflowRunner"):
        ingest(source(bucket), bucket / "out", beam_args=["--dry_run=True"])


@pytest.mark.parametrize("arguments", [["--runner=NoSuch"], ["--runner"], ["--runner", "--dry_run"]])
def test_an_unknown_runner_is_an_error(bucket, arguments):
    with pytest.raises(ConfigError, match=r"NoSuch|expected a name"):
        ingest(source(bucket), bucket / "out", beam_args=arguments)


@pytest.mark.parametrize("name", ["dataflow", "DataflowRunner", "apache_beam.runners.dataflow.DataflowRunner"])
def test_a_runner_is_known_by_all_its_names(tmp_path, bucket, name):
    with pytest.raises(ConfigError, match="workers cannot see"):
        ingest(source(bucket), tmp_path / "out", beam_args=["--runner=x", "--runner", name])


def test_from_the_shell(bucket):
    source(bucket)
    command = [Path(sys.executable).with_name("glotmill"), "ingest", "--source", f"xp3x={bucket}/source"]
    done = subprocess.run(
        [*command, "--out", f"{bucket}/in", "--", *ARGUMENTS],
        capture_output=True,
        text=True,
        env=os.environ | {"NO_GCE_CHECK": "true"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dry run: the job graph has")
