"""hf:// addresses, and data sets in the hub's layout: every row once, and the same records as from their files."""

from __future__ import annotations

import http.server
import importlib
import json
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collection import store
from collection.language_id import LanguageIdConfig
from collection.validate import problems
from core import tables
from core.errors import SourceError
from core.tables import BadRow, hub
from core.tables.hub import HubAddress, parse_address
from pipelines.ingest.config import IngestConfig, IngestSource
from pipelines.ingest.job import ingest
from pipelines.runner import RunConfig
from pipelines.shards import plan


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory):
    """No network, and no trace outside the test's folder, whether `datasets` was imported before or not."""
    home = tmp_path_factory.mktemp("hub_home")
    settings = {"HF_HOME": home, "HF_DATASETS_OFFLINE": 1, "HF_HUB_OFFLINE": 1, "HF_HUB_DISABLE_TELEMETRY": 1}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, str(value))
        for module in ("datasets.config", "huggingface_hub.constants"):
            loaded = importlib.import_module(module)
            for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
                if hasattr(loaded, name):
                    patch.setattr(loaded, name, True)
        config = importlib.import_module("datasets.config")
        patch.setattr(config, "HF_DATASETS_CACHE", home / "datasets")
        patch.setattr(config, "HF_MODULES_CACHE", home / "modules")
        yield


def rows_of(language, name, first, count):
    return [
        {"inputs": f"{name} {n}: qual é a capital?", "targets": f"É a cidade número {n}.", "language_code": language}
        for n in range(first, first + count)
    ]


@pytest.fixture
def aya(tmp_path):
    """The Aya Dataset as it lies on the hub: train in two files, test in one."""
    folder = tmp_path / "aya_dataset"
    (folder / "data").mkdir(parents=True)
    for name, first, count in (
        ("train-00000-of-00002", 0, 20),
        ("train-00001-of-00002", 20, 7),
        ("test-00000-of-00001", 27, 5),
    ):
        pq.write_table(pa.Table.from_pylist(rows_of("por", "Pergunta", first, count)), folder / f"data/{name}.parquet")
    return folder


@pytest.fixture
def by_language(tmp_path):
    """A set with a configuration a language, as the front matter of its card says."""
    folder = tmp_path / "collection_by_language"
    for language, code, count in (("swahili", "swa", 6), ("yoruba", "yor", 4)):
        (folder / language).mkdir(parents=True)
        for split, first in (("train", 0), ("validation", 100)):
            (folder / language / f"{split}.jsonl").write_text(
                "".join(json.dumps(row) + "\n" for row in rows_of(code, language, first, count)), "utf-8"
            )
    configs = "".join(
        f"- config_name: {language}\n  data_files:\n"
        + "".join(f"  - split: {split}\n    path: {language}/{split}.jsonl\n" for split in ("train", "validation"))
        for language in ("swahili", "yoruba")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n# A set\n", "utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hf://CohereForAI/aya_dataset", HubAddress("CohereForAI/aya_dataset")),
        ("hf://CohereForAI/aya_dataset/", HubAddress("CohereForAI/aya_dataset")),
        ("hf://squad", HubAddress("squad")),
        ("hf:///data/aya_dataset", HubAddress("/data/aya_dataset")),
        (
            "hf://CohereForAI/aya_collection_language_split?config=swahili&split=train&revision=0a1b2c",
            HubAddress("CohereForAI/aya_collection_language_split", "swahili", "train", "0a1b2c"),
        ),
        ("hf://a/b?split=test", HubAddress("a/b", split="test")),
        ("hf://a/b?split=", HubAddress("a/b")),
    ],
)
def test_an_address_is_a_name_with_configuration_split_and_revision(text, address):
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["hf://", "hf://?split=train", "hf://a/b?spilt=train", "hf://a/b?config=x&lang=swh", "hf:///"]
)
def test_an_address_that_means_nothing_is_an_error_that_shows_a_good_one(text):
    with pytest.raises(SourceError, match="hf://NAME") as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)


def test_each_split_is_cut_as_its_files_allow(aya):
    assert hub.splits_of(parse_address(f"hf://{aya}")) == [("train", 2), ("test", 1)]
    assert hub.splits_of(parse_address(f"hf://{aya}?split=test")) == [("test", 1)]


def test_the_pieces_of_a_split_hold_together_just_its_rows(aya):
    pieces = [list(hub.rows(f"hf://{aya}?split=train", index, 2)) for index in range(2)]
    assert [len(piece) for piece in pieces] == [20, 7]
    assert pieces[0] + pieces[1] == rows_of("por", "Pergunta", 0, 27)
    assert list(hub.rows(f"hf://{aya}?split=test", 0, 1)) == rows_of("por", "Pergunta", 27, 5)


