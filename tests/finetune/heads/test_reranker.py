"""Reranking: scores that stand for themselves, long documents, documents that are no strings."""

import itertools

import numpy as np
import pytest

from core.errors import ConfigError
from finetune.heads.documents import render
from finetune.heads.reranker import Reranker

DOCUMENTS = ["habari nzuri", "", "привет мир", "你好 世界", "مرحبا", "siku moja " * 30]


@pytest.fixture(scope="module")
def reranker(head_folder):
    return Reranker.load(head_folder("rerank"))


def test_scores_do_not_depend_on_the_other_documents(reranker, head_folder):
    found = reranker.scores("wiki tatu", DOCUMENTS)
    assert found.shape == (6,) and found.dtype == np.float32 and ((found >= 0) & (found <= 1)).all()
    alone = [reranker.scores("wiki tatu", [document])[0] for document in DOCUMENTS]
    np.testing.assert_allclose(alone, found, atol=1e-5)
    few = Reranker.load(head_folder("rerank"), batch_tokens=64).scores("wiki tatu", DOCUMENTS[::-1])[::-1]
    np.testing.assert_allclose(few, found, atol=1e-5)
    assert len(np.unique(found)) == 6
    assert reranker.scores("wiki tatu", []).shape == (0,)
    assert np.abs(reranker.scores("мир", DOCUMENTS) - found).max() > 1e-3


def test_of_a_long_document_the_best_chunk_counts(reranker):
    long = " ".join(np.random.default_rng(0).choice("habari nzuri wiki siku мир день 你好 一天".split(), 120))
    inputs = reranker._model.inputs
    query, document = inputs.ids(["tatu", long])
    chunks = list(inputs.chunks(query, document))
    assert len(chunks) > 2 and all(len(chunk) <= 64 for chunk in chunks)
    scores = 1 / (1 + np.exp(-reranker._model.outputs(chunks)[:, 0]))
    assert np.isclose(reranker.scores("tatu", [long])[0], scores.max(), atol=1e-6)
    before = len(inputs.query_prefix) + len(query) + len(inputs.document_prefix)
    parts = [chunk[before:-1] for chunk in chunks]
    assert all(np.array_equal(one[-8:], other[:8]) for one, other in itertools.pairwise(parts))
    joined = np.concatenate([parts[0], *(part[8:] for part in parts[1:])])
    assert np.array_equal(joined, document)
    first = reranker._model.outputs([inputs.pair(query, document[:20])])[0, 0]
    cut = reranker.scores("tatu", [long], max_tokens_per_document=20)
    assert np.isclose(cut[0], 1 / (1 + np.exp(-first)), atol=1e-5)


def test_objects_are_rendered_by_rule_and_strings_pass_through():
    mail = {
        "from": "Asha <a@b>",
        "subject": "خبر",
        "sent": True,
        "size": 3.5,
        "cc": None,
        "tags": ["moja", "mbili"],
        "body": "你好\n世界",
        "table": [{"city": "Nairobi", "people": 4}, {"city": "Kisumu", "people": 1}],
        "where": {"lat": -1.3, "names": []},
    }
    assert (
        render(mail)
        == """from: Asha <a@b>
subject: خبر
sent: true
size: 3.5
cc: null
tags:
  - moja
  - mbili
body: |
  你好
  世界
table:
  - city: Nairobi
    people: 4
  - city: Kisumu
    people: 1
where:
  lat: -1.3
  names: []"""
    )
    assert render(" a: {b}\n") == " a: {b}\n" and render({}) == ""
    assert render(mail, ["size", "from"]) == "size: 3.5\nfrom: Asha <a@b>"
    with pytest.raises(ConfigError, match="no field 'date'; it has from"):
        render(mail, ["date"])
    with pytest.raises(ConfigError, match="set, which JSON does not know"):
        render({"a": {1}})
    with pytest.raises(ConfigError, match="expected a string, or an object"):
        render(3)


def test_rank_fields_count_alone(reranker):
    one, other = ({"title": "habari", "text": text} for text in ("мир", "день"))
    assert np.array_equal(*(reranker.scores("wiki", [document], rank_fields=["title"]) for document in (one, other)))
    assert reranker.scores("wiki", [one])[0] != reranker.scores("wiki", [other])[0]
    with pytest.raises(ConfigError, match="max_tokens_per_document is 0"):
        reranker.scores("wiki", [one], max_tokens_per_document=0)
