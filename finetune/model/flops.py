"""How much a step computes, by formula, and what of a device's peak that is: MFU.

XLA's own count takes the body of a loop once, so a scanned model would seem to do a tenth of its work.
"""

from __future__ import annotations

import time
from typing import Any, Final

import jax
import jax.numpy as jnp

from finetune.model.architecture import Architecture

# Dense bfloat16 peaks of one device in TFLOP/s, from the makers' data sheets; matched in the device's name.
_PEAKS: Final = {
    "H200": 989.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "RTX 4090": 165.0,
    "V100": 125.0,
    "TPU v6": 918.0,
    "TPU v5p": 459.0,
    "TPU v5": 197.0,
    "TPU v4": 275.0,
    "TPU v3": 61.5,
    "TPU v2": 22.5,
}


def forward_flops(architecture: Architecture, rows: int, inputs: int, targets: int) -> float:
    """2mnk of every matrix product of one forward pass over rows of `inputs` and `targets` positions, all computed."""
    config = architecture
    projection = config.width * config.joined
    feed_forward = (3 if config.gated else 2) * config.width * config.feed_forward
    encoded, decoded = rows * inputs, rows * targets
    encoder_layer = encoded * (4 * projection + feed_forward) + 2 * rows * inputs * inputs * config.joined
    decoder_layer = (
        decoded * (6 * projection + feed_forward)  # self-attention, query and output of the other, feed-forward
        + encoded * 2 * projection  # its keys and values
        + 2 * rows * targets * (targets + inputs) * config.joined
    )
    head = decoded * config.width * config.vocabulary
    return 2.0 * (config.encoder_layers * encoder_layer + config.decoder_layers * decoder_layer + head)


def encoder_train_flops(architecture: Architecture, positions: int, length: int) -> float:
    """Forward and backward of the encoder alone over so many positions, in rows of `length`."""
    config = architecture
    layer = 4 * config.width * config.joined + (3 if config.gated else 2) * config.width * config.feed_forward
    return 3 * 2.0 * config.encoder_layers * positions * (layer + 2 * length * config.joined)


def train_flops(architecture: Architecture, rows: int, inputs: int, targets: int) -> float:
    """Forward and backward: three times the forward pass. What remat computes again is not counted."""
    return 3 * forward_flops(architecture, rows, inputs, targets)


def peak_flops(device: Any, dtype: str) -> float | None:
    """FLOP/s of one device; None where it is not known. Of CPUs it is measured, all forced devices together as one."""
    if device.platform == "cpu":
        return _measured(dtype) / max(1, jax.local_device_count())
    for name, tera in _PEAKS.items():
        if name.lower().replace(" ", "") in device.device_kind.lower().replace(" ", ""):
            return tera * 1e12 if dtype == "bfloat16" else None
    return None


def _measured(dtype: str, size: int = 1_536) -> float:
    """FLOP/s of a square matrix product on this machine's CPU, the best of some."""
    square = jnp.ones((size, size), dtype)
    multiply = jax.jit(jnp.matmul)
    multiply(square, square).block_until_ready()
    best = float("inf")
    for _ in range(4):
        begun = time.perf_counter()
        multiply(square, square).block_until_ready()
        best = min(best, time.perf_counter() - begun)
    return 2.0 * size**3 / best
