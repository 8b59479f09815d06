import contextlib

import numpy as np
import pytest
from parity_data import vector

from eval import model as models
from eval.model import Limits, Options
from glotmill.errors import ConfigError, SourceError


@pytest.fixture
def load():
    with contextlib.ExitStack() as stack:

        def one(*words):
            return stack.enter_context(contextlib.closing(models.load(*words)))

        yield one


def test_embeddings_come_in_order_in_calls_of_96_and_of_unit_length(cohere_server, load):
    url, asked = cohere_server()
    loaded = load(f"http:{url}#embed-v4", "embed")
    texts = [f"مرحبا {n}|" for n in range(200)]
    found = loaded.model.embed(texts, "document")
    assert np.allclose(found, [vector(text) for text in texts], atol=1e-6)
    assert sorted(count for path, count, _ in asked()[1:]) == [8, 96, 96] and loaded.model.dimensions == (32,)
    assert loaded.model.embed([], "query").shape[0] == 0
    assert loaded.identity.name == "embed-v4" and loaded.makes == "vectors"


def test_scores_come_back_to_their_documents(cohere_server, load):
    url, _ = cohere_server()
    model = load(f"http:{url}#rerank-v4", "rerank").model
    documents = ["b|x", "a|y", "c|z"]
    expected = [(float(vector(text) @ vector("a|q")) + 1) / 2 for text in documents]
    assert model.scores("a|q", documents) == pytest.approx(expected)


def test_answers_come_in_order_and_refusals_for_a_while_are_tried_again(cohere_server, load):
    url, asked = cohere_server("fail=3")
    loaded = load(f"http:{url}#command", "chat")
    prompts = [f"שאלה {n}" for n in range(12)]
    assert [one.text for one in loaded.model.generate(prompts, Limits())] == [f"echo {prompt}" for prompt in prompts]
    assert len(asked()) == 12
    with pytest.raises(ConfigError, match="does not tell how likely"):
        loaded.model.log_likelihoods([("a", "b")])


def test_what_a_server_will_not_do_is_said_in_a_line(cohere_server, load):
    url, _ = cohere_server("short")
    with pytest.raises(SourceError, match="answered 404: model unknown-1 not found"):
        load(f"http:{url}#unknown-1", "chat").model.generate(["x"], Limits())
    with pytest.raises(SourceError, match="gave 0 vectors for 1 texts"):
        load(f"http:{url}#short", "embed")


def test_a_server_that_is_not_there(load):
    with pytest.raises(SourceError, match="cannot be reached"):
        load("http:127.0.0.1:9#m", "embed", Options(timeout=2))
