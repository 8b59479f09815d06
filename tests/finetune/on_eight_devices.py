"""Print loss curves as JSON. test_meshes.py runs this script in a process whose CPU counts as eight devices.

Each argument is a case, `data x fsdp x tensor` and what else is set: 2x2x2,microbatches=2,scan.
"""

import json
import sys

import jax
import numpy as np

from core.config import build
from finetune.config import FinetuneConfig
from finetune.data.examples import Pair
from finetune.data.features import features
from finetune.training.trainer import Trainer

ROWS, STEPS = 16, 4
SHAPE = {"width": 32, "heads": 4, "head_width": 8, "feed_forward": 64, "encoder_layers": 1, "decoder_layers": 1}


def batches():
    chance = np.random.default_rng(0)

    def row():
        lengths = [(chance.integers(2, 8), chance.integers(2, 6)) for _ in range(chance.integers(1, 3))]
        return [Pair(*(chance.integers(3, 128, size).astype(np.int32) for size in one)) for one in lengths]

    return [features([row() for _ in range(ROWS)], 16, 12) for _ in range(STEPS)]


def configuration(case):
    mesh, *rest = case.split(",")
    sizes = dict(zip(("data", "fsdp", "tensor"), map(int, mesh.split("x")), strict=True))
    told = dict(one.split("=") if "=" in one else (one, True) for one in rest)
    return build(
        FinetuneConfig,
        {
            "microbatches": int(told.get("microbatches", 1)),
            "model": {"shape": SHAPE, "size": "tiny"},
            "execution": {"scan": "scan" in told, "remat": told.get("remat", "none")},
            "lora": {"rank": int(told.get("lora", 0))},
            "data": {"rows": ROWS, "inputs": 16, "targets": 12},
            "mesh": {**sizes, "activations": told.get("activations", "1d"), "parameters": told.get("parameters", "2d")},
            "optimizer": {"name": told.get("optimizer", "adafactor"), "schedule": {"base": 0.01}, "clip": 1.0},
        },
    )


def curve(case):
    config = configuration(case)
    trainer = Trainer.of(config.trainer, config.model.architecture(128))
    found = []
    with trainer.on_mesh():
        state = trainer.new_state()
        for batch in batches():
            state, metrics = trainer.step(state, trainer.put(batch, ROWS))
            found.append(float(metrics.loss))
    sharded = [leaf for leaf in jax.tree.leaves(state) if not leaf.sharding.is_fully_replicated]
    return {"losses": found, "sharded": len(sharded)}


if __name__ == "__main__":
    print(json.dumps({case: curve(case) for case in sys.argv[1:]}))
