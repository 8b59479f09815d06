"""A run with a head, from its configuration to its folder: learning, stopping and going on, what it says if it cannot."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from core.config import load
from core.errors import ConfigError, SourceError
from finetune.checkpoints import formats
from finetune.config import FinetuneConfig
from finetune.heads.base import trainable_head
from finetune.heads.embedder import Embedder
from finetune.heads.reranker import Reranker
from finetune.train import train
from finetune.training.metrics_writer import Diverged, read_metrics

EXACT = ("step", "loss", "accuracy", "tokens", "sequences", "gradient_norm", "learning_rate")


def curve(out):
    return [tuple(line[name] for name in EXACT) for line in read_metrics(out)]


def test_a_short_run_learns_to_embed_and_leaves_a_model_that_says_what_it_is(with_head, tmp_path):
    out = tmp_path / "run"
    trained = train(with_head(steps=120, data={"rows": 64, "validation": {"rows": 64}}, evaluate={"every_steps": 0}), out)  # fmt: skip
    (score,) = trained.metrics.languages
    assert (score.language, score.examples) == ("swh_Latn", 50)
    assert score.accuracy > 0.5  # chance is 0.02
    losses = [float(line["loss"]) for line in read_metrics(out)]
    assert losses[-1] < losses[0] / 2
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["complete"] and manifest["data_seen"]["batches"] == {"pairs.jsonl": 120}
    assert manifest["data_seen"]["left_out"] == {"pairs.jsonl": {"without text": 1}}
    embedder = Embedder.load(out)
    assert embedder.dimensions == (16, 32) and set(embedder.ranges) == {16, 32}
    queries = embedder.embed(["moja mbili tatu"], "query")
    documents = embedder.embed(["тогуз он беш", "бир эки үч", "он он он"], "document")
    assert (queries @ documents.T).argmax() == 1
    limit = embedder.ranges[32].limit
    assert 0.9 * np.abs(documents).max() < limit < 1


@pytest.mark.parametrize(
    "how",
    [
        {"head": {"kind": "embed", "cache_rows": 4}, "execution": {"dropout": 0.1}},
        {"head": {"kind": "rerank", "negatives": 2, "miner": "ngrams", "query_tokens": 12, "overlap": 4}},
    ],
    ids=["embed", "rerank"],
)
def test_a_stopped_run_goes_on_to_the_bit(with_head, tmp_path, how, signal_at):
    config = with_head(**how)
    train(config, tmp_path / "whole")
    stopped = train(config, tmp_path / "parts", progress=signal_at(3))
    assert not stopped.complete and 3 <= stopped.step < 6
    assert not json.loads((tmp_path / "parts/manifest.json").read_text("utf-8"))["complete"]
    assert train(config, tmp_path / "parts").complete
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")
    same = [(tmp_path / name / "validation.csv").read_bytes() for name in ("parts", "whole")]
    assert same[0] == same[1]
    models = [formats.load(tmp_path / name, step="last", with_head=True) for name in ("parts", "whole")]
    assert jax.tree.all(jax.tree.map(np.array_equal, *(model.params for model in models)))
    assert models[0].head == models[1].head
    if config.head.kind == "rerank":
        found = Reranker.load(tmp_path / "whole").scores("moja", ["бир", "он"])
        assert ((found > 0) & (found < 1)).all()


def test_a_head_begins_with_the_encoder_of_a_whole_model_or_of_any_head(configured, with_head, tmp_path):
    train(configured(steps=1), tmp_path / "whole")
    begun = formats.load(tmp_path / "whole").params
    slow = {"schedule": {"base": 1e-9}}
    config = with_head(steps=1, model={"init": str(tmp_path / "whole")}, optimizer=slow)
    train(config, tmp_path / "embed")
    found = formats.load(tmp_path / "embed", with_head=True).params
    assert set(found) == {"token_embedder", "encoder", "embedding_projection"}
    for part in ("token_embedder", "encoder"):
        assert jax.tree.all(jax.tree.map(lambda one, other: np.allclose(one, other, atol=1e-6), found[part], begun[part]))  # fmt: skip
    again = with_head(steps=1, model={"init": str(tmp_path / "embed")}, optimizer=slow)
    train(again, tmp_path / "again")
    kept = formats.load(tmp_path / "again", with_head=True).params
    np.testing.assert_allclose(kept["embedding_projection"]["kernel"], found["embedding_projection"]["kernel"], atol=1e-6)  # fmt: skip
    negatives = {"kind": "rerank", "negatives": 1, "query_tokens": 12, "overlap": 4}
    train(with_head(steps=1, model={"init": str(tmp_path / "embed")}, head=negatives, optimizer=slow), tmp_path / "rerank")  # fmt: skip
    reranker = formats.load(tmp_path / "rerank", with_head=True).params
    assert set(reranker) == {"token_embedder", "encoder", "rerank_projection"}
    assert jax.tree.all(jax.tree.map(lambda one, other: np.allclose(one, other, atol=1e-6), reranker["encoder"], found["encoder"]))  # fmt: skip
    with pytest.raises(ConfigError, match="is an embedding model, an encoder with a head: expected a whole model"):
        train(configured(model={"init": str(tmp_path / "embed")}), tmp_path / "other")


@pytest.mark.parametrize("name", ["embed", "rerank"])
def test_the_presets_are_configurations(name):
    config = load(FinetuneConfig, Path(__file__).parents[3] / f"configs/{name}.toml")
    assert config.head.kind == name and trainable_head(name).of(config.head).kind == name


def test_a_loss_that_is_not_a_number_stops_the_run(with_head, tmp_path):
    with pytest.raises(Diverged):
        train(with_head(optimizer={"schedule": {"base": 1e38}}), tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"head": {"kind": "embed", "pairs": []}}, ConfigError, "head.pairs is empty"),
        ({"head": {"kind": "embed", "pairs": [{"path": "nowhere"}]}}, SourceError, "there is nothing at nowhere"),
        ({"head": {"kind": "embed", "overlap": 3}}, ConfigError, "head.overlap does nothing with head.kind embed"),
        ({"head": {"kind": "", "temperature": 0.02}}, ConfigError, "head.temperature does nothing without head.kind"),
        ({"head": {"kind": "rerank"}}, ConfigError, "head.negatives is 0"),
        ({"head": {"kind": "embed", "dimensions": [32, 16]}}, ConfigError, "rising multiples of 8"),
        ({"head": {"kind": "embed", "cache_rows": 3}}, ConfigError, "a divisor of data.rows"),
        ({"head": {"kind": "embed", "miner": "ngrams"}}, ConfigError, "nothing would be mined"),
        ({"microbatches": 2}, ConfigError, "head.cache_rows saves memory"),
        ({"data": {"inputs": 64}}, ConfigError, "data.inputs does nothing with head.kind embed"),
        ({"lora": {"rank": 2}}, ConfigError, "lora does nothing with head.kind embed"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_trained_is_told_in_one_line(with_head, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        train(with_head(**changes), tmp_path / "run")
