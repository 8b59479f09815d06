"""Decoding: from encoded inputs to the ids of answers. Greedy, beams, sampling, on one compiled loop.

A loop runs on the device until all rows are done or its cache is full; then the cache doubles. So short answers cost
what they are long, and nothing but the end of a loop is waited for. What a row gives depends on no other row: each has
its own mask, its own key, and a fixed state once it is done.

R is B rows, or B x beams.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from core.errors import ConfigError
from finetune.decoding import beam_search, sampling
from finetune.decoding.beam_search import Beams, EarlyStopping
from finetune.model import parameters
from finetune.model.architecture import Architecture, Execution
from finetune.model.encoder_decoder import EncoderDecoder, StepInputs, empty_cache
from finetune.model.layers import HIDDEN, KeyValues
from tokenizer.vocabulary import EOS, PAD

Array = jax.Array
# The first cache; it doubles when it is full.
_FIRST: Final = 128


@dataclass(frozen=True)
class Decoding:
    """How ids are chosen."""

    max_tokens: int = 128  # of an answer, its end included
    beams: int = 1
    length_penalty: float = 1.0  # beams: log probabilities are divided by length to this power
    early_stopping: EarlyStopping = False  # beams: as in transformers: False, True or "never"
    temperature: float = 0.0  # 0: the likeliest piece; above: drawn, from logits divided by it
    top_k: int = 0  # drawn from so many likeliest pieces only; 0: all
    top_p: float = 1.0  # drawn from the fewest likeliest pieces that hold this share of the probability
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("max_tokens", 1), ("beams", 1), ("top_k", 0), ("temperature", 0), ("seed", 0)):
            if not getattr(self, name) >= least:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected {least} or more")
        if not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is {self.top_p}: expected more than 0, and 1 at most")
        if self.beams > 1 and self.temperature:
            raise ConfigError(
                f"beams is {self.beams} and temperature {self.temperature}: beams are searched, not drawn"
            )
        if not self.temperature and (self.top_k or self.top_p < 1):
            raise ConfigError(
                "top_k and top_p say what is drawn from, but temperature 0 draws nothing: give one above 0"
            )
        if self.early_stopping not in (True, False, "never"):
            raise ConfigError(f"early_stopping is {self.early_stopping!r}: expected true, false or never")
        for name in ("length_penalty", "early_stopping"):
            if self.beams == 1 and getattr(self, name) != getattr(Decoding, name):
                raise ConfigError(f"{name} is for beams, and there are none: ask for 2 or more, or leave it out")


class Decoded(NamedTuple):
    """Answers, in numpy."""

    ids_BxT: Any  # int32, without the start, with the end where there is one, then 0
    lengths_B: Any  # int32, the end included
    gains_BxT: Any  # float32, the log probability of each id
    scores_B: Any  # float32, their sums; of beams, divided by length to the power of the penalty


class Rows(NamedTuple):
    """The state of a search with one answer a row."""

    ids_BxT: Array
    done_B: Array
    gain_BxT: Array  # log probabilities


class Inputs(NamedTuple):
    """What a loop reads and does not change."""

    fixed: StepInputs
    cross_bias: Array  # [B, 1, 1, L]
    keys_B: Array
    limit: Array


class State(NamedTuple):
    """What a loop changes."""

    place: Array
    cache: list[KeyValues]
    search: Rows | Beams


class CompiledDecoder:
    """Decodes with one architecture, in one way. It is compiled once for each shape of input and length of cache."""

    def __init__(
        self, architecture: Architecture, run: Execution = Execution(), decoding: Decoding = Decoding()
    ) -> None:
        if 2 * decoding.beams > architecture.vocabulary:
            raise ConfigError(
                f"beams is {decoding.beams}: expected at most half of the {architecture.vocabulary} pieces"
            )
        self._architecture, self._run, self._decoding = architecture, run, decoding
        self._model = EncoderDecoder(architecture, run)
        self._begin = jax.jit(self._begun, static_argnames="length")
        self._advance = jax.jit(self._advanced, donate_argnames="state")
        self._grow = jax.jit(_grown, static_argnames="length")

    def __call__(
        self, params: Any, input_BxL: Any, rows_B: Any = None, limit: int | None = None, mask_BxL: Any = None
    ) -> Decoded:
        """The answers to a batch of ids, int32; a row without any is left alone.

        `rows_B` are numbers that seed each row's draws (else 0, 1, ...); `limit` asks for less than `max_tokens`;
        `mask_BxL` is true where there is an id (else: where it is not 0).
        """
        mask_BxL = np.asarray(input_BxL) > 0 if mask_BxL is None else np.asarray(mask_BxL, bool)
        rows_B = np.arange(len(mask_BxL)) if rows_B is None else np.asarray(rows_B)
        *_, state = self._states(params, input_BxL, mask_BxL, rows_B, limit, None)
        return self._told(state, mask_BxL.any(-1))

    def stream(self, params: Any, input_1xL: Any, row: int = 0, limit: int | None = None) -> Iterator[int]:
        """The ids of the one answer, each as soon as it is there, the end included. Beams have none until the end."""
        pace, told, only = 1 if self._decoding.beams == 1 else None, 0, np.array([True])
        for state in self._states(params, input_1xL, np.asarray(input_1xL) > 0, np.array([row]), limit, pace):
            if pace:
                decoded = self._told(state, only)
                yield from map(int, decoded.ids_BxT[0, told : decoded.lengths_B[0]])
                told = int(decoded.lengths_B[0])
        if not pace:
            decoded = self._told(state, only)
            yield from map(int, decoded.ids_BxT[0, : decoded.lengths_B[0]])

    def _states(
        self, params: Any, input_BxL: Any, mask_BxL: Any, rows_B: Any, limit: int | None, pace: int | None
    ) -> Iterator[State]:
        """The states after each loop: of `pace` steps, or as long as the cache reaches."""
        most = min(limit or self._decoding.max_tokens, self._decoding.max_tokens)
        length = min(_FIRST, self._decoding.max_tokens)
        inputs, state = self._begin(
            params, jnp.asarray(input_BxL, jnp.int32), mask_BxL, rows_B, jnp.int32(most), length=length
        )
        place = 0
        while True:
            if place == length:
                length = min(2 * length, self._decoding.max_tokens)
                state = self._grow(state, length=length)
            state, done = self._advance(params, inputs, state, jnp.int32(min(place + (pace or length), length, most)))
            yield state
            place = int(state.place)
            if place >= most or bool(done):
                return

    def ids(self, params: Any, input_BxL: Array) -> Array:
        """Return the ids of answers, int32 [B, max_tokens], as one computation that never waits for the host.

        Training compiles it with shardings: weights and rows lie on a mesh, and all processes compute it together.
        The cache has its full length from the start, since only the host could let it grow.
        """
        most, mask_BxL = self._decoding.max_tokens, input_BxL > 0
        rows_B = jnp.arange(input_BxL.shape[0])
        inputs, state = self._begun(params, input_BxL, mask_BxL, rows_B, jnp.int32(most), most)
        state, _ = self._advanced(params, inputs, state, jnp.int32(most))
        search = state.search
        return search.ids_BxKxT[:, 0] if isinstance(search, Beams) else search.ids_BxT

    def _apply(self, params: Any, method: str, *arguments: Any) -> Any:
        return self._model.apply({"params": params}, *arguments, method=method)

    def _begun(
        self, params: Any, input_BxL: Array, mask_BxL: Array, rows_B: Array, limit: Array, length: int
    ) -> tuple[Inputs, State]:
        decoding, rows = self._decoding, input_BxL.shape[0]
        filled_B = mask_BxL.any(-1)
        encoded_BxLxD = self._apply(params, "encode", input_BxL, mask_BxL[:, None, None, :])
        fixed = self._apply(params, "step_inputs", encoded_BxLxD, decoding.max_tokens)
        cross_bias = jnp.where(mask_BxL, 0.0, HIDDEN)[:, None, None, :]
        keys_B = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(decoding.seed), rows_B)
        cache = empty_cache(self._architecture, rows * decoding.beams, length, jnp.dtype(self._run.dtype))
        search: Rows | Beams
        if decoding.beams > 1:
            search = beam_search.start(filled_B, decoding.beams, length)
        else:
            search = Rows(jnp.full((rows, length), PAD, jnp.int32), ~filled_B, jnp.zeros((rows, length)))
        return Inputs(fixed, cross_bias, keys_B, limit), State(jnp.int32(0), cache, search)

    def _advanced(self, params: Any, inputs: Inputs, state: State, until: Array) -> tuple[State, Array]:
        def goes_on(state: State) -> Array:
            return (state.place < until) & ~self._done(state.search).all()

        def one(state: State) -> State:
            last_R = jnp.where(state.place > 0, _column(state.search, state.place - 1), PAD)
            logits_RxV, cache = self._apply(
                params, "step", last_R, state.cache, inputs.fixed, inputs.cross_bias, state.place
            )
            if isinstance(state.search, Rows):
                return State(state.place + 1, cache, self._chosen(state.search, logits_RxV, inputs.keys_B, state.place))
            decoding = self._decoding
            search, order_R = beam_search.advance(
                state.search, logits_RxV, state.place, inputs.limit, decoding.length_penalty, decoding.early_stopping
            )
            cache = jax.tree.map(lambda leaf: jnp.take(leaf, order_R, axis=0), cache)
            return State(state.place + 1, cache, search)

        state = jax.lax.while_loop(goes_on, one, state)
        return state, self._done(state.search).all()

    def _done(self, search: Rows | Beams) -> Array:
        if isinstance(search, Rows):
            return search.done_B
        done_B: Array = beam_search.is_done(search, self._decoding.early_stopping)
        return done_B

    def _chosen(self, search: Rows, logits_BxV: Array, keys_B: Array, place: Array) -> Rows:
        decoding = self._decoding
        if decoding.temperature:
            step_keys_B = jax.vmap(jax.random.fold_in, (0, None))(keys_B, place)
            next_B = sampling.sample(logits_BxV, step_keys_B, decoding.temperature, decoding.top_k, decoding.top_p)
        else:
            next_B = sampling.highest(logits_BxV, 1)[1][:, 0]
        chosen_B = jnp.take_along_axis(logits_BxV, next_B[:, None], axis=1)[:, 0]
        gained_B = chosen_B - jax.nn.logsumexp(logits_BxV, axis=-1)
        return Rows(
            search.ids_BxT.at[:, place].set(jnp.where(search.done_B, PAD, next_B)),
            search.done_B | (next_B == EOS),
            search.gain_BxT.at[:, place].set(jnp.where(search.done_B, 0.0, gained_B)),
        )

    def _told(self, state: State, filled_B: Any) -> Decoded:
        search = jax.device_get(state.search)
        if isinstance(search, Beams):
            ids_BxT, gains_BxT, scores_B = search.ids_BxKxT[:, 0], search.gain_BxKxT[:, 0], search.score_BxK[:, 0]
        else:
            ids_BxT, gains_BxT, scores_B = search.ids_BxT, search.gain_BxT, search.gain_BxT.sum(-1)
        ended_BxT = ids_BxT == EOS
        length_B = np.where(ended_BxT.any(-1), ended_BxT.argmax(-1) + 1, int(state.place))
        length_B = np.where(filled_B, length_B, 0).astype(np.int32)
        longest = max(1, int(length_B.max(initial=0)))
        return Decoded(ids_BxT[:, :longest], length_B, gains_BxT[:, :longest], scores_B)


def _column(search: Rows | Beams, place: Array) -> Array:
    """[R]: the ids at a place, of running beams or of rows."""
    ids = search.running_BxKxT if isinstance(search, Beams) else search.ids_BxT
    column: Array = jax.lax.dynamic_index_in_dim(ids, place, axis=-1, keepdims=False)
    return column.reshape(-1)


def _grown(state: State, length: int) -> State:
    """The same with room for `length` positions."""

    def padded(leaf: Array, axis: int) -> Array:
        widths = [(0, 0)] * leaf.ndim
        widths[axis] = (0, length - leaf.shape[axis])
        return jnp.pad(leaf, widths)

    cache = [KeyValues(padded(one.key, 2), padded(one.value, 2)) for one in state.cache]
    # What has a place for each id is the last axis's, and named so.
    by_place = {name: leaf for name, leaf in state.search._asdict().items() if name.endswith("xT")}
    search = state.search._replace(**{name: padded(leaf, leaf.ndim - 1) for name, leaf in by_place.items()})
    return State(state.place, cache, search)


@functools.lru_cache(maxsize=8)
def decoder(architecture: Architecture, run: Execution, decoding: Decoding) -> CompiledDecoder:
    """A CompiledDecoder that was compiled before, where there is one."""
    return CompiledDecoder(architecture, run, decoding)


def ready(params: Any, run: Execution) -> Any:
    """Parameters on the device, in the form that decoding reads: kernels and embeddings in the dtype of the run."""

    def place(leaf: Any) -> Array:
        return jnp.asarray(leaf, run.dtype)

    flat = parameters.flat(params)
    kept = {name: jnp.asarray(leaf) if _stays(name) else place(leaf) for name, leaf in flat.items()}
    return parameters.nested(kept)


def _stays(name: str) -> bool:
    """What is computed with in float32 whatever the dtype: scales of norms and relative positions."""
    return name.endswith(("/scale", "/rel_embedding"))
