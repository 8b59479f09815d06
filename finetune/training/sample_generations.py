"""Answers that a model in training gives to validation examples, compared with what they should be."""

from __future__ import annotations

import json
import statistics
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from core import files
from finetune.data.validation import ValidationExample
from finetune.model.encoder_decoder import EncoderDecoder, empty_cache
from finetune.model.layers import HIDDEN, KeyValues
from finetune.model.partitioning import on_mesh, replicated, rows_of_process
from finetune.training.step import TrainState
from finetune.training.trainer import Trainer
from tokenizer.vocabulary import EOS, PAD, Tokenizer

Array = jax.Array
SAMPLES: Final = "samples"
_SHORTEST: Final = 16  # ids in the shortest rows; the others are twice as long, and so on


@dataclass(frozen=True)
class Answer:
    """One example, answered."""

    id: str
    language: str
    dataset: str
    task: str
    prompt: str
    expected: str
    answer: str

    @property
    def kind(self) -> str:
        """What it is an example of: its task, or its data set where it names none."""
        return self.task or self.dataset

    @property
    def is_exact(self) -> bool:
        return comparable(self.answer) == comparable(self.expected)


@dataclass(frozen=True)
class AnswerScore:
    """Of some answers: the share that is exact, 0 to 1, chrF over all of them, 0 to 100, and how many they are."""

    exact_match: float
    chrf: float
    answers: int


def comparable(text: str) -> str:
    """What two answers are compared by: one form of each character, every run of blanks one blank."""
    return " ".join(unicodedata.normalize("NFC", text).split())


class _State(NamedTuple):
    """Of greedy decoding."""

    place: Array
    ids_BxT: Array
    done_B: Array
    cache: list[KeyValues]


class Answering:
    """Answers examples greedily with the weights of a state, where they lie on the mesh.

    Every process computes all batches together with the others and ends up with all answers.
    """

    def __init__(self, trainer: Trainer, tokenizer: Path) -> None:
        config = trainer.config
        self._trainer, self._tokenizer = trainer, Tokenizer.load(tokenizer)
        self._rows = config.data.validation.rows or config.data.rows
        self._decode = jax.jit(
            self._greedy,
            in_shardings=(trainer.weight_places, trainer.rows),
            out_shardings=replicated(trainer.mesh),
        )

    def __call__(self, state: TrainState, examples: Sequence[ValidationExample]) -> list[Answer]:
        """An answer to each example, in their order."""
        weights = self._trainer.weights(state)
        order = sorted(range(len(examples)), key=lambda number: len(examples[number].inputs))
        answers: dict[int, Answer] = {}
        for start in range(0, len(order), self._rows):
            chosen = order[start : start + self._rows]
            ids_BxT = self._batch(weights, [examples[number].inputs for number in chosen])
            for number, ids in zip(chosen, ids_BxT, strict=False):
                answers[number] = self._answer(examples[number], ids)
        return [answers[number] for number in range(len(examples))]

    def _greedy(self, weights: Any, input_BxL: Array) -> Array:
        """The likeliest ids one after another, [B, T], eos included; rows without an input stay empty.

        One computation over all processes, so that all see the same: `decode.Decoder` serves one process.
        """
        architecture, run = self._trainer.architecture, self._trainer.config.execution
        length, rows = self._trainer.config.evaluate.max_tokens, input_BxL.shape[0]
        model = EncoderDecoder(architecture, run)

        def apply(method: str, *arguments: Any) -> Any:
            return model.apply({"params": weights}, *arguments, method=method)

        fixed = apply("step_inputs", apply("encode", input_BxL), length)
        cross_bias = jnp.where(input_BxL > 0, 0.0, HIDDEN)[:, None, None, :]

        def goes_on(state: _State) -> Array:
            return (state.place < length) & ~state.done_B.all()

        def one(state: _State) -> _State:
            last_B = jnp.where(state.place > 0, state.ids_BxT[:, state.place - 1], PAD)
            logits_BxV, cache = apply("step", last_B, state.cache, fixed, cross_bias, state.place)
            next_B = jnp.where(state.done_B, PAD, jnp.argmax(logits_BxV, axis=-1))
            ids_BxT = state.ids_BxT.at[:, state.place].set(next_B)
            return _State(state.place + 1, ids_BxT, state.done_B | (next_B == EOS), cache)

        begun = _State(
            jnp.int32(0),
            jnp.zeros((rows, length), jnp.int32),
            ~(input_BxL > 0).any(-1),
            empty_cache(architecture, rows, length, jnp.dtype(run.dtype)),
        )
        return jax.lax.while_loop(goes_on, one, begun).ids_BxT

    def _batch(self, weights: Any, inputs: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
        """The ids of answers, [rows, T]; the first are those to `inputs`."""
        length = _SHORTEST
        while length < max(map(len, inputs)):
            length *= 2
        ids_BxL = np.zeros((self._rows, length), np.int32)
        for row, one in enumerate(inputs):
            ids_BxL[row, : len(one)] = one
        own = slice(*rows_of_process(self._rows, self._trainer.rows))
        return np.asarray(self._decode(weights, on_mesh(ids_BxL[own], self._rows, self._trainer.rows)))

    def _answer(self, example: ValidationExample, ids: npt.NDArray[np.int32]) -> Answer:
        ended = np.flatnonzero(ids == EOS)
        text = self._text(ids[: ended[0]] if len(ended) else ids)
        # Inputs end with eos, which is no part of the prompt.
        prompt, expected = self._text(example.inputs[:-1]), self._text(example.targets)
        return Answer(example.id, example.language, example.dataset, example.task, prompt, expected, text)

    def _text(self, ids: npt.NDArray[np.int32]) -> str:
        # A vocabulary is rounded up: its last rows mean nothing, but an untrained model may name them.
        return self._tokenizer.decode(ids[ids < self._tokenizer.size].tolist())


def score(answers: Sequence[Answer]) -> AnswerScore:
    """Of one answer or more."""
    from sacrebleu.metrics.chrf import CHRF

    exact = statistics.fmean(answer.is_exact for answer in answers)
    chrf = CHRF().corpus_score(
        [comparable(answer.answer) for answer in answers], [[comparable(answer.expected) for answer in answers]]
    )
    return AnswerScore(exact, chrf.score, len(answers))


def score_by(answers: Sequence[Answer], key: Callable[[Answer], str]) -> dict[str, AnswerScore]:
    """The score of the answers of each key, sorted."""
    groups: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[key(answer)].append(answer)
    return {name: score(group) for name, group in sorted(groups.items())}


def write_samples(run: Path, step: int, answers: Sequence[Answer]) -> None:
    """Writes samples/<step>.jsonl, a line an answer."""
    folder = run / SAMPLES
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({**asdict(answer), "exact": answer.is_exact}, ensure_ascii=False) for answer in answers]
    files.write_text(folder / f"{step}.jsonl", "".join(line + "\n" for line in lines))
