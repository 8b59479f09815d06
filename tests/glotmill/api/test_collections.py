"""Folders of records as a notebook sees them."""

from __future__ import annotations

import pytest

import glotmill


@pytest.fixture
def chats(stage_of):
    rows = [("swh_Latn", "Habari?", "Nzuri."), ("heb_Hebr", "מה שלומך?", "טוב, תודה."), ("swh_Latn", "Jina?", "Asha.")]
    return stage_of(rows)


def test_a_collection_is_a_data_frame_by_language(chats):
    collection = glotmill.load_collection(str(chats))
    frame = collection.to_pandas()
    assert list(frame["target"]) == ["Nzuri.", "טוב, תודה.", "Asha."]
    assert list(collection.to_pandas(language="Hebrew")["prompt"]) == ["מה שלומך?"]
    assert list(collection.to_pandas(language="sw", limit=1)["target"]) == ["Nzuri."]


def test_a_frame_without_rows_has_its_columns(chats):
    collection = glotmill.load_collection(chats)
    assert len(collection.to_pandas(limit=0)) == 0
    assert list(collection.to_pandas(limit=0).columns) == list(collection.to_pandas().columns)
    assert {"reason", "detail", "raw", "location"} <= set(collection.rejects_to_pandas().columns)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda folder: glotmill.load_collection("nowhere"), "nowhere: no such folder"),
        (lambda folder: glotmill.load_collection(folder).to_pandas(language="Thai"), "no row of tha_Thai"),
        (lambda folder: glotmill.load_collection(folder).rejects_to_pandas(reason="empty"), "the nearest are empty_"),
        (lambda folder: glotmill.load_collection(folder).to_pandas(split="test"), "has no splits"),
        (lambda folder: glotmill.ingest({"xp3": "."}, "out"), "unknown kind of source 'xp3'; the nearest are xp3x"),
        (lambda folder: glotmill.ingest({}, "out", overrides={"filter.x": 1}), "did you mean filters?"),
        (lambda folder: glotmill.build([], "out"), "no input was given: expected --input DIR"),
        (lambda folder: glotmill.finetune({"stesp": 3}, "out"), "did you mean steps?"),
        (lambda folder: glotmill.Model.load("nowhere"), "no checkpoint at nowhere"),
        (lambda folder: glotmill.load_report("nowhere"), "nowhere"),
        (lambda folder: glotmill.compare("a", "b", correction="hlom"), "did you mean 'holm'?"),
    ],
)
def test_mistakes_raise_the_errors_that_the_command_prints(chats, call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(glotmill.UserError) as raised:
        call(chats)
    assert message in str(raised.value)
