"""T5, mT5 and umT5 of Hugging Face, in and out."""

import dataclasses
import json
import shutil

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.errors import OutputError, SourceError
from finetune.checkpoints import hugging_face, hugging_face_export
from finetune.checkpoints.base import LoadedModel
from finetune.model import parameters


@pytest.fixture
def golden(shared, tmp_path):
    """A copy of a golden folder, with its tensors and its config changed."""

    def copy(name, tensors=None, **config):
        folder = tmp_path / "hf"
        shutil.copytree(shared(f"data/golden/{name}"), folder)
        for path in (folder, *folder.iterdir()):
            path.chmod(0o755)
        values = json.loads((folder / "config.json").read_text()) | config
        (folder / "config.json").write_text(json.dumps(values))
        if tensors:
            save_file(tensors(load_file(folder / "model.safetensors")), folder / "model.safetensors")
        return folder

    return copy


def leaves(model):
    return parameters.flat(model.params)


def equal(one, other):
    return list(one) == list(other) and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["mt5", "umt5", "t5-tied"])
def test_export_gives_back_what_came_in(shared, tmp_path, name):
    source = shared(f"data/golden/{name}")
    model = hugging_face.load(source)
    hugging_face_export.export(model, tmp_path / "out", shard_bytes=300_000)
    again = hugging_face.load(tmp_path / "out")
    assert again.architecture == model.architecture and equal(leaves(again), leaves(model))
    written = {}
    for path in (tmp_path / "out").glob("model-*.safetensors"):
        assert path.stat().st_size < 400_000
        written |= load_file(path)
    assert equal(dict(sorted(written.items())), dict(sorted(load_file(source / "model.safetensors").items())))
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    told = json.loads((source / "config.json").read_text())
    assert all(config[key] == told[key] for key in config.keys() & told.keys() - {"dropout_rate"})


def test_a_head_of_its_own_stays_one(shared, tmp_path):
    """transformers 5 ties what is not two tensors of an mt5 that says it is not tied."""
    hugging_face_export.export(hugging_face.load(shared("data/golden/mt5")), tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["model_type"], config["tie_word_embeddings"]) == ("mt5", False)
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert not np.array_equal(tensors["shared.weight"], tensors["lm_head.weight"])


@pytest.mark.parametrize("config", [{"tie_word_embeddings": False}, {"scale_decoder_outputs": False}])
def test_an_untied_t5_says_so_in_either_way(golden, shared, config):
    model = hugging_face.load(golden("mt5", model_type="t5", **config))
    assert not model.architecture.tied and equal(leaves(model), leaves(hugging_face.load(shared("data/golden/mt5"))))


def test_an_untied_t5_whose_outputs_are_scaled_has_the_scale_in_its_head(golden, shared):
    plain = leaves(hugging_face.load(shared("data/golden/mt5")))
    scaled = leaves(hugging_face.load(golden("mt5", model_type="t5", scale_decoder_outputs=True)))
    head = "decoder/logits_dense/kernel"
    assert np.array_equal(scaled[head], plain[head] * np.float32(64**-0.5))
    assert all(np.array_equal(scaled[name], plain[name]) for name in plain if name != head)


def test_a_tied_head_without_a_scale_becomes_a_copy(golden):
    model = hugging_face.load(golden("t5-tied", scale_decoder_outputs=False))
    found = leaves(model)
    assert not model.architecture.tied
    assert np.array_equal(found["decoder/logits_dense/kernel"], found["token_embedder/embedding"].T)


def test_duplicates_of_the_embedding_are_taken_for_what_they_are(golden, shared):
    def doubled(tensors):
        table = tensors["shared.weight"]
        return (
            tensors
            | {f"{side}.embed_tokens.weight": table for side in ("encoder", "decoder")}
            | {"lm_head.weight": table}
        )

    model = hugging_face.load(golden("t5-tied", doubled))
    assert model.architecture.tied and equal(leaves(model), leaves(hugging_face.load(shared("data/golden/t5-tied"))))


