"""Generate answers to validation examples during training, and score them."""

from __future__ import annotations

import json
import statistics
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np
import numpy.typing as npt

from core import files
from finetune.data.validation import ValidationExample
from finetune.decoding.decoder import CompiledDecoder, Decoding
from finetune.model.partitioning import on_mesh, replicated, rows_of_process
from finetune.training.step import TrainState
from finetune.training.trainer import Trainer
from tokenizer.vocabulary import EOS, Tokenizer

SAMPLES: Final = "samples"
_SHORTEST: Final = 16  # tokens in the shortest input shape; each longer shape is twice as long


@dataclass(frozen=True)
class SampleGeneration:
    """The generated answer to one example, and the expected one."""

    id: str
    language: str
    dataset: str
    task: str
    prompt: str
    expected: str
    answer: str

    @property
    def group(self) -> str:
        """The task of the example, or its data set if it names no task."""
        return self.task or self.dataset

    @property
    def is_exact(self) -> bool:
        return comparable(self.answer) == comparable(self.expected)


@dataclass(frozen=True)
class GenerationScore:
    """The score of some generations."""

    exact_match: float  # share of them, 0 to 1
    chrf: float  # over all of them, 0 to 100
    answers: int


def comparable(text: str) -> str:
    """Return the form that answers are compared in: NFC, with every run of white space as one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


class SampleGenerator:
    """Generates answers greedily with the weights of a state, on the mesh that they lie on.

    All processes compute each batch together, and each of them gets all answers.
    """

    def __init__(self, trainer: Trainer, tokenizer: Path, max_tokens: int) -> None:
        self._trainer, self._tokenizer = trainer, Tokenizer.load(tokenizer)
        self._rows = trainer.config.validation_rows
        decoder = CompiledDecoder(trainer.architecture, trainer.config.execution, Decoding(max_tokens))
        self._decode = jax.jit(
            decoder.ids,
            in_shardings=(trainer.weight_shardings, trainer.row_sharding),
            out_shardings=replicated(trainer.mesh),
        )

    def __call__(self, state: TrainState, examples: Sequence[ValidationExample]) -> list[SampleGeneration]:
        """Return an answer to each example, in their order."""
        weights = self._trainer.weights(state)
        order = sorted(range(len(examples)), key=lambda number: len(examples[number].inputs))
        generations: dict[int, SampleGeneration] = {}
        for start in range(0, len(order), self._rows):
            batch = order[start : start + self._rows]
            ids_BxT = self._batch(weights, [examples[number].inputs for number in batch])
            for number, ids in zip(batch, ids_BxT, strict=False):
                generations[number] = self._generation(examples[number], ids)
        return [generations[number] for number in range(len(examples))]

    def _batch(self, weights: Any, inputs: Sequence[npt.NDArray[np.int32]]) -> npt.NDArray[np.int32]:
        """Return the ids of answers, [rows, T]; the first rows answer `inputs`, the others are padding."""
        length = _SHORTEST
        while length < max(map(len, inputs)):
            length *= 2
        ids_BxL = np.zeros((self._rows, length), np.int32)
        for row, ids in enumerate(inputs):
            ids_BxL[row, : len(ids)] = ids
        sharding = self._trainer.row_sharding
        own_rows = slice(*rows_of_process(self._rows, sharding))
        return np.asarray(self._decode(weights, on_mesh(ids_BxL[own_rows], self._rows, sharding)))

    def _generation(self, example: ValidationExample, ids: npt.NDArray[np.int32]) -> SampleGeneration:
        ends = np.flatnonzero(ids == EOS)
        answer = self._text(ids[: ends[0]] if len(ends) else ids)
        # Inputs end with the end token, which is not a part of the prompt.
        prompt, expected = self._text(example.inputs[:-1]), self._text(example.targets)
        return SampleGeneration(example.id, example.language, example.dataset, example.task, prompt, expected, answer)

    def _text(self, ids: npt.NDArray[np.int32]) -> str:
        # The vocabulary is rounded up. Its last ids have no text, but an untrained model may generate them.
        return self._tokenizer.decode(ids[ids < self._tokenizer.size].tolist())


def score(generations: Sequence[SampleGeneration]) -> GenerationScore:
    """Return the score of one generation or more."""
    from sacrebleu.metrics.chrf import CHRF

    exact = statistics.fmean(generation.is_exact for generation in generations)
    answers = [comparable(generation.answer) for generation in generations]
    expected = [comparable(generation.expected) for generation in generations]
    return GenerationScore(exact, CHRF().corpus_score(answers, [expected]).score, len(generations))


def score_by(
    generations: Sequence[SampleGeneration], key: Callable[[SampleGeneration], str]
) -> dict[str, GenerationScore]:
    """Return the score of the generations of each key, sorted by key."""
    groups: dict[str, list[SampleGeneration]] = defaultdict(list)
    for generation in generations:
        groups[key(generation)].append(generation)
    return {name: score(group) for name, group in sorted(groups.items())}


def write_samples(run: Path, step: int, generations: Sequence[SampleGeneration]) -> None:
    """Write samples/<step>.jsonl, one line a generation."""
    folder = run / SAMPLES
    folder.mkdir(exist_ok=True)
    rows = ({**asdict(generation), "exact": generation.is_exact} for generation in generations)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    files.write_text(folder / f"{step}.jsonl", "".join(line + "\n" for line in lines))
