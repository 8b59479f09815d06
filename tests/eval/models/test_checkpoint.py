"""A model of ours as one that is judged: real folders, real weights, tiny."""

import numpy as np
import pytest

from core.errors import ConfigError, SourceError
from eval.models.base import GenerationLimits, Options, load
from eval.models.checkpoint import identify
from finetune.checkpoints import model_folder
from finetune.model.architecture import Architecture

SHAPE = Architecture(
    vocabulary=384, width=16, heads=2, head_width=8, feed_forward=32, encoder_layers=1, decoder_layers=1
)


def _save(folder, tokenizer, seed, head=None):
    from finetune.model import parameters

    chance = np.random.default_rng(seed)
    shapes = parameters.shapes(SHAPE, head.projection) if head else parameters.shapes(SHAPE)
    leaves = {name: chance.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    model_folder.save(folder, SHAPE, parameters.nested(leaves), tokenizer=tokenizer, head=head)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small_tokenizer):
    return _save(tmp_path_factory.mktemp("models") / "model", small_tokenizer, 0)


def test_it_answers_and_tells_how_likely_answers_are(folder):
    loaded = load(f"checkpoint:{folder}", "chat", Options(batch=2))
    assert loaded.makes == "text" and loaded.identity.name == "model"
    answers = loaded.model.generate(["habari", "你好", "мир"], GenerationLimits(max_tokens=3))
    assert len(answers) == 3 and all(isinstance(one.text, str) for one in answers)
    likely = loaded.model.log_likelihoods([("habari", "nzuri"), ("habari", "世界")])
    assert all(np.isfinite(one.value) and one.value < 0 for one in likely)


def test_what_is_drawn_for_a_prompt_does_not_depend_on_what_else_is_asked(folder):
    chat = load(f"checkpoint:{folder}", "chat", Options(batch=2)).model
    limits = GenerationLimits(max_tokens=6, temperature=1.0)
    prompts = ["habari", "你好", "мир", "siku", "นี่"]
    together = [one.text for one in chat.generate(prompts, limits)]
    assert len({*together}) > 3
    assert [chat.generate([prompt], limits)[0].text for prompt in prompts] == together
    assert [one.text for one in chat.generate(prompts[::-1], limits)] == together[::-1]
    assert [
        one.text for one in chat.generate(prompts, GenerationLimits(max_tokens=6, temperature=1.0, seed=1))
    ] != together


def test_it_is_known_by_its_weights_and_by_how_it_is_run(folder, tmp_path, small_tokenizer):
    same, other = _save(tmp_path / "same", small_tokenizer, 0), _save(tmp_path / "other", small_tokenizer, 1)
    keys = [
        identify("", one, Options(max_input=size)).key
        for one, size in ((folder, 64), (same, 64), (other, 64), (folder, 32))
    ]
    assert (
        keys[0].split(":")[1] == keys[1].split(":")[1]
        and len({*keys}) >= 3
        and keys[0] != keys[2]
        and keys[0] != keys[3]
    )


@pytest.mark.parametrize("suite", ["embed", "rerank"])
def test_a_model_without_a_head_makes_no_vectors(folder, suite):
    with pytest.raises(ConfigError, match=f"cannot be judged by the suite {suite}: it has no head"):
        load(f"checkpoint:{folder}", suite)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(SourceError, match="there is no checkpoint"):
        load(f"checkpoint:{tmp_path / 'none'}", "chat")
    with pytest.raises(SourceError, match="holds no model"):
        load(f"checkpoint:{tmp_path}", "chat")


def test_heads_serve_their_suites_alone(tmp_path, small_tokenizer):
    from finetune.model.head import head_class

    embed = _save(
        tmp_path / "embed", small_tokenizer, 2, head_class("embed")(dimensions=(8, 16), limits={8: 0.9, 16: 0.7})
    )
    loaded = load(f"checkpoint:{embed}", "embed")
    vectors = loaded.model.embed(["habari", "你好 世界", ""], "query")
    assert loaded.makes == "vectors" and loaded.model.dimensions == (8, 16) and vectors.shape == (3, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert loaded.model.ranges(8).limit == pytest.approx(0.9) and loaded.model.ranges(12) is None
    assert load(f"checkpoint:{embed}", "rerank").makes == "vectors"
    with pytest.raises(ConfigError, match="it is an embedding model, which generates no text"):
        load(f"checkpoint:{embed}", "chat")
    rerank = _save(tmp_path / "rerank", small_tokenizer, 3, head_class("rerank")())
    scores = load(f"checkpoint:{rerank}", "rerank").model.scores("habari", ["nzuri", "мир"])
    assert scores.shape == (2,) and ((scores > 0) & (scores < 1)).all()
    with pytest.raises(ConfigError, match="makes no embeddings"):
        load(f"checkpoint:{rerank}", "embed")
