"""Rows of examples as the arrays of a step, under SeqIO's names.

The inputs [7 8 5 1] and [8 4 9 3 1] with the targets [3 9 1] and [4 1], in one row of 10 and 7 ids:

    encoder_input_tokens    7 8 5 1 8 4 9 3 1 0      decoder_target_tokens   3 9 1 4 1 0 0
    encoder_segment_ids     1 1 1 1 2 2 2 2 2 0      decoder_input_tokens    0 3 9 0 4 0 0
    encoder_positions       0 1 2 3 0 1 2 3 4 0      decoder_loss_weights    1 1 1 1 1 0 0
                                                     decoder_segment_ids     1 1 1 2 2 0 0
                                                     decoder_positions       0 1 2 0 1 0 0

The decoder's input is its target, shifted right by one, beginning anew with 0 at each segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.data.examples import Pair

Array = npt.NDArray[np.int32]
Values = Any  # of numpy where they are made, of JAX in a step


class Batch(NamedTuple):
    """Arrays [rows, inputs] of the encoder and [rows, targets] of the decoder; int32, the weights float32."""

    encoder_input_tokens: Values
    decoder_target_tokens: Values
    decoder_input_tokens: Values
    decoder_loss_weights: Values
    encoder_segment_ids: Values
    decoder_segment_ids: Values
    encoder_positions: Values
    decoder_positions: Values

    @property
    def rows(self) -> int:
        return len(self.encoder_input_tokens)


class _Side(NamedTuple):
    tokens: Array
    segments: Array
    positions: Array


def features(rows: Sequence[Sequence[Pair]], inputs: int, targets: int) -> Batch:
    """The batch of some rows, each of some pairs, padded with 0 to `inputs` and `targets` ids."""
    encoder = _side([[pair.inputs for pair in row] for row in rows], inputs)
    decoder = _side([[pair.targets for pair in row] for row in rows], targets)
    shifted = np.zeros_like(decoder.tokens)
    shifted[:, 1:] = decoder.tokens[:, :-1] * (decoder.positions[:, 1:] > 0)
    return Batch(
        encoder_input_tokens=encoder.tokens,
        decoder_target_tokens=decoder.tokens,
        decoder_input_tokens=shifted,
        decoder_loss_weights=(decoder.segments > 0).astype(np.float32),
        encoder_segment_ids=encoder.segments,
        decoder_segment_ids=decoder.segments,
        encoder_positions=encoder.positions,
        decoder_positions=decoder.positions,
    )


def _side(rows: Sequence[Sequence[npt.NDArray[Any]]], length: int) -> _Side:
    """One side of a batch: [rows, length] each."""
    tokens, segments, positions = (np.zeros((len(rows), length), np.int32) for _ in range(3))
    flat = [ids for row in rows for ids in row]
    if not flat:
        return _Side(tokens, segments, positions)
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    lengths = np.fromiter(map(len, flat), np.int64, len(flat))
    ends = np.cumsum(lengths)
    begins = ends - lengths
    row_of = np.repeat(np.arange(len(rows)), counts)
    firsts = np.cumsum(counts) - counts  # the number of each row's first example
    row_begins = np.append(begins, ends[-1])[firsts]
    # Where an id goes: its place in all ids, less that of its row's first one, and on to the row.
    places = np.arange(ends[-1]) + np.repeat(row_of * length - row_begins[row_of], lengths)
    tokens.reshape(-1)[places] = np.concatenate(flat)
    segments.reshape(-1)[places] = np.repeat(np.arange(len(flat)) - firsts[row_of] + 1, lengths)
    positions.reshape(-1)[places] = np.arange(ends[-1]) - np.repeat(begins, lengths)
    return _Side(tokens, segments, positions)
