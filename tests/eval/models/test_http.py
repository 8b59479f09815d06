import contextlib
import json

import numpy as np
import pytest
from parity_data import vector

from core.errors import ConfigError, SourceError
from eval.models import base as models
from eval.models.base import GenerationLimits, Options


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
    assert [one.text for one in loaded.model.generate(prompts, GenerationLimits())] == [
        f"echo {prompt}" for prompt in prompts
    ]
    assert len(asked()) == 12
    with pytest.raises(ConfigError, match="does not tell how likely"):
        loaded.model.log_likelihoods([("a", "b")])


def test_what_a_server_will_not_do_is_said_in_a_line(cohere_server, load):
    url, _ = cohere_server("short")
    with pytest.raises(SourceError, match="answered 404: model unknown-1 not found"):
        load(f"http:{url}#unknown-1", "chat").model.generate(["x"], GenerationLimits())
    with pytest.raises(SourceError, match="gave 0 vectors for 1 texts"):
        load(f"http:{url}#short", "embed")


def test_a_server_that_is_not_there(load):
    with pytest.raises(SourceError, match="cannot be reached"):
        load("http:127.0.0.1:9#m", "embed", Options(timeout=2))


def test_connections_that_break_are_tried_again(cohere_server, load):
    url, asked = cohere_server("drop=3")
    model = load(f"http:{url}#command", "chat").model
    assert [one.text for one in model.generate(list("abcdef"), GenerationLimits())] == [
        f"echo {one}" for one in "abcdef"
    ]
    assert len(asked()) == 6
    always, _ = cohere_server("drop=1")
    with pytest.raises(SourceError, match=r"^http://\S+ cannot be reached: [^\n]+$"):
        load(f"http:{always}#command", "chat").model.generate(["a"], GenerationLimits())


def test_documents_of_several_calls_get_their_scores(cohere_server, load):
    url, asked = cohere_server()
    documents = [f"d{n % 7}|" for n in range(2_003)]
    found = load(f"http:{url}#rerank", "rerank").model.scores("q|", documents)
    expected = [(float(vector(text) @ vector("q|")) + 1) / 2 for text in documents[:7]]
    assert found == pytest.approx([expected[n % 7] for n in range(2_003)])
    assert sorted(count for _, count, _ in asked()) == [3, 1000, 1000]


def result(index, score=0.5):
    return {"index": index, "relevance_score": score}


ASK = {
    "chat": lambda model: model.generate(["a"], GenerationLimits()),
    "rerank": lambda model: model.scores("a", ["b", "c"]),
    "embed": lambda model: model.embed(["a", "b"], "query"),
}
SAYS = {"type": "text", "text": "x"}


@pytest.mark.parametrize(
    ("what", "answer", "told"),
    [
        *(
            (what, answer, "gave")
            for what in ASK
            for answer in ({}, [], None, "text", 5, {"id": "1", "message": None, "results": None, "embeddings": None})
        ),
        ("chat", {"finish_reason": "COMPLETE"}, "no message"),
        ("chat", {"message": {"content": [SAYS]}}, "no reason"),
        ("chat", {"finish_reason": "COMPLETE", "message": {"content": "x"}}, "no list"),
        ("chat", {"finish_reason": "COMPLETE", "message": {"content": [{"type": "text"}]}}, "no text"),
        ("chat", {"finish_reason": "COMPLETE", "message": {"content": ["x"]}}, "no text"),
        ("rerank", {"results": []}, "no score to 2 of 2 documents"),
        ("rerank", {"results": [result(0)]}, "no score to 1 of 2 documents"),
        ("rerank", {"results": [result(0), result(-1)]}, "the document -1 of 2"),
        ("rerank", {"results": [result(0), result(2)]}, "the document 2 of 2"),
        ("rerank", {"results": [result(0), result("b")]}, "the document 'b' of 2"),
        ("rerank", {"results": [result(0), result(0)]}, "two scores to the document 0"),
        ("rerank", {"results": [result(0), result(1, None)]}, "no number: None"),
        ("rerank", {"results": [result(0), result(1, "high")]}, "no number: 'high'"),
        ("rerank", {"results": [result(0), {"index": 1}]}, "no number: None"),
        ("rerank", {"results": [result(0), 7]}, "cannot read"),
        ("embed", {"embeddings": {"float": [[1.0, 2.0]]}}, "1 vectors for 2 texts"),
        ("embed", {"embeddings": {"float": [[1.0, 2.0], [1.0]]}}, "different or no length: 1, 2"),
        ("embed", {"embeddings": {"float": [[], []]}}, "different or no length: 0"),
        ("embed", {"embeddings": {"float": [[1.0], None]}}, "different or no length: 0, 1"),
        ("embed", {"embeddings": {"float": [[1.0], ["x"]]}}, "no number"),
        ("embed", {"embeddings": {"float": [[1.0], [10**400]]}}, "no number"),
        ("embed", {"embeddings": [[1.0], [2.0]]}, "cannot read"),
    ],
)
def test_an_answer_of_another_shape_is_one_line(cohere_server, load, what, answer, told):
    url, _ = cohere_server(f"answer={json.dumps(answer)}")
    with pytest.raises(SourceError) as error:
        ASK[what](load(f"http:{url}#m", "chat").model)
    assert told in str(error.value) and str(error.value).startswith(url) and "\n" not in str(error.value)


def test_an_answer_without_content_is_empty_and_thoughts_are_no_answer(cohere_server, load):
    for content, text in ((None, ""), ([], ""), ([{"type": "thinking", "thinking": "hm"}, SAYS], "x")):
        answer = {"id": "1", "finish_reason": "MAX_TOKENS", "message": {"role": "assistant", "content": content}}
        url, _ = cohere_server(f"answer={json.dumps(answer)}")
        assert load(f"http:{url}#m", "chat").model.generate(["a"], GenerationLimits()) == [(text, True)]
