"""xP3x and xP3 rows: fields, folders, merged files, code, and the real layout of the published set."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest

from collection.record import Message
from core import tables
from pipelines.ingest.sources import make_source
from pipelines.ingest.sources.base import ParseFault, SourceOptions
from pipelines.shards import plan

ROW = {
    "inputs": 'Chaguo: "Mkono wangu ulikauka." au "Nyufa ziliibuka." Nilibonyeza mikono yangu kwenye saruji. hivyo',
    "targets": "Nyufa ziliibuka.",
    "language": "swh_Latn",
    "split": "validation",
    "template": "C1 or C2? premise_swmt",
    "dataset": "xcopa",
    "config": "sw",
}
FILE = "swh_Latn/xp3_xcopa_sw_validation_C1_or_C2_premise_swmt.jsonl"


def parse(row, file="rows.jsonl", **options):
    return make_source("xp3x", SourceOptions(**options)).parse(row, file)


def test_every_field_of_a_row_finds_its_place():
    parsed = parse(ROW, FILE)
    assert parsed.messages == (Message("user", ROW["inputs"]), Message("assistant", ROW["targets"]))
    assert parsed.declared.code == "swh_Latn"
    assert (parsed.dataset, parsed.template) == ("xcopa/sw", "C1 or C2? premise_swmt")
    assert (parsed.split, parsed.origin, parsed.license) == ("validation", "template", "Apache-2.0")
    assert (parsed.source_id, parsed.generator, parsed.repairs) == ("", None, ())


@pytest.mark.parametrize(
    ("row", "file", "code"),
    [
        ({"language": "jpn_Jpan"}, "x.jsonl", "jpn_Jpan"),
        ({"language": "lim_Latn"}, "kea_Latn/x.jsonl", "lim_Latn"),  # a slip in the script that made the folders
        ({}, "zho_Hant/xp3_x.jsonl", "zho_Hant"),
        ({}, "data/srp_Cyrl/xp3_x.jsonl", "srp_Cyrl"),
        ({"language": "?!"}, "khm_Khmr/x.jsonl", "khm_Khmr"),
        ({}, "merged_zh.jsonl", "zho_Hans"),
        ({}, "merged_code.jsonl.gz", "zxx_Zyyy"),
        ({}, "en/merged_vi.json", "vie_Latn"),
        ({"language": "ara"}, "merged_zh.jsonl", "arb_Arab"),
        ({"language": "python"}, "x.jsonl", "zxx_Zyyy"),
        ({}, "jupyter_notebook/xp3_x.jsonl", "zxx_Zyyy"),
        ({}, "x.jsonl", None),
        ({}, "some folder/x.jsonl", None),
        ({"language": None}, "x.jsonl", None),
    ],
)
def test_the_language_of_the_row_is_believed_before_the_name_of_its_file_and_that_before_its_folder(row, file, code):
    declared = parse({"inputs": "q", "targets": "a", **row}, file).declared
    assert (declared.code if declared else None) == code


@pytest.mark.parametrize(
    ("row", "file", "dataset"),
    [
        ({"dataset": "xcopa", "config": "sw"}, FILE, "xcopa/sw"),
        ({"dataset": "xcopa", "config": None}, FILE, "xcopa"),
        ({"dataset": "xcopa", "config": "None"}, FILE, "xcopa"),
        ({"dataset": "facebook/flores", "config": "eng_Latn-sna_Latn"}, FILE, "facebook/flores/eng_Latn-sna_Latn"),
        ({}, "en/xp3_GEM_wiki_lingua_en_train_article.jsonl", "GEM_wiki_lingua_en_train_article"),
        ({}, "merged_en.jsonl.gz", "merged_en"),
        ({}, "zh/xp3_xquad_xquad.zh_validation_jeopardy.jsonl", "xquad_xquad.zh_validation_jeopardy"),
    ],
)
def test_the_data_set_is_that_of_the_row_or_the_name_of_its_file(row, file, dataset):
    assert parse({"inputs": "q", "targets": "a", **row}, file).dataset == dataset


@pytest.mark.parametrize(
    ("row", "file", "split"),
    [
        ({"split": "dev"}, FILE, "dev"),
        ({}, FILE, "validation"),
        ({}, "en/xp3_x.jsonl", ""),
        ({"split": ""}, "train/x.jsonl", "train"),
    ],
)
def test_the_split_is_that_of_the_row_or_of_its_file(row, file, split):
    assert parse({"inputs": "q", "targets": "a", **row}, file).split == split


@pytest.mark.parametrize(
    ("row", "reason", "said"),
    [
        ({"targets": "a"}, "missing_field", "'inputs'"),
        ({"inputs": "q"}, "missing_field", "'targets'"),
        ({"inputs": "q", "targets": ["a", "b"]}, "missing_field", "'targets' is of type list"),
        ({"inputs": None, "targets": "a"}, "missing_field", "'inputs'"),
        ({"inputs": "q", "targets": "a", "language": "Swahilli"}, "unknown_language", "Swahili"),
    ],
)
def test_a_bad_row_says_what_is_wrong(row, reason, said):
    with pytest.raises(ParseFault) as caught:
        parse(row)
    assert caught.value.reason == reason and said in caught.value.detail


def test_the_rows_of_the_real_layout_all_become_records_of_the_language_in_their_row(shared):
    root = shared("data/derived_xp3x")
    expected = Counter()
    for file in root.rglob("*.jsonl"):
        for line in file.read_text("utf-8").splitlines():
            row = json.loads(line)
            expected[row["language"], row["dataset"], row["config"], row["split"]] += 1
    assert expected.total() > 10_000 and len({language for language, *_ in expected}) > 40

    found = Counter()
    for task in plan([(str(root), "utf-8")]).tasks:
        for piece in task.slices:
            for row in itertools.chain.from_iterable(tables.read(piece.slice)):
                assert not isinstance(row, tables.BadRow)
                parsed = parse(row.data, piece.slice.name)
                assert parsed.declared.code == row.data["language"] == piece.slice.name.split("/")[0]
                dataset, _, config = parsed.dataset.rpartition("/")
                found[parsed.declared.code, dataset, config, parsed.split] += 1
                assert parsed.template == row.data["template"]
    assert found == expected


def test_the_rows_of_the_real_layout_find_their_language_by_their_folder_alone(shared):
    root = shared("data/derived_xp3x")
    for file in sorted(root.rglob("*.jsonl")):
        name = file.relative_to(root).as_posix()
        assert parse({"inputs": "q", "targets": "a"}, name).declared.code == name.split("/")[0]
