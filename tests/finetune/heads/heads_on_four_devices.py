"""Print loss curves as JSON. test_loss.py runs this script in a process whose CPU counts as four devices."""

import json
import sys

import jax
import numpy as np

from core.config import build
from finetune.config import FinetuneConfig
from finetune.heads.base import HeadBatch
from finetune.heads.trainer import HeadTrainer
from finetune.model.partitioning import make_mesh

ROWS, STEPS = 8, 3
SHAPE = {"width": 32, "heads": 4, "head_width": 8, "feed_forward": 64, "encoder_layers": 1, "decoder_layers": 1}


def batch(seed):
    chance = np.random.default_rng(seed)
    queries, documents = (chance.integers(3, 128, shape).astype(np.int32) for shape in ((ROWS, 6), (ROWS, 2, 9)))
    keys = np.arange(ROWS, dtype=np.int32), ROWS + np.arange(2 * ROWS, dtype=np.int32).reshape(ROWS, 2)
    return HeadBatch(queries, documents, *keys)


def curve(case):
    sizes = dict(zip(("data", "fsdp", "tensor"), map(int, case.split("x")), strict=True))
    config = build(
        FinetuneConfig,
        {
            "model": {"shape": SHAPE, "size": "tiny"},
            "head": {
                "kind": "embed",
                "dimensions": [16, 32],
                "cache_rows": 4,
                "negatives": 1,
                "pairs": [{"path": "x"}],
            },
            "data": {"rows": ROWS},
            "mesh": sizes,
            "optimizer": {"schedule": {"base": 0.01}, "clip": 1.0},
        },
    )
    mesh = make_mesh(config.mesh, jax.devices()[: np.prod([*sizes.values()])])
    trainer = HeadTrainer(config.trainer, config.model.architecture(128), mesh, config.head)
    found = []
    with trainer.on_mesh():
        state = trainer.new_state()
        for number in range(STEPS):
            state, metrics = trainer.step(state, trainer.put(batch(number), ROWS))
            found.append(float(metrics.loss))
    return found


if __name__ == "__main__":
    print(json.dumps({case: curve(case) for case in sys.argv[1:]}))
