"""Eight devices, in whatever mesh, take the steps that one takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.config import build
from core.errors import ConfigError, UnknownNameError
from finetune.config import FinetuneConfig
from finetune.model.architecture import architecture
from finetune.model.partitioning import MeshConfig, check_fit, make_mesh
from finetune.training import trainer

SCRIPT = Path(__file__).with_name("on_eight_devices.py")
ONE = "8x1x1"


def curves(*cases, devices=8):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), ONE, *cases],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def _same(found, cases):
    for case in cases:
        np.testing.assert_allclose(found[case]["losses"], found[ONE]["losses"], rtol=3e-6, err_msg=case)


def test_another_mesh_with_microbatches_takes_the_same_steps():
    case = "2x2x2,microbatches=2"
    found = curves(case)
    _same(found, [case])
    assert found[ONE]["sharded"] == 0 < 30 < found[case]["sharded"]


@pytest.mark.slow
def test_every_mesh_takes_the_same_steps():
    cases = [
        "1x8x1",
        "2x2x2",
        "1x2x4,parameters=1d",
        "2x2x2,activations=2d",
        "4x1x2,microbatches=2",
        "2x2x2,microbatches=4",
        "2x2x2,scan",
        "2x1x4,scan,remat=full",
        "1x8x1,remat=minimal",
    ]
    _same(curves(*cases), cases)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["optimizer=adamw", "lora=2"])
def test_other_ways_to_train_are_the_same_on_every_mesh(how):
    found = curves(f"8x1x1,{how}", f"2x2x2,{how}")
    np.testing.assert_allclose(found[f"2x2x2,{how}"]["losses"], found[f"8x1x1,{how}"]["losses"], rtol=3e-6)
    assert found[f"8x1x1,{how}"]["losses"] != found[ONE]["losses"]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"data": 3}, "3 x 1 x 1 .* does not fit 1 cpu device: expected sizes whose product is 1"),
        ({"data": 0, "tensor": 2}, "0 x 1 x 2 .* does not fit 1 cpu device"),
        ({"data": 0, "fsdp": 0}, "one 0 at most"),
        ({"data": -1}, "1 or more"),
    ],
)
def test_a_mesh_that_does_not_fit_the_devices_is_told(sizes, message):
    with pytest.raises(ConfigError, match=message):
        make_mesh(MeshConfig(**sizes))


def test_rules_name_axes_that_there_are():
    assert dict(MeshConfig(rules={"embed": ["fsdp", "tensor"]}).table())["embed"] == ("fsdp", "tensor")
    assert dict(MeshConfig(rules={"vocab": ""}).table())["vocab"] is None
    with pytest.raises(UnknownNameError, match="joined_kv"):
        MeshConfig(rules={"joind_kv": "tensor"})
    with pytest.raises(UnknownNameError, match="tensor"):
        MeshConfig(rules={"embed": "tensr"})


class Wide:
    """A mesh of so many devices, for what only asks its shape."""

    shape = {"data": 2, "fsdp": 1, "tensor": 4}  # noqa: RUF012


@pytest.mark.parametrize(
    ("shape", "rows", "microbatches", "message"),
    [
        ({"heads": 6}, 8, 1, "model.heads is 6.*4 parts"),
        ({"feed_forward": 30}, 8, 1, "model.feed_forward is 30"),
        ({}, 7, 1, "data.rows is 7: expected a multiple of 2"),
        ({}, 8, 8, "data.rows is 8: expected a multiple of 16"),
    ],
)
def test_what_a_mesh_cannot_split_is_told(shape, rows, microbatches, message):
    with pytest.raises(ConfigError, match=message):
        check_fit(architecture("tiny", 128, **shape), rows, microbatches, MeshConfig(), Wide())


def test_validation_rows_that_a_mesh_cannot_share_are_told(monkeypatch):
    monkeypatch.setattr(trainer, "make_mesh", lambda config: Wide())
    data = {"rows": 8, "validation": {"rows": 3}}
    config = build(FinetuneConfig, {"model": {"size": "tiny", "shape": {"heads": 4}}, "data": data})
    with pytest.raises(ConfigError, match=r"data\.validation\.rows is 3: expected a multiple of the 2 parts"):
        trainer.Trainer.of(config.trainer, config.model.architecture(128))
