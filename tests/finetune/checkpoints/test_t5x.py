"""Checkpoints of T5X, in and out."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import serialization

from core.errors import OutputError, SourceError
from finetune.checkpoints import hugging_face, hugging_face_export, t5x, t5x_export
from finetune.checkpoints.base import LoadedModel
from finetune.checkpoints.formats import export_model, import_model
from finetune.model import parameters


def drawn(architecture):
    """Weights at random, without compiling a model for it."""
    chance = np.random.default_rng(0)
    shapes = parameters.shapes(architecture)
    return parameters.nested({name: chance.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})


@pytest.fixture
def source(shared):
    return shared("data/t5x_tiny/test_t5_tiny.checkpoint_0")


@pytest.fixture(scope="module")
def weights(tiny):
    return drawn(tiny.shape)


def equal(one, other):
    one, other = parameters.flat(one), parameters.flat(other)
    return list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)


def test_the_real_checkpoint_comes_out_byte_for_byte(source, tmp_path):
    import_model(source, tmp_path / "model")
    export_model(tmp_path / "model", tmp_path / "checkpoint_0", "t5x")
    assert (tmp_path / "checkpoint_0" / "checkpoint").read_bytes() == source.read_bytes()


def test_the_real_checkpoint_agrees_with_our_way_through_hugging_face(source, tmp_path, tiny):
    checkpoint = t5x.load(source)
    shape = checkpoint.architecture
    assert (shape.heads, shape.head_width, shape.width, shape.gated, shape.tied) == (4, 3, 8, True, False)
    hugging_face_export.export(LoadedModel(shape, checkpoint.params), tmp_path / "hf")
    through = hugging_face.load(tmp_path / "hf")
    assert through.architecture == shape and equal(through.params, checkpoint.params)
    ids = np.arange(3, 15, dtype=np.int32).reshape(2, 6)
    logits = tiny.logits(tiny.model(shape), through.params, ids, ids)
    assert np.isfinite(logits).all() and logits.std() > 0


def test_large_leaves_lie_in_tensorstore_and_come_back_with_and_without_their_metadata(tiny, weights, tmp_path):
    folder = tmp_path / "checkpoint_7"
    names = t5x_export.export(tiny.shape, weights, folder, step=7)
    assert "target.token_embedder.embedding" in names and "target.encoder.encoder_norm.scale" not in names
    for metadata in ("there", "gone"):
        found = t5x.load(tmp_path)  # the folder of checkpoints
        assert found.step == 7 and equal(found.params, weights), metadata
        for path in folder.rglob(".zarray"):
            path.unlink()
    t5x_export.export(tiny.shape, weights, tmp_path / "again", state=t5x.load(folder).state)
    assert (tmp_path / "again" / "checkpoint").read_bytes() == (folder / "checkpoint").read_bytes()


def test_specs_of_other_file_systems_are_read_beside_the_file(tiny, weights, tmp_path):
    t5x_export.export(tiny.shape, weights, tmp_path / "out")
    file = tmp_path / "out" / "checkpoint"
    tree = serialization.msgpack_restore(file.read_bytes())
    spec = tree["optimizer"]["target"]["token_embedder"]["embedding"]
    name = spec["kvstore"]["path"]
    spec["kvstore"] = {"driver": "gcs", "bucket": "t5x-dummy-bucket"}
    spec["path"] = name
    file.write_bytes(serialization.msgpack_serialize(tree))
    assert equal(t5x.load(file).params, weights)


def test_stacked_layers_come_apart(tiny, weights, tmp_path):
    """scalable_t5: all layers of a side in one leaf, along axis 1."""

    def stacked(side):
        layers = [weights[side][f"layers_{number}"] for number in range(2)]
        rest = {name: leaf for name, leaf in weights[side].items() if not name.startswith("layers_")}
        return rest | {"layers": jax.tree.map(lambda *leaves: np.stack(leaves, 1), *layers)}

    target = weights | {side: stacked(side) for side in ("encoder", "decoder")}
    tree = {"version": 3, "optimizer": {"target": target, "state": {"step": np.int32(5), "param_states": {}}}}
    (tmp_path / "checkpoint_5").write_bytes(serialization.msgpack_serialize(tree))
    imported = import_model(tmp_path / "checkpoint_5", tmp_path / "model")
    assert imported.model.architecture == tiny.shape and equal(imported.model.params, weights)
    assert any("state is left out" in note for note in imported.notes)
    assert not (tmp_path / "model" / "t5x_state.msgpack").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"tied": True, "gated": False, "activation": "relu"},
        {"bias_per_layer": True},
        {"decoder_layers": 1, "buckets": 16},
    ],
)
def test_the_architecture_follows_from_shapes(tiny, tmp_path, change):
    shape = replace(tiny.shape, **change)
    params = drawn(shape)
    t5x_export.export(shape, params, tmp_path / "out")
    found = t5x.load(tmp_path / "out")
    assert found.architecture == shape and equal(found.params, params)


def test_damage_is_told_in_one_line(tiny, weights, tmp_path, source):
    folder = tmp_path / "out"
    t5x_export.export(tiny.shape, weights, folder)
    with pytest.raises(OutputError, match="exists already"):
        t5x_export.export(tiny.shape, weights, folder)
    (folder / "target.token_embedder.embedding" / "0.0").rename(folder / "elsewhere")
    with pytest.raises(SourceError, match=r"lacks its chunk 0\.0"):
        t5x.load(folder)
    (folder / "target.token_embedder.embedding").rename(folder / "gone")
    with pytest.raises(SourceError, match=r"lacks target\.token_embedder\.embedding"):
        t5x.load(folder)
    (tmp_path / "cut").write_bytes(source.read_bytes()[:1_000_000])
    with pytest.raises(SourceError, match="is damaged, or no checkpoint"):
        t5x.load(tmp_path / "cut")
    (tmp_path / "old").write_bytes(serialization.msgpack_serialize({"version": 2, "optimizer": {"target": {}}}))
    with pytest.raises(SourceError, match="is of version 2: expected 3"):
        t5x.load(tmp_path / "old")
    with pytest.raises(SourceError, match="holds no checkpoint of T5X"):
        t5x.load(tmp_path / "none")
