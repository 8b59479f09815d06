"""A run, from its configuration to its folder: learning, stopping, going on, and what it says when it cannot."""

import dataclasses
import json
import shutil
import signal
import tomllib
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from core.config import build
from core.errors import ConfigError, OutputError, SourceError, UnknownNameError, UserError
from core.progress import Progress
from finetune.checkpoints import formats, model_folder
from finetune.config import FinetuneConfig
from finetune.model import parameters
from finetune.train import train
from finetune.training.metrics_writer import Diverged, read_metrics
from tokenizer import model_file

EXACT = ("step", "loss", "z_loss", "accuracy", "tokens", "sequences", "gradient_norm", "learning_rate")
FINISHED = {"steps": 30, "checkpoints": {"every_steps": 10}, "microbatches": 2}


def curve(out):
    return [tuple(line[name] for name in EXACT) for line in read_metrics(out)]


@pytest.fixture(scope="module")
def finished(configured, tmp_path_factory):
    """A run of 30 steps that nothing disturbed, what became of it, and its configuration."""
    config, out = configured(**FINISHED), tmp_path_factory.mktemp("finished") / "run"
    return SimpleNamespace(out=out, trained=train(config, out), config=config)


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(finished.out, tmp_path / "run"))


def contents(folder):
    """All files of a run by name; its lock is no part of it."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def best(out):
    return json.loads((out / "checkpoints/best.json").read_text("utf-8"))


def test_a_run_learns_and_leaves_all_that_its_folder_should_hold(finished):
    out, trained = finished.out, finished.trained
    assert trained.complete and trained.step == 30
    losses = [float(line["loss"]) for line in read_metrics(out)]
    assert len(losses) == 30 and losses[-1] < losses[0] - 0.5
    assert [score.language for score in trained.metrics.languages] == ["kir_Cyrl", "swh_Latn"]
    assert set(trained.metrics.by_resources()) == {"low"}
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["complete"] and manifest["step"] == 30 and manifest["measured"]["loss"] == trained.metrics.loss
    config = build(FinetuneConfig, tomllib.loads((out / "run.toml").read_text("utf-8")))
    assert config.steps == 30 and config.data.sources[0].path.endswith("tokens")
    assert (out / "loss.svg").read_text("utf-8").startswith("<?xml")
    lines = (out / "validation.csv").read_text("utf-8").splitlines()
    assert len(lines) == 1 + 2 * 8  # two languages at 4, 8, ..., 28 and 30
    assert {path.name for path in (out / "checkpoints").iterdir()} >= {"30", "best.json"}
    loaded = formats.load(out, step="last")
    assert loaded.architecture.width == 16 and loaded.tokenizer == out / "tokenizer"


def assert_same_run(one, other):
    assert curve(one) == curve(other)
    assert (one / "validation.csv").read_bytes() == (other / "validation.csv").read_bytes()
    params = [formats.load(out, step="last").params for out in (one, other)]
    assert jax.tree.all(jax.tree.map(np.array_equal, *params))


def test_a_stopped_run_goes_on_to_the_bit(finished, tmp_path, signal_at):
    stopped = train(finished.config, tmp_path / "parts", progress=signal_at(3))
    assert not stopped.complete and 3 <= stopped.step < 6
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert train(finished.config, tmp_path / "parts").complete
    assert_same_run(tmp_path / "parts", finished.out)


@pytest.fixture
def source(tiny, small_tokenizer, tmp_path):
    """A model of two layers, to begin with."""
    shape, chance = dataclasses.replace(tiny.shape, vocabulary=384), np.random.default_rng(0)
    leaves = {name: chance.normal(0, 0.1, size) for name, size in parameters.shapes(shape).items()}
    model_folder.save(tmp_path / "source", shape, parameters.nested(leaves), tokenizer=small_tokenizer)
    return tmp_path / "source"


def test_additions_to_another_model_s_stacked_layers_go_on_to_the_bit(configured, source, tmp_path):
    how = {"execution": {"scan": True, "dropout": 0.1}, "lora": {"rank": 2}, "microbatches": 2}
    config = configured(**how, model={"init": str(source), "tokenizer": ""})
    train(config, tmp_path / "whole")
    parts = shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    for name in ("4", "6"):  # as if it had been killed before them
        shutil.rmtree(parts / "checkpoints" / name)
    (parts / "checkpoints/best.json").unlink()
    assert train(config, parts).complete
    assert_same_run(parts, tmp_path / "whole")
    base, after = (formats.load(folder).params for folder in (source, parts))
    np.testing.assert_array_equal(base["token_embedder"]["embedding"], after["token_embedder"]["embedding"])
    kernels = [tree["encoder"]["layers_1"]["mlp"]["wo"]["kernel"] for tree in (base, after)]
    assert not np.array_equal(*kernels) and np.abs(kernels[0] - kernels[1]).max() < 0.2


def test_a_finished_run_is_told_and_a_longer_one_goes_on_whatever_else_lies_there(configured, finished, run):
    before = curve(run)
    assert train(finished.config, run).complete
    assert curve(run) == before
    (run / "notes.txt").write_text("mine", "utf-8")
    longer = configured(**{**FINISHED, "steps": 32, "mesh": {"data": 1}})
    assert train(longer, run).step == 32
    assert curve(run)[:30] == before and len(curve(run)) == 32
    assert (run / "notes.txt").read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"loss": {"z": 0.0}}, OutputError, r"holds another run: loss\.z was 0\.0001, is 0\.0"),
        ({"steps": 5}, ConfigError, "is already at step 30"),
        ({"data": {"cache": "cache"}}, ConfigError, r"unknown configuration key data\.cache"),
        ({"mesh": {"data": 3}}, ConfigError, "does not fit 1 cpu device"),
    ],
    ids=str,
)
def test_a_refused_run_changes_nothing_in_its_folder(configured, run, changes, error, message):
    before = contents(run)
    with pytest.raises(error, match=message):
        train(configured(**{**FINISHED, **changes}), run)
    assert contents(run) == before


def test_a_checkpoint_that_lacks_a_part_is_refused_and_stays(finished, run):
    shutil.rmtree(run / "checkpoints/30/optimizer")
    before = contents(run)
    with pytest.raises(SourceError, match=r"checkpoints/30 cannot be restored"):
        train(finished.config, run)
    assert contents(run) == before


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": {"sources": [{"path": "nowhere"}]}}, UserError, "nowhere"),
        ({"data": {"languages": ["deu_Latn"]}}, ConfigError, "no training rows in 'deu_Latn'"),
        ({"model": {"init": "nowhere", "tokenizer": ""}}, SourceError, "no checkpoint at nowhere"),
        ({"model": {"init": "{run}", "tokenizer": ""}}, OutputError, "--fresh would throw away .*run"),
        ({"microbatches": 1, "mesh": {"data": 3}}, ConfigError, "does not fit 1 cpu device"),
        ({"lora": {"rank": 2, "targets": ["wi"]}}, ConfigError, "no kernel wi; it has .*wi_0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_fresh_throws_nothing_away_until_all_is_found(configured, run, changes, error, message):
    before = contents(run)
    if changes.get("model", {}).get("init") == "{run}":
        changes = {"model": {"init": str(run), "tokenizer": ""}}
    with pytest.raises(error, match=message):
        train(configured(**{**FINISHED, **changes}), run, fresh=True)
    assert contents(run) == before


def test_fresh_starts_over(configured, run):
    assert train(configured(**{**FINISHED, "steps": 2, "seed": 1}), run, fresh=True).step == 2
    assert len(curve(run)) == 2 and {"2"} == {path.name for path in (run / "checkpoints").iterdir() if path.is_dir()}


def test_the_best_is_named_though_a_kill_came_before_it_was(finished, run):
    named = best(run)
    assert named["step"] == 30
    (run / "checkpoints/best.json").unlink()
    train(finished.config, run)
    assert best(run) == named


@pytest.mark.parametrize("examples", [4, 3])
def test_the_best_is_sought_anew_where_it_was_measured_on_other_examples(configured, run, examples, capsys):
    saved = run / "checkpoints/30/progress/metadata"
    values = json.loads(saved.read_text("utf-8"))
    assert values["best_step"] == 30
    saved.write_text(json.dumps({**values, "best": -1.0}), "utf-8")  # what no loss is better than
    changes = {"steps": 31, "data": {"validation": {"examples": examples}}}
    train(configured(**{**FINISHED, **changes}), run, progress=Progress.on_stderr())
    assert best(run)["step"] == (30 if examples == 4 else 31)
    told = "data.validation.examples was 4, is 3: earlier losses cannot be compared"
    assert (told in " ".join(capsys.readouterr().err.split())) == (examples == 3)


def test_a_loss_that_is_no_number_ends_the_run_and_is_not_saved(configured, tmp_path):
    config = configured(
        optimizer={"name": "adamw", "schedule": {"base": 1e30}}, checkpoints={"every_steps": 1}, steps=6
    )
    with pytest.raises(Diverged, match=r"step \d is not finite.*lower optimizer\.schedule\.base") as told:
        train(config, tmp_path / "run")
    saved = model_folder.steps(tmp_path / "run")
    lines = read_metrics(tmp_path / "run")
    assert len(saved) <= len(lines) and all(np.isfinite(float(line["loss"])) for line in lines)
    assert "run --step last --out MODEL`, then model.init=MODEL)" in str(told.value)


def truncate(checkpoint):
    for path in (checkpoint / "params").rglob("*"):
        if path.is_file() and path.parent.name == "d":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_damaged_weights_to_begin_with_leave_a_folder_as_it_was(configured, finished, run, tmp_path):
    source = shutil.copytree(finished.out, tmp_path / "source")
    truncate(source / "checkpoints/30")
    config, before = configured(model={"init": str(source), "tokenizer": ""}), contents(run)
    for out, fresh in ((run, True), (tmp_path / "new", False), (tmp_path / "new", False)):
        with pytest.raises(SourceError, match="damaged or half-written"):
            train(config, out, fresh=fresh)
    assert contents(run) == before and not contents(tmp_path / "new")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the threads that read it
def test_a_truncated_checkpoint_is_told_and_the_one_before_serves(finished, run):
    truncate(run / "checkpoints/30")
    with pytest.raises(SourceError, match=r"checkpoints/30 cannot be restored.*Remove that folder"):
        train(finished.config, run)
    shutil.rmtree(run / "checkpoints/30")
    train(finished.config, run)
    assert curve(run) == curve(finished.out)


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
        ({"microbatches": 3}, ConfigError, "microbatches is 3"),
        ({"model": {"shape": {"witdh": 3}}}, UnknownNameError, "width"),
        (
            {"evaluate": {"generate": 2}, "data": {"spans": {"share": 1.0}}},
            ConfigError,
            "span corruption, which has no",
        ),
        (
            {"evaluate": {"generate": 2}, "data": {"validation": {"examples": 0}}},
            ConfigError,
            "data.validation.examples is 0",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_trained_is_told_in_one_line(configured, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        train(configured(**changes), tmp_path / "run")


def test_a_tokenizer_that_does_not_fit_the_checkpoint_is_told(configured, run, tmp_path):
    about = json.loads((run / "glotmill_model.json").read_text("utf-8"))
    architecture = {**about["architecture"], "vocabulary": 128}
    (run / "glotmill_model.json").write_text(json.dumps({**about, "architecture": architecture}), "utf-8")
    with pytest.raises(SourceError, match=r"does not fit the model.*128"):
        train(configured(model={"init": str(run)}), tmp_path / "other")


def test_another_tokenizer_of_the_same_size_is_told(configured, finished, tmp_path, small_tokenizer):
    shutil.copytree(small_tokenizer, tmp_path / "other")
    model = model_file.read(small_tokenizer / "tokenizer.model")
    model.pieces[-1].score -= 1
    (tmp_path / "other/tokenizer.model").write_bytes(model.SerializeToString())
    config = configured(model={"init": str(finished.out), "tokenizer": str(tmp_path / "other")})
    with pytest.raises(ConfigError, match=r"is not the tokenizer that .* was trained with"):
        train(config, tmp_path / "second")


def test_a_misspelt_key_names_the_nearest(configured):
    with pytest.raises(ConfigError, match=r"optimizer\.schedule\.warmup_steps"):
        build(FinetuneConfig, {"optimizer": {"schedule": {"warmup_step": 3}}})


def test_a_folder_of_others_is_left_alone(configured, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(OutputError, match=r"thesis\.txt"):
            train(configured(), tmp_path, fresh=fresh)
