"""Beam search as transformers 5 defines it, one step at a time. Nothing here looks across rows.

Each row keeps K running beams and the K best finished ones. At a step the 2K best continuations are taken, so that K go
on even where all beams could end; a continuation counts as finished if it ends and is among the best K.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import jax
import jax.numpy as jnp

from finetune.decoding.sampling import highest
from tokenizer.vocabulary import EOS, PAD

Array = jax.Array
EarlyStopping = bool | Literal["never"]
_WORST: Final = -1e9


class Beams(NamedTuple):
    """The state of the search."""

    running_BxKxT: Array
    running_gain_BxKxT: Array  # the log probability of each id
    running_score_BxK: Array  # their sums
    ids_BxKxT: Array  # of the finished ones, best first
    gain_BxKxT: Array
    score_BxK: Array  # divided by length to the power of the penalty
    finished_BxK: Array
    open_B: Array  # whether a running beam may still become better than a finished one


def start(filled_B: Array, beams: int, length: int) -> Beams:
    """Before the first step; rows that are not filled are closed."""
    rows = filled_B.shape[0]
    ids = jnp.full((rows, beams, length), PAD, jnp.int32)
    # All beams are the same as yet: only the first counts.
    running = jnp.broadcast_to(jnp.where(jnp.arange(beams) == 0, 0.0, _WORST), (rows, beams))
    worst = jnp.full((rows, beams), _WORST)
    gain = jnp.zeros(ids.shape)
    return Beams(ids, gain, running, ids, gain, worst, jnp.zeros((rows, beams), bool), filled_B)


def is_done(search: Beams, early_stopping: EarlyStopping) -> Array:
    """[B]: whether nothing of a row can change any more."""
    return ~search.open_B | (search.finished_BxK.all(-1) if early_stopping is True else False)


def advance(
    search: Beams, logits_RxV: Array, place: Array, limit: Array, length_penalty: float, early_stopping: EarlyStopping
) -> tuple[Beams, Array]:
    """After the step at `place`, of `limit`: the new state, and the row of [B x K] that each running beam goes on from.

    The last ids of the running beams are `running_BxKxT[:, :, place]`.
    """
    rows, beams = search.running_score_BxK.shape
    score_BxC, source_BxC, id_BxC, gained_BxC = _continuations(search.running_score_BxK, logits_RxV)
    ids_BxCxT = _taken(search.running_BxKxT, source_BxC).at[:, :, place].set(id_BxC)
    gain_BxCxT = _taken(search.running_gain_BxKxT, source_BxC).at[:, :, place].set(gained_BxC)
    ends_BxC = (id_BxC == EOS) | (place + 1 >= limit)

    onward_BxC = score_BxC + jnp.where(ends_BxC, _WORST, 0.0)
    running_score_BxK, chosen_BxK = jax.lax.top_k(onward_BxC, beams)
    source_BxK = jnp.take_along_axis(source_BxC, chosen_BxK, axis=1)

    counts_BxC = ends_BxC & (jnp.arange(2 * beams) < beams)
    closed_B = is_done(search, early_stopping)
    shut_BxC = ~counts_BxC | closed_B[:, None]
    candidate_BxC = score_BxC / _power(place + 1, length_penalty) + jnp.where(shut_BxC, _WORST, 0.0)
    score_BxK, best_BxK = jax.lax.top_k(jnp.concatenate([search.score_BxK, candidate_BxC], axis=1), beams)
    finished = jnp.concatenate([search.finished_BxK, counts_BxC & ~closed_B[:, None]], axis=1)
    finished_BxK = jnp.take_along_axis(finished, best_BxK, axis=1)

    # The best that a running beam can still become: by its length now, or, asked never to stop early, by the longest.
    longest = limit if early_stopping == "never" and length_penalty > 0 else place + 1
    possible_B = running_score_BxK[:, 0] / _power(longest, length_penalty)
    to_beat_B = jnp.where(finished_BxK, score_BxK.min(-1, keepdims=True), _WORST).min(-1)
    after = Beams(
        _taken(ids_BxCxT, chosen_BxK),
        _taken(gain_BxCxT, chosen_BxK),
        running_score_BxK,
        _taken(jnp.concatenate([search.ids_BxKxT, ids_BxCxT], axis=1), best_BxK),
        _taken(jnp.concatenate([search.gain_BxKxT, gain_BxCxT], axis=1), best_BxK),
        score_BxK,
        finished_BxK,
        search.open_B & (possible_B > to_beat_B),
    )
    return after, (jnp.arange(rows)[:, None] * beams + source_BxK).reshape(-1)


def _taken(array_BxMxT: Array, chosen_BxN: Array) -> Array:
    """[B, N, T]: of each row some of its lines."""
    return jnp.take_along_axis(array_BxMxT, chosen_BxN[:, :, None], axis=1)


def _continuations(running_score_BxK: Array, logits_RxV: Array) -> tuple[Array, Array, Array, Array]:
    """The 2K best continuations of each row, falling: score, beam, id, its log probability, [B, 2K] each."""
    rows, beams = running_score_BxK.shape
    # None of the best of all beams is beyond the best of its own.
    logits_RxC, ids_RxC = highest(logits_RxV, 2 * beams)
    log_RxC = logits_RxC - jax.nn.logsumexp(logits_RxV, axis=-1, keepdims=True)
    scores = (log_RxC.reshape(rows, beams, -1) + running_score_BxK[:, :, None]).reshape(rows, -1)
    score_BxC, places = jax.lax.top_k(scores, 2 * beams)
    id_BxC, gained_BxC = (jnp.take_along_axis(one.reshape(rows, -1), places, axis=1) for one in (ids_RxC, log_RxC))
    return score_BxC, places // (2 * beams), id_BxC, gained_BxC


def _power(length: Array, penalty: float) -> Array:
    return jnp.asarray(length, jnp.float32) ** penalty
