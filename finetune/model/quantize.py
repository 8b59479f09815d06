"""Vectors in fewer bits, and the likeness of vectors that are held so. It needs numpy alone.

    int8      127 x / limit, rounded; what is beyond the limit is the limit, and never wraps round
    uint8     int8 + 128
    ubinary   a bit a component, 1 where it is more than 0, eight to a byte, the first one most significant
    binary    ubinary - 128, as int8

The limit is found once, when a model is done, and kept with it: the same text is the same bytes in whatever company.
It is one number for all components of a dimension. So the product of two int8 vectors is that of the vectors but for
a factor, which ranges of each component's own would break; they also lose more where a text is unlike those that they
were taken from (benchmarks/heads.py has the figures).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, UnknownNameError

Precision = Literal["float", "int8", "uint8", "binary", "ubinary"]
PRECISIONS: Final[tuple[str, ...]] = get_args(Precision)
Floats = npt.NDArray[np.float32]
_STEPS: Final = 127


@dataclass(frozen=True)
class Ranges:
    """The values that the ends of int8 stand for, of each of D components."""

    low_D: Floats
    high_D: Floats

    def __post_init__(self) -> None:
        if self.low_D.shape != self.high_D.shape or not np.all(self.low_D < self.high_D):
            raise ConfigError("ranges: expected as many lows as highs, each low below its high")

    @classmethod
    def symmetric(cls, limit: float, dimension: int) -> Ranges:
        """From -limit to limit, of every component."""
        high = np.full(dimension, limit, np.float32)
        return cls(-high, high)

    @property
    def limit(self) -> float | None:
        """The one limit of all components; None where they have ranges of their own."""
        limit = float(self.high_D[0])
        return limit if np.all(self.high_D == limit) and np.all(self.low_D == -limit) else None


def calibrate(vectors_NxD: Floats) -> Ranges:
    """Symmetric ranges that hold every component of some vectors: to clip a few costs more than wider steps."""
    if not vectors_NxD.size:
        raise ConfigError("calibration: there are no vectors")
    limit = float(np.abs(vectors_NxD).max())
    return Ranges.symmetric(max(limit, 1e-6), vectors_NxD.shape[1])


def calibrate_each(vectors_NxD: Floats) -> Ranges:
    """The lowest and highest value of every component, as others have it; benchmarks compare the two."""
    low_D, high_D = vectors_NxD.min(0), vectors_NxD.max(0)
    return Ranges(low_D, np.maximum(high_D, low_D + 1e-6))


def quantize(vectors_NxD: npt.ArrayLike, precision: Precision, ranges: Ranges | None = None) -> npt.NDArray[Any]:
    """Vectors in a precision: [N, D], of binary ones [N, D / 8].

    ConfigError where int8 is asked for without ranges, or with those of another dimension, or a value is not a number.
    """
    vectors = np.asarray(vectors_NxD, np.float32)
    if vectors.ndim != 2:
        raise ConfigError(f"vectors have {vectors.ndim} axes: expected 2, [N, D]")
    if not np.isfinite(vectors).all():
        raise ConfigError("a vector holds a value that is not a number")
    if precision == "float":
        return vectors
    if precision in ("int8", "uint8"):
        middle, half = _middle_and_half(ranges, precision, vectors.shape[1])
        steps = np.clip(np.rint((vectors - middle) / half * _STEPS), -_STEPS - 1, _STEPS).astype(np.int16)
        return steps.astype(np.int8) if precision == "int8" else (steps + 128).astype(np.uint8)
    if precision in ("binary", "ubinary"):
        if vectors.shape[1] % 8:
            raise ConfigError(f"{precision} packs eight components to a byte, and vectors have {vectors.shape[1]}")
        packed = np.packbits(vectors > 0, axis=1)
        return packed if precision == "ubinary" else (packed.astype(np.int16) - 128).astype(np.int8)
    raise UnknownNameError("precision", precision, PRECISIONS)


def dequantize(values: npt.NDArray[Any], precision: Precision, ranges: Ranges | None = None) -> Floats:
    """[N, D] float32 of what `quantize` gave; of binary ones unit vectors of plus and minus."""
    if precision == "float":
        return np.asarray(values, np.float32)
    if precision in ("int8", "uint8"):
        middle, half = _middle_and_half(ranges, precision, values.shape[1])
        steps = values.astype(np.int16) - (128 if precision == "uint8" else 0)
        return np.asarray(steps.astype(np.float32) / _STEPS * half + middle, np.float32)
    if precision in ("binary", "ubinary"):
        bits = np.unpackbits(_unsigned(values, precision), axis=1).astype(np.float32)
        return np.asarray((2 * bits - 1) * np.float32(bits.shape[1] ** -0.5))
    raise UnknownNameError("precision", precision, PRECISIONS)


def similarity(
    queries: npt.NDArray[Any], documents: npt.NDArray[Any], precision: Precision, ranges: Ranges | None = None
) -> Floats:
    """Scores [queries, documents] of vectors held in one precision, about their cosine.

    int8 and uint8 are multiplied as whole numbers where their ranges are symmetric. Of binary ones it is
    1 - 2 x the share of bits that differ.
    """
    if precision in ("binary", "ubinary"):
        differ = _hamming(_unsigned(queries, precision), _unsigned(documents, precision))
        return np.asarray(1 - 2 * differ / (8 * queries.shape[1]), np.float32)
    if precision in ("int8", "uint8") and ranges is not None and ranges.limit is not None:
        _middle_and_half(ranges, precision, queries.shape[1])
        shift = 128 if precision == "uint8" else 0
        # Whole numbers below 2^53 are exact in float64, whose product is quick.
        whole = (queries.astype(np.float64) - shift) @ (documents.astype(np.float64) - shift).T
        return np.asarray(whole * (ranges.limit / _STEPS) ** 2, np.float32)
    return dequantize(queries, precision, ranges) @ dequantize(documents, precision, ranges).T


def asymmetric_similarity(
    queries_NxD: Floats, documents: npt.NDArray[Any], precision: Precision, ranges: Ranges | None = None
) -> Floats:
    """Scores [queries, documents] of float queries and documents held in a precision: no more to store, less lost."""
    return np.asarray(queries_NxD, np.float32) @ dequantize(documents, precision, ranges).T


def _middle_and_half(ranges: Ranges | None, precision: str, dimension: int) -> tuple[Floats, Floats]:
    if ranges is None:
        raise ConfigError(f"{precision} needs ranges: those that were calibrated with the model, never of the vectors")
    if len(ranges.low_D) != dimension:
        raise ConfigError(f"ranges are of dimension {len(ranges.low_D)}, and the vectors have {dimension}")
    two = np.float32(2)
    return (ranges.low_D + ranges.high_D) / two, (ranges.high_D - ranges.low_D) / two


def _unsigned(values: npt.NDArray[Any], precision: str) -> npt.NDArray[np.uint8]:
    return values if precision == "ubinary" else (values.astype(np.int16) + 128).astype(np.uint8)


def _hamming(queries: npt.NDArray[np.uint8], documents: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Bits that differ, [queries, documents]."""
    differ = np.empty((len(queries), len(documents)), np.int64)
    for number, query in enumerate(queries):
        differ[number] = np.bitwise_count(documents ^ query).sum(1)
    return differ
