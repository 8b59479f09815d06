"""A run, from its configuration to its folder: learning, stopping, going on, and what it says when it cannot."""

import json
import os
import signal
import tomllib

import jax
import numpy as np
import pytest

from finetune import model_folder
from finetune.config import FinetuneConfig
from finetune.journal import Diverged, read_metrics
from finetune.train import train
from glotmill.config import build
from glotmill.errors import ConfigError, OutputError, SourceError, UnknownNameError, UserError
from glotmill.progress import Progress

EXACT = ("step", "loss", "z_loss", "accuracy", "tokens", "sequences", "gradient_norm", "learning_rate")


class SignalAt(Progress):
    """Sends this process a signal when it tells of a step."""

    def __init__(self, step):
        super().__init__(None)
        self._step = step

    def status(self, share, text):
        if text.startswith(f"step {self._step} "):
            os.kill(os.getpid(), signal.SIGTERM)


def curve(out):
    return [tuple(line[name] for name in EXACT) for line in read_metrics(out)]


def test_a_run_learns_and_leaves_all_that_its_folder_should_hold(configured, tmp_path):
    out = tmp_path / "run"
    trained = train(configured(steps=30, checkpoints={"every_steps": 10}), out)
    assert trained.complete and trained.step == 30
    losses = [float(line["loss"]) for line in read_metrics(out)]
    assert len(losses) == 30 and losses[-1] < losses[0] - 0.5
    assert [score.language for score in trained.measured.scores] == ["kir_Cyrl", "swh_Latn"]
    assert set(trained.measured.by_resources()) == {"low"}
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["complete"] and manifest["step"] == 30 and manifest["measured"]["loss"] == trained.measured.loss
    config = build(FinetuneConfig, tomllib.loads((out / "run.toml").read_text("utf-8")))
    assert config.steps == 30 and config.data.sources[0].path.endswith("tokens")
    assert (out / "loss.svg").read_text("utf-8").startswith("<?xml")
    lines = (out / "validation.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + 2 * 8  # two languages at 4, 8, ..., 28 and 30
    assert {path.name for path in (out / "checkpoints").iterdir()} >= {"30", "best.json"}
    loaded = model_folder.load(out, step="last")
    assert loaded.architecture.width == 16 and loaded.tokenizer == out / "tokenizer"


@pytest.mark.parametrize("how", [{}, {"execution": {"scan": True, "dropout": 0.1}}, {"lora": {"rank": 2}}], ids=str)
def test_a_stopped_run_goes_on_to_the_bit(configured, tmp_path, how):
    config = configured(**how, microbatches=2)
    train(config, tmp_path / "whole")
    stopped = train(config, tmp_path / "parts", progress=SignalAt(3))
    assert not stopped.complete and 3 <= stopped.step < 6
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    again = train(config, tmp_path / "parts")
    assert again.complete
    assert curve(tmp_path / "parts") == curve(tmp_path / "whole")
    same = [(tmp_path / name / "validation.csv").read_bytes() for name in ("parts", "whole")]
    assert same[0] == same[1]
    params = [model_folder.load(tmp_path / name, step="last").params for name in ("parts", "whole")]
    assert jax.tree.all(jax.tree.map(np.array_equal, *params))


def test_a_finished_run_is_told_and_a_longer_one_goes_on(configured, tmp_path):
    train(configured(steps=4), tmp_path / "run")
    before = curve(tmp_path / "run")
    assert train(configured(steps=4), tmp_path / "run").complete
    assert curve(tmp_path / "run") == before
    train(configured(steps=6), tmp_path / "run")
    assert curve(tmp_path / "run")[:4] == before and len(curve(tmp_path / "run")) == 6
    with pytest.raises(ConfigError, match="is at step 6 already"):
        train(configured(steps=5), tmp_path / "run")


def test_a_run_can_be_taken_up_with_layers_apart_or_stacked_but_not_as_another_run(configured, tmp_path):
    train(configured(steps=2), tmp_path / "run")
    with pytest.raises(OutputError, match=r"loss\.z was 0\.0001, is 0\.0"):
        train(configured(loss={"z": 0.0}), tmp_path / "run")
    assert train(configured(steps=4, mesh={"data": 1}), tmp_path / "run").complete
    assert train(configured(steps=2, loss={"z": 0.0}), tmp_path / "run", fresh=True).step == 2


def test_a_run_begins_with_another_one_s_weights(configured, tmp_path):
    train(configured(), tmp_path / "first")
    config = configured(steps=1, model={"init": str(tmp_path / "first"), "tokenizer": ""}, lora={"rank": 2})
    train(config, tmp_path / "second")
    base = model_folder.load(tmp_path / "first").params
    after = model_folder.load(tmp_path / "second").params
    np.testing.assert_array_equal(base["token_embedder"]["embedding"], after["token_embedder"]["embedding"])
    kernels = [tree["encoder"]["layers_0"]["mlp"]["wo"]["kernel"] for tree in (base, after)]
    assert not np.array_equal(*kernels) and np.abs(kernels[0] - kernels[1]).max() < 0.1


def test_a_loss_that_is_no_number_ends_the_run_and_is_not_saved(configured, tmp_path):
    config = configured(
        optimizer={"name": "adamw", "schedule": {"base": 1e30}}, checkpoints={"every_steps": 1}, steps=6
    )
    with pytest.raises(Diverged, match=r"step \d is not a number.*lower optimizer\.schedule\.base"):
        train(config, tmp_path / "run")
    saved = [int(path.name) for path in (tmp_path / "run/checkpoints").iterdir() if path.name.isdecimal()]
    lines = read_metrics(tmp_path / "run")
    assert len(saved) <= len(lines) and all(np.isfinite(float(line["loss"])) for line in lines)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the threads that read it
def test_a_truncated_checkpoint_is_told_and_the_one_before_serves(configured, tmp_path):
    out = tmp_path / "run"
    train(configured(steps=4), out)
    whole = curve(out)
    for path in (out / "checkpoints/4/params").rglob("*"):
        if path.is_file() and path.parent.name == "d":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match=r"checkpoints/4 cannot be restored.*Remove that folder"):
        train(configured(steps=6), out)
    import shutil

    shutil.rmtree(out / "checkpoints/4")
    train(configured(steps=4), out)
    assert curve(out) == whole


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": {"tokenizer": ""}}, ConfigError, "model.tokenizer is empty"),
        ({"model": {"tokenizer": "nowhere"}}, UserError, "nowhere"),
        ({"model": {"init": "nowhere"}}, SourceError, "no checkpoint at nowhere"),
        ({"data": {"sources": []}}, ConfigError, "data.sources is empty"),
        ({"data": {"languages": ["swh_Latm"]}}, ConfigError, "nearest that there is: swh_Latn"),
        ({"data": {"languages": ["deu_Latn"]}}, UserError, "deu_Latn"),
        ({"mesh": {"data": 3}}, ConfigError, "does not fit 1 cpu device"),
        ({"microbatches": 3}, ConfigError, "3 microbatches"),
        ({"model": {"shape": {"witdh": 3}}}, UnknownNameError, "width"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_trained_is_told_in_one_line(configured, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        train(configured(**changes), tmp_path / "run")


def test_a_tokenizer_that_does_not_fit_the_checkpoint_is_told(configured, tmp_path, small_tokenizer):
    train(configured(steps=1), tmp_path / "run")
    about = json.loads((tmp_path / "run/glotmill_model.json").read_text("utf-8"))
    architecture = {**about["architecture"], "vocabulary": 128}
    (tmp_path / "run/glotmill_model.json").write_text(json.dumps({**about, "architecture": architecture}), "utf-8")
    config = configured(model={"init": str(tmp_path / "run")})
    with pytest.raises(SourceError, match=r"does not fit the model.*128"):
        train(config, tmp_path / "other")


def test_another_tokenizer_of_the_same_size_is_told(configured, tmp_path, small_tokenizer):
    import shutil

    from tokenizer import model_file

    train(configured(steps=1), tmp_path / "run")
    shutil.copytree(small_tokenizer, tmp_path / "other")
    model = model_file.read(small_tokenizer / "tokenizer.model")
    model.pieces[-1].score -= 1
    (tmp_path / "other/tokenizer.model").write_bytes(model.SerializeToString())
    config = configured(model={"init": str(tmp_path / "run"), "tokenizer": str(tmp_path / "other")})
    with pytest.raises(ConfigError, match=r"is not the one that .* was trained with"):
        train(config, tmp_path / "second")


def test_a_misspelt_key_names_the_nearest(configured):
    with pytest.raises(ConfigError, match=r"optimizer\.schedule\.warmup_steps"):
        build(FinetuneConfig, {"optimizer": {"schedule": {"warmup_step": 3}}})


def test_a_folder_of_others_is_left_alone(configured, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(OutputError, match=r"thesis\.txt"):
            train(configured(), tmp_path, fresh=fresh)
