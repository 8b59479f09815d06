"""Does glotmill compute what transformers computed? A folder of weights with golden.npz tells.

golden.npz   input_ids, attention_mask, labels (-100: none)   what went in
             encoder_hidden, logits, loss                     what came out, float32
             greedy, beam4                                    ids that were generated, the start included
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from core.errors import ConfigError, SourceError
from finetune.checkpoints import formats
from finetune.decoding.decoder import Decoding, decoder, ready
from finetune.model.architecture import Execution
from finetune.model.encoder_decoder import EncoderDecoder
from tokenizer.vocabulary import EOS, PAD

FILE: Final = "golden.npz"
_NEEDED: Final = ("input_ids", "attention_mask", "labels", "encoder_hidden", "logits", "loss", "greedy", "beam4")
_NO_LABEL: Final = -100
_BEAMS: Final = 4


@dataclass(frozen=True)
class Tolerance:
    """How far off a figure may be."""

    arrays: float = 1e-5  # of encoder output and logits: the largest difference, over the logits' deviation
    loss: float = 1e-6  # of the loss, over the loss

    def __post_init__(self) -> None:
        for name in ("arrays", "loss"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise ConfigError(f"the tolerance of {name} is {value}: expected 0 or more")


@dataclass(frozen=True)
class GoldenComparison:
    """One figure: how far off it is, how far it may be, and in words."""

    name: str
    difference: float  # for ids, the number of places that differ
    allowed: float
    detail: str

    @property
    def holds(self) -> bool:
        return self.difference <= self.allowed  # false for NaN

    def to_json(self) -> dict[str, Any]:
        difference = self.difference if math.isfinite(self.difference) else None
        return {"name": self.name, "difference": difference, "allowed": self.allowed, "holds": self.holds}


def check(folder: Path, tolerance: Tolerance = Tolerance(), weights: Path | None = None) -> list[GoldenComparison]:
    """Runs the model of a folder, in float32, over its golden.npz; SourceError where either is missing or does not fit.

    `weights`: another checkpoint of the same model, instead of the folder's own.
    """
    golden = _read(folder / FILE)
    model = formats.load(weights or folder)
    vocabulary = model.architecture.vocabulary
    if golden["logits"].shape[-1] != vocabulary:
        raise SourceError(
            f"{folder / FILE} has logits of {golden['logits'].shape[-1]} pieces, the model has {vocabulary}"
        )
    params = ready(model.params, Execution())
    hidden, logits = _run(EncoderDecoder(model.architecture), params, golden)
    scale = float(golden["logits"].std()) or 1.0
    loss, told = _loss(logits, golden["labels"]), float(golden["loss"])
    filled = golden["attention_mask"].astype(bool)
    found = [
        _array("encoder_hidden", hidden[filled], golden["encoder_hidden"][filled], scale, tolerance.arrays),
        _array("logits", logits, golden["logits"], scale, tolerance.arrays),
        GoldenComparison(
            "loss", abs(loss - told) / max(abs(told), 1e-30), tolerance.loss, f"{loss:.7f} for {told:.7f}"
        ),
    ]
    for name, beams in (("greedy", 1), ("beam4", _BEAMS)):
        expected = golden[name][:, 1:]
        decoding = Decoding(max_tokens=expected.shape[1], beams=beams)
        decoded = decoder(model.architecture, Execution(), decoding)(params, golden["input_ids"], mask_BxL=filled)
        found.append(_ids(name, np.asarray(decoded.ids_BxT), expected))
    return found


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            golden = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise SourceError(
            f"there is no {path}: expected what transformers gave for some inputs (docs/checkpoints.md tells its form)"
        ) from None
    except Exception as error:
        raise SourceError(f"{path} is damaged or no npz file: {error}") from error
    if missing := [name for name in _NEEDED if name not in golden]:
        raise SourceError(f"{path} lacks {', '.join(missing)}: expected {', '.join(_NEEDED)}")
    rows = {golden[name].shape[0] for name in _NEEDED if golden[name].ndim}
    if len(rows) != 1 or golden["input_ids"].shape != golden["attention_mask"].shape:
        raise SourceError(f"{path}: its arrays do not have the same rows: expected B x ... of each but loss")
    return golden


def _run(model: EncoderDecoder, params: Any, golden: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Encoder output and logits, teacher-forced."""
    labels = np.where(golden["labels"] == _NO_LABEL, PAD, golden["labels"])
    shifted = np.pad(labels[:, :-1], ((0, 0), (1, 0)), constant_values=PAD)
    mask = jnp.asarray(golden["attention_mask"], bool)[:, None, None, :]
    encoded, logits = _computed(model, params, jnp.asarray(golden["input_ids"]), mask, jnp.asarray(shifted))
    return np.asarray(encoded), np.asarray(logits)


@functools.partial(jax.jit, static_argnums=0)
def _computed(
    model: EncoderDecoder, params: Any, ids: jax.Array, mask: jax.Array, decoder_ids: jax.Array
) -> tuple[jax.Array, jax.Array]:
    def apply(method: str, *arguments: Any, **named: Any) -> Any:
        return model.apply({"params": params}, *arguments, method=method, **named)

    encoded = apply("encode", ids, mask)
    hidden = apply("decode", decoder_ids, encoded, cross_mask=mask)
    return encoded, apply("head", hidden)


def _loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean cross entropy over the labels that there are."""
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    there = labels != _NO_LABEL
    chosen = np.take_along_axis(log_probabilities, np.where(there, labels, 0)[..., None], axis=-1)[..., 0]
    return float(-chosen[there].mean())


def _array(name: str, ours: np.ndarray, theirs: np.ndarray, scale: float, allowed: float) -> GoldenComparison:
    if ours.shape != theirs.shape:
        raise SourceError(f"{FILE}: {name} is {theirs.shape}, the model gives {ours.shape}")
    largest = float(np.abs(ours - theirs).max(initial=0.0))
    return GoldenComparison(name, largest / scale, allowed, f"largest difference {largest:.2e}, scale {scale:.3g}")


def _ids(name: str, ours: np.ndarray, theirs: np.ndarray) -> GoldenComparison:
    """Places that differ, up to the end of each row."""
    length = max(ours.shape[1], theirs.shape[1])
    ours, theirs = (np.pad(_ended(ids), ((0, 0), (0, length - ids.shape[1]))) for ids in (ours, theirs))
    differing = int((ours != theirs).sum())
    rows = int((ours != theirs).any(-1).sum())
    return GoldenComparison(name, float(differing), 0.0, f"{theirs.size} ids, {rows} of {len(theirs)} rows differ")


def _ended(ids: np.ndarray) -> np.ndarray:
    """Ids with padding after the first end: transformers fills rows of beams up with ends."""
    after = np.cumsum(ids == EOS, axis=1) - (ids == EOS) > 0
    return np.where(after, PAD, ids)
