"""Run one job of benchmarks/training.py in a separate process, so that libraries do not share threads.

    python benchmarks/training_worker.py JOB SHAPE        SHAPE is a JSON object

It prints a JSON line when it is ready. For each line that it reads, it does its job once and prints the CPU-seconds of
all threads and the seconds.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

_WARM = 2  # times before it is ready


@dataclass(frozen=True)
class Shape:
    """A model, and a batch of full rows."""

    size: str = "small"
    vocabulary: int = 32_128
    rows: int = 8
    inputs: int = 128
    targets: int = 64
    dtype: str = "float32"
    optimizer: str = "adafactor"  # ours; Hugging Face's is always AdamW
    remat: str = "none"  # ours
    gpu: bool = False

    def ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of inputs and targets, without padding, end or start."""
        chance = np.random.default_rng(0)
        return tuple(chance.integers(3, self.vocabulary, (self.rows, one)) for one in (self.inputs, self.targets))


Job = tuple[dict[str, Any], Callable[[], Any]]  # its description, and a function for one turn


def step(shape: Shape) -> Job:
    """Return our whole step, as `glotmill finetune` runs it."""
    import jax

    from finetune.config import FinetuneConfig
    from finetune.data.config import DataConfig
    from finetune.data.examples import Pair
    from finetune.data.features import features
    from finetune.model.architecture import Execution
    from finetune.model.flops import peak_flops, train_flops
    from finetune.training.optimizer import OptimizerConfig
    from finetune.training.trainer import Trainer

    config = FinetuneConfig(
        execution=Execution(dtype=shape.dtype, remat=shape.remat),
        optimizer=OptimizerConfig(name=shape.optimizer),
        data=DataConfig(inputs=shape.inputs, targets=shape.targets, rows=shape.rows),
    )
    trainer = Trainer.of(config.trainer, _architecture(shape))
    ids = (one.astype(np.int32) for one in shape.ids())
    # Each row is two examples, packed, as data are.
    rows = [
        [Pair(*half) for half in zip(np.split(inputs, 2), np.split(targets, 2), strict=True)]
        for inputs, targets in zip(*ids, strict=True)
    ]
    with trainer.on_mesh():
        batch = trainer.put(features(rows, shape.inputs, shape.targets), shape.rows)
        states = [trainer.new_state()]
        compiled = trainer.step.lower(states[0], batch).compile()  # type: ignore[attr-defined]

    def once() -> None:
        states[0], metrics = compiled(states[0], batch)
        jax.block_until_ready((states[0], metrics))

    about = {
        "flops": train_flops(_architecture(shape), shape.rows, shape.inputs, shape.targets),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(states[0].trained)),
        "temporaries": compiled.memory_analysis().temp_size_in_bytes >> 20,
        "version": f"jax {jax.__version__}",
        "device": jax.devices()[0].device_kind,
        # The peak of a CPU is measured by a separate job, which alternates with this one.
        "peak": peak_flops(jax.devices()[0], shape.dtype) if shape.gpu else None,
    }
    return about, once


def peak(shape: Shape) -> Job:
    """Return JAX's own matrix product, with sums in float32, as our step has them."""
    import jax
    import jax.numpy as jnp

    side = 3_072
    square = jax.random.normal(jax.random.key(0), (side, side)).astype(shape.dtype)
    multiply = jax.jit(lambda x: jnp.matmul(x, x, preferred_element_type=jnp.float32))
    return {"flops": 2 * side**3}, lambda: multiply(square).block_until_ready()


def greedy(shape: Shape) -> Job:
    """Return our greedy decoder, for as many pieces as there are targets."""
    import jax

    from finetune.config import FinetuneConfig
    from finetune.decoding import decoder
    from finetune.model.architecture import Execution
    from finetune.training.trainer import Trainer

    trainer = Trainer.of(FinetuneConfig().trainer, _architecture(shape))
    with trainer.on_mesh():
        params = jax.device_get(trainer.new_state().trained)
    run = Execution(dtype=shape.dtype)
    ready = decoder.ready(params, run)
    decoder = decoder.Decoder(_architecture(shape), run, decoder.Decoding(max_tokens=shape.targets))
    inputs = shape.ids()[0].astype(np.int32)

    def once() -> None:
        lengths = decoder(ready, inputs).lengths_B
        assert (lengths == shape.targets).all(), f"an answer ended early: {lengths}"

    return {}, once


def _architecture(shape: Shape) -> Any:
    from finetune.model.architecture import architecture

    return architecture(shape.size, shape.vocabulary)


def hf_step(shape: Shape) -> Job:
    """Return the step of Hugging Face's mT5: autocast for bfloat16, AdamW."""
    import torch

    model = _hugging_face(shape).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=shape.gpu)
    place = "cuda" if shape.gpu else "cpu"
    inputs, targets = (torch.from_numpy(one).to(place) for one in shape.ids())

    def once() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(place, dtype=torch.bfloat16, enabled=shape.dtype == "bfloat16"):
            loss = model(input_ids=inputs, labels=targets).loss
        loss.backward()
        optimizer.step()
        loss.item()
        if shape.gpu:
            torch.cuda.synchronize()

    return {"parameters": sum(one.numel() for one in model.parameters()), "version": _hf_version()}, once


def hf_peak(shape: Shape) -> Job:
    """Return PyTorch's own matrix product."""
    import torch

    side = 3_072
    square = torch.randn(side, side).to(getattr(torch, shape.dtype))
    return {"flops": 2 * side**3}, lambda: square @ square


def hf_greedy(shape: Shape) -> Job:
    """Return Hugging Face's generate, with its cache."""
    import torch

    model = _hugging_face(shape).eval().to(getattr(torch, shape.dtype))
    inputs = torch.from_numpy(shape.ids()[0])
    length = {"max_new_tokens": shape.targets, "min_new_tokens": shape.targets}

    def once() -> None:
        with torch.inference_mode():
            model.generate(input_ids=inputs, do_sample=False, num_beams=1, **length)

    return {"version": _hf_version()}, once


def _hugging_face(shape: Shape) -> Any:
    """Return the same architecture with random weights and an untied head, as transformers makes every new mT5."""
    import torch
    from transformers import MT5Config, MT5ForConditionalGeneration

    ours = _architecture(shape)
    torch.manual_seed(0)
    config = MT5Config(
        vocab_size=ours.vocabulary,
        d_model=ours.width,
        d_kv=ours.head_width,
        d_ff=ours.feed_forward,
        num_layers=ours.encoder_layers,
        num_decoder_layers=ours.decoder_layers,
        num_heads=ours.heads,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        decoder_start_token_id=0,
    )
    model = MT5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    return model.to("cuda" if shape.gpu else "cpu")


def _hf_version() -> str:
    import torch
    import transformers

    return f"transformers {transformers.__version__}, torch {torch.__version__}"


JOBS: dict[str, Callable[[Shape], Job]] = {
    "step": step,
    "peak": peak,
    "greedy": greedy,
    "hf-step": hf_step,
    "hf-peak": hf_peak,
    "hf-greedy": hf_greedy,
}


def main() -> None:
    about, once = JOBS[sys.argv[1]](Shape(**json.loads(sys.argv[2])))
    for _ in range(_WARM):
        once()
    print(json.dumps(about), flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        once()
        print(json.dumps({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}), flush=True)


if __name__ == "__main__":
    main()
