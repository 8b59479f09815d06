"""Make vector variants: the same embeddings cut to fewer dimensions and held in fewer bits, each scored as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.errors import ConfigError
from eval.config import EmbedSettings
from eval.metrics import ranking
from eval.models.base import EmbedModel, Vectors
from finetune.model import quantize


@dataclass(frozen=True)
class VectorVariant:
    """A dimension and a precision of embeddings. `name` is "" for the whole float vectors, else such as `256.int8`."""

    name: str
    dimension: int
    precision: Any
    ranges: quantize.Ranges | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def held(self, vectors_NxD: Vectors) -> Any:
        """Return the vectors [N, dimension] after cutting, scaling to unit length, quantising and restoring.

        Rows that hold a NaN come back as NaN.
        """
        cut = ranking.unit(np.asarray(vectors_NxD)[:, : self.dimension]).astype(np.float32)
        if self.precision == "float":
            return cut
        sound = np.isfinite(cut).all(1)
        held = np.full(cut.shape, np.nan, np.float32)
        if sound.any():
            values = quantize.quantize(cut[sound], self.precision, self.ranges)
            held[sound] = quantize.dequantize(values, self.precision, self.ranges)
        return held


def variants(model: EmbedModel, sample_NxD: Vectors, settings: EmbedSettings) -> Iterator[VectorVariant]:
    """Yield the whole float vectors, then the variants of the settings.

    int8 takes the ranges that were stored with the model. A model without any gets those of `sample`: the signature
    says so, since a service would not have them.
    """
    whole = sample_NxD.shape[1]
    yield VectorVariant("", whole, "float", options={"dimension": whole})
    if not settings.dimensions and not settings.precisions:
        return
    trained = tuple(model.dimensions)
    for dimension in settings.dimensions or (whole,):
        if dimension > whole:
            raise ConfigError(f"embed.dimensions: {dimension} is more than the {whole} that the model's vectors have")
        for precision in settings.precisions or ("float",):
            if dimension == whole and precision == "float":
                continue
            options: dict[str, Any] = {"dimension": dimension, "precision": precision}
            if dimension not in trained:
                options["cut"] = "untrained"
            ranges = None
            if precision in ("int8", "uint8"):
                ranges = model.ranges(dimension)
                options["ranges"] = "model" if ranges is not None else "documents"
                if ranges is None:
                    cut = ranking.unit(sample_NxD[:, :dimension]).astype(np.float32)
                    ranges = quantize.calibrate(cut[np.isfinite(cut).all(1)])
            yield VectorVariant(f"{dimension}.{precision}", dimension, precision, ranges, options)
