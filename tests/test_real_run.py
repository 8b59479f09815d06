"""The main job on real data, from the shell: published rows in, a collection out, every row accounted for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = {
    "xp3x": "derived_xp3x",
    "aya_collection": "derived_aya_collection",
    "sharegpt": "sharegpt_fastchat",
    "sharegpt ": "sharegpt_llamafactory",
}


def rows_in(folder: Path) -> int:
    """Rows counted without glotmill: lines of JSON lines, elements of JSON arrays of rows."""
    lines = sum(len([line for line in path.read_bytes().splitlines() if line]) for path in folder.rglob("*.jsonl"))
    arrays = [json.loads(path.read_bytes()) for path in folder.rglob("*.json")]
    # dataset_info.json is one object, not an array: it counts as one row, which is rejected.
    return lines + sum(len(array) if isinstance(array, list) else 1 for array in arrays)


@pytest.fixture(scope="module")
def real(shared, tmp_path_factory):
    """The folder of a real ingest and build, with what both commands said."""
    place = tmp_path_factory.mktemp("real")
    folders = {
        kind.strip() + "=" + str(path): path for kind, name in SOURCES.items() for path in [shared(f"data/{name}")]
    }
    glotmill = Path(sys.executable).with_name("glotmill")

    def run(*arguments: str) -> dict:
        done = subprocess.run(
            [glotmill, *arguments, "--json"],
            cwd=place,
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "120"},
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    sources = [word for source in folders for word in ("--source", source)]
    ingested = run("ingest", *sources, "--out", "ingested")
    built = run("build", "--input", "ingested", "--out", "collection")
    return place, ingested, built, sum(map(rows_in, folders.values())), run


def test_every_row_comes_out_or_is_rejected(real):
    _, ingested, built, count, _ = real
    assert ingested["rows_in"] == count > 20_000
    assert ingested["rows_in"] == ingested["rows_out"] + ingested["rows_rejected"]
    assert ingested["rows_rejected"] == sum(ingested["rejected"].values()) < 0.01 * count
    assert built["rows_in"] == ingested["rows_out"] == built["rows_out"] + built["rows_rejected"]


def test_both_folders_are_sound(real):
    place, _, _, _, run = real
    for folder in ("ingested", "collection"):
        assert run("collection", "validate", str(place / folder))["problems"] == []


def test_no_language_of_the_folders_is_lost(real, shared):
    _, _, built, _, _ = real
    folders = {path.name for path in shared("data/derived_xp3x").iterdir() if path.is_dir() and "_" in path.name}
    assert folders - built["languages"].keys() == set()


def test_the_collection_loads_as_any_other_data_set(real, tmp_path):
    place, _, _, _, _ = real
    script = (
        "import datasets, sys; loaded = datasets.load_dataset(sys.argv[1], 'swh_Latn', cache_dir=sys.argv[2]);"
        "print({split: len(rows) for split, rows in loaded.items()}, loaded['train'][0]['language'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, place / "collection", tmp_path],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "'train'" in done.stdout and "'test'" in done.stdout and "swh_Latn" in done.stdout


def test_the_card_names_sources_licences_and_counts(real):
    place, _, built, _, _ = real
    card = (place / "collection" / "README.md").read_text("utf-8")
    for word in ("xp3x", "aya_collection", "sharegpt", "Apache-2.0", f"{built['rows_out']:,}"):
        assert word in card
