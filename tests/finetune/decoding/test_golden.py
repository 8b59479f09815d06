"""The model computes what transformers computed, to the tolerance that is asked for, and says where it does not."""

import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from core.errors import ConfigError, SourceError
from finetune.decoding.golden import Tolerance, check


@pytest.fixture
def copied(shared, tmp_path):
    folder = tmp_path / "golden"
    shutil.copytree(shared("data/golden/t5-tied"), folder)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    return folder


@pytest.mark.parametrize("name", ["mt5", "umt5", "t5-tied"])
def test_parity_with_transformers(shared, name):
    found = {one.name: one for one in check(shared(f"data/golden/{name}"))}
    assert list(found) == ["encoder_hidden", "logits", "loss", "greedy", "beam4"]
    assert all(one.holds for one in found.values()), found


def test_a_weight_that_is_off_is_seen(copied):
    tensors = load_file(copied / "model.safetensors")
    tensors["decoder.block.1.layer.2.DenseReluDense.wo.weight"][0, 0] += 0.01
    save_file(tensors, copied / "model.safetensors")
    found = {one.name: one for one in check(copied)}
    assert found["encoder_hidden"].holds and not found["logits"].holds
    wide = {one.name: one.holds for one in check(copied, Tolerance(arrays=1.0, loss=1.0))}
    assert wide["logits"] and wide["loss"]


def test_ids_count_up_to_the_end_of_an_answer(copied):
    """transformers pads greedy answers with 0, and those of beams with 1."""
    golden = dict(np.load(copied / "golden.npz"))
    row, place = np.argwhere(golden["greedy"] == 1)[0]
    golden["greedy"][row, place + 1 :] = 1
    np.savez(copied / "golden.npz", **golden)
    assert all(one.holds for one in check(copied))
    golden["greedy"][row, place] = 7
    np.savez(copied / "golden.npz", **golden)
    assert [one.name for one in check(copied) if not one.holds] == ["greedy"]


def test_what_does_not_fit_is_told(copied):
    with pytest.raises(ConfigError, match="the tolerance of loss is -1"):
        Tolerance(loss=-1)
    golden = dict(np.load(copied / "golden.npz"))
    np.savez(copied / "golden.npz", **{name: leaf for name, leaf in golden.items() if name != "beam4"})
    with pytest.raises(SourceError, match="lacks beam4"):
        check(copied)
    np.savez(copied / "golden.npz", **golden | {"logits": golden["logits"][..., :256]})
    with pytest.raises(SourceError, match="logits of 256 pieces, the model has 512"):
        check(copied)
    (copied / "golden.npz").write_bytes(b"PK no archive")
    with pytest.raises(SourceError, match="damaged or no npz"):
        check(copied)
    (copied / "golden.npz").unlink()
    with pytest.raises(SourceError, match="there is no"):
        check(copied)
