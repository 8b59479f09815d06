import contextlib

import numpy as np
import pytest

from core.errors import OutputError, SourceError
from eval.models.answer_cache import AnswerCache
from eval.models.base import Generation, GenerationLimits, Identity, LogLikelihood, load
from eval.models.cached import CachedChat, CachedEmbedder, CachedReranker


class Counting:
    """Remembers what it was asked."""

    dimensions = (2,)
    scores_choices = True

    def __init__(self, sign=1.0):
        self.asked, self._sign = [], sign

    def embed(self, texts, kind):
        self.asked += texts
        return self._sign * np.array([[len(text), kind == "query"] for text in texts], np.float32)

    def scores(self, query, documents):
        self.asked += documents
        return self._sign * np.array([len(query) + len(one) for one in documents], float)

    def generate(self, prompts, limits):
        self.asked += prompts
        return [Generation(f"{self._sign} {prompt}", limits.max_tokens < 5) for prompt in prompts]

    def log_likelihoods(self, pairs):
        self.asked += pairs
        return [LogLikelihood(float("nan") if choice == "?" else -len(choice), False) for _, choice in pairs]


ONE, OTHER = (Identity("checkpoint:x", "x", sha256) for sha256 in ("one", "other"))


@pytest.fixture
def cache(tmp_path):
    with AnswerCache(tmp_path / "answers.sqlite") as cache:
        yield cache


def test_nothing_is_asked_twice_and_answers_keep_their_place(cache):
    model = Counting()
    embedder = CachedEmbedder(ONE, model, cache)
    first = embedder.embed(["aa", "b", "aa"], "query")
    assert first.tolist() == [[2, 1], [1, 1], [2, 1]] and sorted(model.asked) == ["aa", "b"]
    assert embedder.embed(["b", "ccc"], "query").tolist() == [[1, 1], [3, 1]] and model.asked[-1] == "ccc"
    assert embedder.embed(["b"], "document").tolist() == [[1, 0]] and len(model.asked) == 4
    assert embedder.embed([], "query").shape == (0, 2) and (cache.misses, cache.hits) == (4, 2)


def test_one_model_never_gets_anothers_answers(cache):
    for identity, sign in ((ONE, 1.0), (OTHER, -1.0), (Identity("", "", "one", "tokenizer"), 5.0)):
        assert CachedReranker(identity, Counting(sign), cache).scores("q", ["d"]).tolist() == [2 * sign]
        assert CachedChat(identity, Counting(sign), cache).generate(["p"], GenerationLimits())[0].text == f"{sign} p"


def test_how_answers_are_made_is_part_of_the_question(cache):
    model = Counting()
    chat = CachedChat(ONE, model, cache)
    assert not chat.generate(["p"], GenerationLimits(max_tokens=9))[0].truncated
    assert chat.generate(["p"], GenerationLimits(max_tokens=3))[0].truncated
    chat.generate(["p"], GenerationLimits(max_tokens=9, seed=1))
    assert len(model.asked) == 3


def test_what_is_no_number_stays_so(cache):
    chat = CachedChat(ONE, Counting(), cache)
    for _ in range(2):
        values = [one.value for one in chat.log_likelihoods([("p", "?"), ("p", "abc")])]
        assert np.isnan(values[0]) and values[1] == -3


def test_a_lot_that_was_answered_is_kept_when_the_next_one_fails(tmp_path):
    class Failing(Counting):
        def scores(self, query, documents):
            if self.asked:
                raise RuntimeError
            return super().scores(query, documents)

    documents = [str(number) for number in range(2_500)]
    with AnswerCache(tmp_path / "a.sqlite") as cache, pytest.raises(RuntimeError):
        CachedReranker(ONE, Failing(), cache).scores("q", documents)
    model = Counting()
    with AnswerCache(tmp_path / "a.sqlite") as cache:
        CachedReranker(ONE, model, cache).scores("q", documents)
    assert len(model.asked) == 2_500 - 2_048


def test_a_file_that_is_no_cache_is_told(tmp_path):
    (tmp_path / "a.sqlite").write_text("this is no database, whatever its name says" * 50)
    with pytest.raises(OutputError, match="cannot be used"):
        AnswerCache(tmp_path / "a.sqlite")


def test_a_server_loses_a_few_answers_when_one_fails(cohere_server, tmp_path):
    url, asked = cohere_server("fail-after=40")
    prompts = [f"p{number}" for number in range(64)]
    with contextlib.closing(load(f"http:{url}#m", "chat")) as loaded, AnswerCache(tmp_path / "a.sqlite") as cache:
        with pytest.raises(SourceError, match="answered 400"):
            CachedChat(loaded.identity, loaded.model, cache).generate(prompts, GenerationLimits())
        model = Counting()
        CachedChat(loaded.identity, model, cache).generate(prompts, GenerationLimits())
    assert len(asked()) == 40 and len(model.asked) == 64 - 32


def test_a_file_that_is_damaged_in_the_middle_is_told(tmp_path):
    path = tmp_path / "a.sqlite"
    prompts = [f"prompt {number}" for number in range(3_000)]
    with AnswerCache(path) as cache:
        CachedChat(ONE, Counting(), cache).generate(prompts, GenerationLimits())
    content = bytearray(path.read_bytes())
    content[8_192:-4_096] = b"\xff" * (len(content) - 12_288)
    path.write_bytes(content)
    with (
        AnswerCache(path) as cache,
        pytest.raises(OutputError, match=r"cannot be used \(.*malformed\): remove it, or .*--cache"),
    ):
        CachedChat(ONE, Counting(), cache).generate(prompts, GenerationLimits())


def test_an_answer_whose_bytes_were_changed_is_asked_for_again(tmp_path):
    path = tmp_path / "a.sqlite"
    with AnswerCache(path) as cache:
        CachedChat(ONE, Counting(), cache).generate(["one", "other"], GenerationLimits())
    path.write_bytes(path.read_bytes().replace(b"1.0 one", b"1.0 !!!"))
    model = Counting()
    with AnswerCache(path) as cache:
        found = CachedChat(ONE, model, cache).generate(["one", "other"], GenerationLimits())
    assert [answer.text for answer in found] == ["1.0 one", "1.0 other"] and model.asked == ["one"]


def test_another_version_asks_anew(cache, monkeypatch):
    model = Counting()
    CachedChat(ONE, model, cache).generate(["p"], GenerationLimits())
    monkeypatch.setattr("eval.models.answer_cache.VERSION", "999")
    CachedChat(ONE, model, cache).generate(["p"], GenerationLimits())
    assert model.asked == ["p", "p"]
