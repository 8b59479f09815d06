"""The arrays of a step, against SeqIO's worked example."""

import numpy as np

from finetune.data.examples import Pair
from finetune.data.features import features


def pair(inputs, targets):
    return Pair(np.array(inputs, np.int32), np.array(targets, np.int32))


FIRST, SECOND = pair([7, 8, 5, 1], [3, 9, 1]), pair([8, 4, 9, 3, 1], [4, 1])


def test_two_examples_in_a_row():
    batch = features([[FIRST, SECOND]], 10, 7)
    assert {name: array.tolist() for name, array in batch._asdict().items()} == {
        "encoder_input_tokens": [[7, 8, 5, 1, 8, 4, 9, 3, 1, 0]],
        "decoder_target_tokens": [[3, 9, 1, 4, 1, 0, 0]],
        "decoder_input_tokens": [[0, 3, 9, 0, 4, 0, 0]],
        "decoder_loss_weights": [[1, 1, 1, 1, 1, 0, 0]],
        "encoder_segment_ids": [[1, 1, 1, 1, 2, 2, 2, 2, 2, 0]],
        "decoder_segment_ids": [[1, 1, 1, 2, 2, 0, 0]],
        "encoder_positions": [[0, 1, 2, 3, 0, 1, 2, 3, 4, 0]],
        "decoder_positions": [[0, 1, 2, 0, 1, 0, 0]],
    }
    assert {array.dtype.name for array in batch} == {"int32", "float32"}


def test_each_row_counts_its_segments_anew_and_rows_may_be_empty():
    batch = features([[], [SECOND], [FIRST, SECOND], []], 9, 5)
    assert batch.encoder_segment_ids.tolist()[1:3] == [[1] * 5 + [0] * 4, [1] * 4 + [2] * 5]
    assert batch.decoder_input_tokens.tolist() == [[0] * 5, [0, 4, 0, 0, 0], [0, 3, 9, 0, 4], [0] * 5]
    assert batch.decoder_loss_weights.sum(1).tolist() == [0, 2, 5, 0]
    assert features([[], []], 4, 3).encoder_input_tokens.tolist() == [[0] * 4] * 2