def test_half_precision_becomes_float32(golden):
    def halved(tensors):
        kinds = (ml_dtypes.bfloat16, np.float16)
        return {name: leaf.astype(kinds[number % 2]) for number, (name, leaf) in enumerate(tensors.items())}

    found = leaves(hugging_face.load(golden("mt5", halved)))
    assert {leaf.dtype for leaf in found.values()} == {np.dtype(np.float32)}


def lacking(tensors):
    return {name: leaf for name, leaf in tensors.items() if "block.1" not in name}


def extra(tensors):
    return tensors | {"decoder.block.7.layer.0.SelfAttention.q.weight": np.zeros((64, 64), np.float32)}


def cut(tensors):
    return tensors | {"encoder.block.0.layer.1.DenseReluDense.wo.weight": np.zeros((64, 120), np.float32)}


def integers(tensors):
    return tensors | {"encoder.final_layer_norm.weight": np.ones(64, np.int8)}


@pytest.mark.parametrize(
    ("tensors", "config", "told"),
    [
        (lacking, {}, r"lacks decoder.block.1.*and \d+ more, which its config.json asks for"),
        (extra, {}, "holds decoder.block.7.layer.0.SelfAttention.q.weight, which no T5"),
        (cut, {}, "wo.weight is 64 x 120, its config.json wants 64 x 128"),
        (integers, {}, "final_layer_norm.weight holds I8"),
        (None, {"model_type": "bart"}, "unknown model_type 'bart'.*expected t5, mt5, umt5"),
        (None, {"model_type": "mt6"}, "nearest are mt5"),
        (None, {"feed_forward_proj": "gated-silu"}, "feed_forward_proj is 'gated-silu': expected one of relu"),
        (None, {"vocab_size": 640}, "vocab_size is 640, and the embedding has 512 rows"),
        (None, {"decoder_start_token_id": 2}, "decoder_start_token_id is 2: expected 0"),
        (None, {"d_model": "wide"}, "d_model is 'wide': expected a whole number"),
    ],
)
def test_what_glotmill_cannot_run_is_told_in_one_line(golden, tensors, config, told):
    with pytest.raises(SourceError, match=told) as caught:
        hugging_face.load(golden("mt5", tensors, **config))
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_whole_are_told(golden):
    folder = golden("mt5")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match="damaged or cut short"):
        hugging_face.load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(SourceError, match="holds no weights"):
        hugging_face.load(folder)
    (folder / "model.safetensors.index.json").write_text(
        '{"weight_map": {"shared.weight": "model-00001-of-00002.safetensors"}}'
    )
    with pytest.raises(SourceError, match=r"lacks model-00001-of-00002\.safetensors"):
        hugging_face.load(folder)


def test_the_tokenizer_goes_with_it(tiny, small_tokenizer, tmp_path):
    architecture = dataclasses.replace(tiny.shape, vocabulary=384)
    shapes = parameters.shapes(architecture)
    params = parameters.nested({name: np.ones(shape, np.float32) for name, shape in shapes.items()})
    model = LoadedModel(architecture, params, small_tokenizer)
    names = hugging_face_export.export(model, tmp_path / "out")
    assert {"spiece.model", "tokenizer_config.json"} <= set(names)
    assert hugging_face.load(tmp_path / "out").tokenizer == tmp_path / "out" / "spiece.model"
    with pytest.raises(OutputError, match="exists already"):
        hugging_face_export.export(model, tmp_path / "out")


@pytest.mark.parametrize("name", ["mt5", "umt5", "t5-tied"])
def test_transformers_gives_the_same_logits(shared, tmp_path, name):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    source = shared(f"data/golden/{name}")
    hugging_face_export.export(hugging_face.load(source), tmp_path / "out")
    golden = np.load(source / "golden.npz")
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out").eval()
    if name == "umt5":  # transformers 5 takes it for tied, and scales
        model.config.tie_word_embeddings = False
    inputs = {key: torch.tensor(golden[key]).long() for key in ("input_ids", "attention_mask", "labels")}
    with torch.no_grad():
        assert np.array_equal(model(**inputs).logits.numpy(), golden["logits"])
