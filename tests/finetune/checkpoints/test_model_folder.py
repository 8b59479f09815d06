"""A model on disk: what was saved comes back to the bit, a run's checkpoints are chosen by rule, damage is one line."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from jax.sharding import SingleDeviceSharding

from core.errors import OutputError, SourceError
from finetune.checkpoints import formats, model_folder
from finetune.checkpoints.formats import import_model, summarise
from finetune.checkpoints.tokenizer_copy import identify
from finetune.model import parameters


def drawn(architecture):
    """Weights at random, without compiling a model for it."""
    chance = np.random.default_rng(0)
    shapes = parameters.shapes(architecture)
    return parameters.nested({name: chance.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})


@pytest.fixture(scope="module")
def model(tiny):
    architecture = dataclasses.replace(tiny.shape, vocabulary=384)
    return architecture, drawn(architecture)


@pytest.fixture
def saved(model, small_tokenizer, tmp_path):
    model_folder.save(tmp_path / "model", *model, tokenizer=small_tokenizer, provenance={"from": "a test"})
    return tmp_path / "model"


def same(one, other):
    one, other = parameters.flat(one), parameters.flat(other)
    return list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)


def run_folder(model, folder, steps):
    architecture, params = model
    model_folder.write_about(folder, architecture, None)
    for step in steps:
        shifted = jax.tree.map(lambda leaf, step=step: leaf + step, params)
        model_folder._write_params(folder / "checkpoints" / str(step) / "params", shifted)
    return folder


def test_what_was_saved_comes_back(saved, model, small_tokenizer):
    found = formats.load(saved)
    assert found.architecture == model[0] and same(found.params, model[1])
    assert all(type(leaf) is np.ndarray and leaf.dtype == np.float32 for leaf in jax.tree.leaves(found.params))
    assert identify(found.tokenizer) == identify(small_tokenizer) == model_folder.read_about(saved).tokenizer
    assert found.provenance == {"from": "a test"} and found.step is None


def test_weights_go_where_shardings_say(saved, model):
    place = SingleDeviceSharding(jax.devices()[0])
    found = formats.load(saved, shardings=jax.tree.map(lambda leaf: place, model[1]))
    assert all(leaf.sharding == place for leaf in jax.tree.leaves(found.params)) and same(found.params, model[1])


def test_a_folder_in_use_is_left_alone(saved, model, tmp_path):
    with pytest.raises(OutputError, match=r"holds a model already.*--fresh"):
        model_folder.save(saved, *model)
    model_folder.save(saved, *model, fresh=True)
    assert formats.load(saved).tokenizer is None
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="no model that may be replaced"):
        model_folder.save(tmp_path / "other", *model, fresh=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "other"]


def test_of_a_run_the_best_or_the_newest_whole_checkpoint_is_taken(model, tmp_path):
    run = run_folder(model, tmp_path / "run", (2, 10, 9))
    (run / "checkpoints" / "11" / "params").mkdir(parents=True)  # a killed save
    assert model_folder.steps(run) == [2, 9, 10]
    assert formats.load(run).step == 10
    (run / "checkpoints" / "best.json").write_text('{"step": 9}')
    best = formats.load(run)
    assert best.step == 9 and same(best.params, jax.tree.map(lambda leaf: leaf + 9, model[1]))
    assert [formats.load(run, step=step).step for step in ("last", "best", 2)] == [10, 9, 2]
    with pytest.raises(SourceError, match="no finished checkpoint of step 11: there are 2, 9, 10"):
        formats.load(run, step=11)
    with pytest.raises(SourceError, match=f"part of the run {run}.*--step"):
        formats.load(run / "checkpoints" / "2")


def truncated(folder):
    data = max(
        (path for path in (folder / "params").glob("ocdbt.process_0/d/*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])


def without_manifest(folder):
    (folder / "params" / "manifest.ocdbt").unlink()


def another_tokenizer(folder):
    about = json.loads((folder / "glotmill_model.json").read_text())
    about["tokenizer"]["sha256"] = "0" * 64
    (folder / "glotmill_model.json").write_text(json.dumps(about))


def no_tokenizer(folder):
    shutil.rmtree(folder / "tokenizer")


def wider(folder):
    about = json.loads((folder / "glotmill_model.json").read_text())
    about["architecture"]["width"] = 32
    (folder / "glotmill_model.json").write_text(json.dumps(about))


def deeper(folder):
    about = json.loads((folder / "glotmill_model.json").read_text())
    about["architecture"]["encoder_layers"] = 3
    (folder / "glotmill_model.json").write_text(json.dumps(about))


def no_json(folder):
    (folder / "glotmill_model.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (truncated, "damaged or half-written"),
        (without_manifest, "not there or not whole"),
        (another_tokenizer, "is not the tokenizer that the model.*was made with"),
        (no_tokenizer, "lacks its tokenizer"),
        (wider, "is 16 x 16, and its architecture wants 32 x 16|is 16, and its architecture wants 32"),
        (deeper, "lacks encoder/layers_2/attention"),
        (no_json, "glotmill_model.json cannot be read"),
    ],
)
def test_damage_is_told_in_one_line(saved, damage, told):
    damage(saved)
    with pytest.raises(SourceError, match=told) as caught:
        formats.load(saved)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_with_more_pieces_than_the_model_is_refused(tiny, small_tokenizer, tmp_path):
    params = drawn(tiny.shape)
    with pytest.raises(SourceError, match=r"the tokenizer has 2\d\d|3\d\d pieces, the model 128"):
        model_folder.save(tmp_path / "model", tiny.shape, params, tokenizer=small_tokenizer)
    assert not list(tmp_path.iterdir())


def test_what_is_no_checkpoint_is_told(tmp_path):
    with pytest.raises(SourceError, match="there is no checkpoint at"):
        formats.load(tmp_path / "none")
    with pytest.raises(SourceError, match="holds no model: expected a folder that"):
        formats.load(tmp_path)


@pytest.mark.parametrize(
    ("file", "told"),
    [("config.json", "of Hugging Face, and has no steps"), ("checkpoint", "is of T5X: name the folder")],
)
def test_a_step_of_what_has_none_is_refused(tmp_path, file, told):
    (tmp_path / file).write_text("{}", "utf-8")
    for read in (summarise, lambda path, step: import_model(path, tmp_path / "out", step=step)):
        with pytest.raises(SourceError, match=told):
            read(tmp_path, step=3)
