"""The Aya Dataset and the Aya Collection: fields, drift between copies, held-out rows, the real layout."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest

from collection.record import Message
from core import tables
from pipelines.ingest.sources import make_source
from pipelines.ingest.sources.aya import AyaOptions
from pipelines.ingest.sources.base import ParseFault
from pipelines.shards import plan

DATASET = {
    "inputs": "Heestan waxaa qada Khalid Haref Ahmed \nOO ku Jiray Kooxdii Dur Dur!",
    "targets": "Habeen ma hurdoo\nAday horjoogoo",
    "language": "Somali",
    "language_code": "som",
    "annotation_type": "original-annotations",
    "user_id": "f0ff69570af705b75c5a0851883e502feab2bc874c5e98d59145659bd18ca635",
}
COLLECTION = {
    "id": 4669,
    "inputs": "Je, mkoa wa Arusha una idadi ya watu wangapi?",
    "targets": "1,694,310",
    "dataset_name": "AfriQA-inst",
    "sub_dataset_name": "-",
    "task_type": "question-answering",
    "template_id": 0,
    "language": "swa",
    "script": "Latn",
    "split": "train",
}


def parse(kind, row, file="rows.jsonl", **options):
    return make_source(kind, AyaOptions(**options)).parse(row, file)


def test_every_field_of_a_row_of_the_dataset_finds_its_place():
    parsed = parse("aya", DATASET, "data/train-00000-of-00001.parquet")
    assert parsed.messages == (Message("user", DATASET["inputs"]), Message("assistant", DATASET["targets"]))
    assert parsed.declared.code == "som_Latn"
    assert (parsed.dataset, parsed.task, parsed.split) == ("aya_dataset", "original-annotations", "train")
    assert (parsed.origin, parsed.license, parsed.generator) == ("human", "Apache-2.0", None)


def test_every_field_of_a_row_of_the_collection_finds_its_place():
    parsed = parse("aya_collection", COLLECTION, "swahili/train.jsonl")
    assert parsed.messages == (Message("user", COLLECTION["inputs"]), Message("assistant", COLLECTION["targets"]))
    assert parsed.declared.code == "swh_Latn"
    assert (parsed.source_id, parsed.dataset, parsed.template) == ("4669", "AfriQA-inst", "0")
    assert (parsed.task, parsed.split) == ("question_answering", "train")
    assert (parsed.origin, parsed.license, parsed.generator) == ("template", "Apache-2.0", None)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"language_code": "arb", "language": "Standard Arabic"}, "arb_Arab"),
        ({"language_code": "zsm", "language": "Malay"}, "zsm_Latn"),
        ({"language_code": "plt", "language": "Malagasy"}, "plt_Latn"),
        ({"language_code": None, "language": "Simplified Chinese"}, "zho_Hans"),
        ({"language_code": "", "language": "Traditional Chinese"}, "zho_Hant"),
        ({"language_code": "??", "language": "Yoruba"}, "yor_Latn"),
        ({"language_code": None, "language": None}, None),
    ],
)
def test_the_language_of_the_dataset_is_its_code_or_else_its_name(change, code):
    declared = parse("aya", {**DATASET, **change}).declared
    assert (declared.code if declared else None) == code


AYA_CODES = (
    "amh ara ben ceb dan deu ell eng eus fil fin fra gle guj hat hau hin hun ibo ind ita jav jpn kan kir kor kur lit mal "
    "mar mlg msa mya nep nld nso nya pan pes pol por pus rus sin sna snd som spa sqi srp sun swa swe tam tel tha tur ukr "
    "urd vie wol xho yor zho zul"
).split()


@pytest.mark.parametrize("code", AYA_CODES)
def test_every_code_of_the_dataset_and_of_the_collection_means_a_language(code):
    dataset = parse("aya", {**DATASET, "language_code": code, "language": ""}).declared
    collection = parse("aya_collection", {**COLLECTION, "language": code, "script": None}).declared
    assert dataset is not None and dataset == collection


@pytest.mark.parametrize(
    ("change", "file", "code"),
    [
        ({"language": "srp", "script": "Cyrl"}, "x.jsonl", "srp_Cyrl"),
        ({"language": "srp", "script": "Latn"}, "x.jsonl", "srp_Latn"),
        ({"language": "uzn", "script": "Cyrl"}, "x.jsonl", "uzb_Cyrl"),
        ({"language": "zho", "script": "Hant"}, "x.jsonl", "zho_Hant"),
        ({"language": "ckb", "script": "Arab"}, "x.jsonl", "ckb_Arab"),
        ({"language": "man", "script": "Beng"}, "manipuri/x.jsonl", "mni_Beng"),
        ({"language": "swh", "script": "Nope"}, "x.jsonl", "swh_Latn"),
        ({"language": None, "language_code": "hau"}, "x.jsonl", "hau_Latn"),
        ({"language": "??", "script": None}, "simplified_chinese/train.jsonl", "zho_Hans"),
        ({"language": None, "script": None}, "standard_arabic/train.jsonl", "arb_Arab"),
        ({"language": None}, "templated_afriqa/train.jsonl", None),
    ],
)
def test_the_language_of_the_collection_is_its_code_in_its_script_or_else_its_folder(change, file, code):
    declared = parse("aya_collection", {**COLLECTION, **change}, file).declared
    assert (declared.code if declared else None) == code


def without(row, *names):
    return {name: value for name, value in row.items() if name not in names}


DRIFT = {
    "language_code in place of language": {**without(COLLECTION, "language"), "language_code": "swa"},
    "template_id as text": {**COLLECTION, "template_id": "0"},
    "id as text": {**COLLECTION, "id": "4669"},
    "a column of the index": {**COLLECTION, "__index_level_0__": 17},
    "all of them": {
        **without(COLLECTION, "language"),
        "language_code": "swa",
        "template_id": "0",
        "id": "4669",
        "__index_level_0__": None,
    },
}


@pytest.mark.parametrize("drift", DRIFT)
def test_copies_whose_columns_drifted_give_the_very_same_record(drift):
    assert parse("aya_collection", DRIFT[drift]) == parse("aya_collection", COLLECTION)


@pytest.mark.parametrize(
    "column", ["id", "dataset_name", "sub_dataset_name", "task_type", "template_id", "script", "split"]
)
def test_a_row_of_the_collection_may_lack_all_but_its_text(column):
    parsed = parse("aya_collection", without(COLLECTION, column), "swahili/train.jsonl")
    assert parsed.declared.code == "swh_Latn" and parsed.split == "train"
    assert "None" not in (parsed.source_id, parsed.dataset, parsed.task, parsed.template)


@pytest.mark.parametrize(
    ("name", "sub", "origin", "dataset"),
    [
        ("AfriQA-inst", "-", "template", "AfriQA-inst"),
        ("Dolly-v2 (T)", "-", "translated", "Dolly-v2 (T)"),
        ("Flan-CoT-submix (T)", "None", "translated", "Flan-CoT-submix (T)"),
        ("translated_dolly", "", "translated", "translated_dolly"),
        ("Aya-Dataset", "-", "human", "Aya-Dataset"),
        ("aya_dataset", None, "human", "aya_dataset"),
        ("Flan-unified-QA (T)", "narrativeqa", "translated", "Flan-unified-QA (T)/narrativeqa"),
        ("Thai-POS-inst", "-", "template", "Thai-POS-inst"),
    ],
)
def test_the_origin_is_read_from_the_name_of_the_data_set(name, sub, origin, dataset):
    parsed = parse("aya_collection", {**COLLECTION, "dataset_name": name, "sub_dataset_name": sub})
    assert (parsed.origin, parsed.dataset) == (origin, dataset)
    assert parsed.generator == ("NLLB-200-3.3B" if origin == "translated" else None)


HELD_OUT = [
    ("aya", {**DATASET, "split": "test"}, "rows.jsonl"),
    ("aya", DATASET, "data/test-00000-of-00001.parquet"),
    ("aya", DATASET, "aya_dataset/test"),
    ("aya_collection", {**COLLECTION, "dataset_name": "Aya-Dataset", "split": "test"}, "yoruba/train.jsonl"),
    ("aya_collection", {**without(COLLECTION, "split"), "dataset_name": "aya_dataset"}, "aya_dataset/test.jsonl"),
    ("aya_collection", {**COLLECTION, "dataset_name": "Aya Dataset", "split": "test"}, "x.jsonl"),
]


@pytest.mark.parametrize(("kind", "row", "file"), HELD_OUT)
def test_the_test_split_of_the_dataset_is_held_out_in_any_place_unless_it_is_asked_for(kind, row, file):
    with pytest.raises(ParseFault) as caught:
        parse(kind, row, file)
    assert caught.value.reason == "held_out" and "Evaluation Suite" in caught.value.detail
    assert parse(kind, row, file, held_out="keep").split == "test"


def test_the_test_split_of_another_data_set_in_the_collection_is_kept():
    assert parse("aya_collection", {**COLLECTION, "split": "test"}).split == "test"


@pytest.mark.parametrize("kind", ["aya", "aya_collection"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"inputs": None}, "missing_field"),
        ({"targets": {"text": "x"}}, "missing_field"),
        ({"language": "Swahilli", "language_code": "Swahilli"}, "unknown_language"),
    ],
)
def test_a_bad_row_says_what_is_wrong(kind, change, reason):
    with pytest.raises(ParseFault) as caught:
        parse(kind, {**COLLECTION, **change})
    assert caught.value.reason == reason


def test_the_rows_of_the_real_layout_all_become_records(shared):
    root = shared("data/derived_aya_collection")
    expected = Counter()
    for file in root.rglob("*.jsonl"):
        for line in file.read_text("utf-8").splitlines():
            row = json.loads(line)
            expected[file.parent.name, row["language"], row["split"], str(row["id"])] += 1
    assert expected.total() > 4_000

    found, codes = Counter(), {}
    for task in plan([(str(root), "utf-8")]).tasks:
        for piece in task.slices:
            for row in itertools.chain.from_iterable(tables.read(piece.slice)):
                assert not isinstance(row, tables.BadRow)
                parsed = parse("aya_collection", row.data, piece.slice.name)
                folder = piece.slice.name.split("/")[0]
                found[folder, row.data["language"], parsed.split, parsed.source_id] += 1
                codes.setdefault(folder, set()).add(parsed.declared)
    assert found == expected
    # Codes and folders were named by different hands, and mean the same.
    for folder, declared in codes.items():
        nameless = parse("aya_collection", {"inputs": "q", "targets": "a"}, f"{folder}/train.jsonl").declared
        assert declared == {nameless}