def test_a_configuration_of_the_card_can_be_chosen(by_language):
    assert hub.splits_of(parse_address(f"hf://{by_language}?config=yoruba")) == [("train", 1), ("validation", 1)]
    assert list(hub.rows(f"hf://{by_language}?config=swahili&split=validation", 0, 1)) == rows_of(
        "swa", "swahili", 100, 6
    )


def test_the_plan_names_data_set_configuration_and_split(by_language):
    found = plan([(f"hf://{by_language}?config=swahili", "utf-8")])
    assert [piece.slice.name for task in found.tasks for piece in task.slices] == [
        "collection_by_language/swahili/train",
        "collection_by_language/swahili/validation",
    ]
    assert [file.path for file in found.inputs] == [
        f"hf://{by_language}?config=swahili&split={split}" for split in ("train", "validation")
    ]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?split=nope", "nope"),
        ("?config=nope", "nope"),
        ("", "config"),  # several configurations, none of them chosen
    ],
)
def test_what_a_data_set_does_not_have_is_one_error_that_says_so(by_language, query, said):
    with pytest.raises(SourceError) as caught:
        plan([(f"hf://{by_language}{query}", "utf-8")])
    assert said in str(caught.value).lower() and str(by_language) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nobody/has-such-a-data-set", "/no/such/folder"])
def test_a_data_set_that_cannot_be_had_is_one_error(name):
    with pytest.raises(SourceError) as caught:
        plan([(f"hf://{name}", "utf-8")])
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_file_of_a_split_is_one_reject_and_the_other_is_read(aya):
    path = aya / "data" / "train-00001-of-00002.parquet"
    found = plan([(f"hf://{aya}?split=train", "utf-8")])
    path.write_bytes(b"PAR1" + b"\x00" * 100 + b"PAR1")
    rows = [row for task in found.tasks for piece in task.slices for batch in tables.read(piece.slice) for row in batch]
    refused = [row for row in rows if isinstance(row, BadRow)]
    assert [row.fault for row in refused] == ["unreadable_file"]
    assert [row.data for row in rows if not isinstance(row, BadRow)] == rows_of("por", "Pergunta", 0, 20)


def test_the_keys_of_a_local_copy_change_with_its_content(aya):
    before = [task.key for task in plan([(f"hf://{aya}", "utf-8")]).tasks]
    assert [task.key for task in plan([(f"hf://{aya}", "utf-8")]).tasks] == before
    table = pa.Table.from_pylist(rows_of("por", "Outra", 0, 20))
    pq.write_table(table, aya / "data" / "train-00000-of-00002.parquet")
    assert [task.key for task in plan([(f"hf://{aya}", "utf-8")]).tasks] != before


@pytest.fixture
def hub_server(monkeypatch):
    """What the hub answers when it is asked for a data set's commit, said by a server on this machine."""
    commits = {"some/set": "a" * 40}

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.removeprefix("/api/datasets/").split("/revision/")[0].split("?")[0]
            body = json.dumps({"id": name, "sha": commits[name]} if name in commits else {"error": "no"}).encode()
            self.send_response(200 if name in commits else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        constants = importlib.import_module("huggingface_hub.constants")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield commits
        server.shutdown()


def test_a_data_set_on_the_hub_is_read_at_the_commit_that_it_has_when_the_run_begins(hub_server):
    address, content = hub.pinned(parse_address("hf://some/set?config=x"))
    assert (str(address), content) == (f"hf://some/set?config=x&revision={'a' * 40}", "a" * 40)
    hub_server["some/set"] = "b" * 40
    assert hub.pinned(parse_address("hf://some/set?config=x"))[1] == "b" * 40


def test_a_data_set_that_the_hub_does_not_have_is_one_error(hub_server):
    with pytest.raises(SourceError, match="some/other") as caught:
        hub.pinned(parse_address("hf://some/other"))
    assert "\n" not in str(caught.value)


def milled(kind, path, out):
    config = IngestConfig(
        sources=(IngestSource(kind, str(path)),),
        run=RunConfig(mode="in_memory"),
        language_id=LanguageIdConfig(detector="none"),
    )
    manifest = ingest(config, out)
    assert list(problems(out)) == []
    return manifest, sorted(store.records(out), key=lambda record: record.id)


def test_records_from_the_hub_are_those_from_its_files_and_the_test_split_stays_out(aya, tmp_path):
    manifest, records = milled("aya", f"hf://{aya}", tmp_path / "hub")
    direct, expected = milled("aya", aya, tmp_path / "files")
    assert records == expected and len(records) == 27
    assert manifest.rejected == direct.rejected == {"held_out": 5}


def test_records_of_one_configuration_are_those_of_its_files(by_language, tmp_path):
    _, records = milled("aya_collection", f"hf://{by_language}?config=yoruba", tmp_path / "hub")
    _, expected = milled("aya_collection", by_language / "yoruba", tmp_path / "files")
    assert records == expected and {record.language for record in records} == {"yor_Latn"}
    assert {record.split for record in records} == {"train", "validation"}
