"""Embeddings: what they are, and that nothing beside a text changes its own."""

import numpy as np
import pytest

from core.errors import ConfigError, SourceError, UnknownNameError
from finetune.checkpoints import formats, model_folder
from finetune.checkpoints.formats import import_model, summarise
from finetune.heads.embedder import Embedder
from finetune.heads.reranker import Reranker

TEXTS = [
    "habari",
    "",
    "مرحبا بالعالم",
    "שלום עולם",
    "你好世界一天",
    "สวัสดีชาวโลก",
    "नमस्ते दुनिया",
    "e\u0301\u0302\u0323 a\u0308",
    "habari nzuri wiki moja " * 40,
    " ",
]


@pytest.fixture(scope="module")
def embedder(head_folder):
    return Embedder.load(head_folder())


def test_vectors_have_length_one_in_every_dimension(embedder):
    for dimension in embedder.dimensions:
        found = embedder.embed(TEXTS, "document", dimension=dimension)
        assert found.shape == (len(TEXTS), dimension) and found.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert embedder.embed(TEXTS, "document").shape[1] == embedder.dimensions[-1] == 32
    assert embedder.embed([], "query").shape == (0, 32)


def test_a_shorter_vector_is_the_longer_one_cut_and_then_brought_to_length_one(embedder):
    whole = embedder.embed(TEXTS, "document", normalize=False)
    cut = whole[:, :16] / np.linalg.norm(whole[:, :16], axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.embed(TEXTS, "document", dimension=16), cut, atol=1e-6)


def test_padding_and_company_change_nothing(embedder, head_folder):
    together = embedder.embed(TEXTS, "document")
    alone = np.concatenate([embedder.embed([text], "document") for text in TEXTS])
    few = Embedder.load(head_folder(), batch_tokens=64).embed(TEXTS[::-1], "document")[::-1]
    np.testing.assert_allclose(alone, together, atol=1e-5, rtol=0)
    np.testing.assert_allclose(few, together, atol=1e-5, rtol=0)


def test_a_query_is_not_a_document_and_texts_differ(embedder):
    documents = embedder.embed(TEXTS, "document")
    assert np.abs(embedder.embed(TEXTS, "query") - documents).max() > 1e-3
    alike = documents @ documents.T - np.eye(len(TEXTS))
    alike[1, 9] = alike[9, 1] = 0  # nothing, and a blank
    assert alike.max() < 1 - 1e-4
    with pytest.raises(UnknownNameError, match="document"):
        embedder.embed(TEXTS, "documents")


def test_a_long_text_loses_its_end_or_its_start(embedder):
    long = "habari nzuri " * 60
    assert embedder.count_tokens([long])[0] > embedder.max_tokens
    same, other = embedder.embed([long, long + "tatu"], "query")
    assert np.array_equal(same, other)
    same, other = embedder.embed([long, long + "tatu"], "query", cut="start")
    assert not np.allclose(same, other, atol=1e-4)


def test_a_dimension_that_was_not_trained_is_told(embedder):
    with pytest.raises(ConfigError, match="trained for 16, 32"):
        embedder.embed(TEXTS, "query", dimension=24)


def test_int8_ranges_come_with_the_model(embedder):
    assert {dimension: found.limit for dimension, found in embedder.ranges.items()} == {
        16: pytest.approx(0.8),
        32: pytest.approx(0.6),
    }


def test_a_folder_says_what_it_is(head_folder, model_of_all, tmp_path):
    with pytest.raises(ConfigError, match=r"is a whole model without a head: expected an embedding model"):
        Embedder.load(model_of_all)
    with pytest.raises(ConfigError, match="is an embedding model: expected a rerank model"):
        Reranker.load(head_folder())
    with pytest.raises(SourceError, match="has no decoder"):
        formats.load(head_folder())
    with pytest.raises(SourceError, match="there is no checkpoint"):
        Embedder.load(tmp_path / "nowhere")
    summary = summarise(head_folder())
    assert summary.head.kind == "embed" and summary.parameters["decoder"] == 0 < summary.parameters["head"]


def test_a_run_or_model_with_a_head_becomes_a_model_folder_with_it(head_folder, embedder, tmp_path):
    import_model(head_folder(), tmp_path / "copy")
    copy = Embedder.load(tmp_path / "copy")
    assert np.array_equal(copy.embed(TEXTS, "query"), embedder.embed(TEXTS, "query"))
    assert copy.ranges[32].limit == embedder.ranges[32].limit


@pytest.fixture
def model_of_all(tiny, small_tokenizer, tmp_path):
    import dataclasses

    from finetune.model import parameters

    architecture = dataclasses.replace(tiny.shape, vocabulary=384)
    leaves = {name: np.zeros(shape) for name, shape in parameters.shapes(architecture).items()}
    model_folder.save(tmp_path / "all", architecture, parameters.nested(leaves), tokenizer=small_tokenizer)
    return tmp_path / "all"
