"""How likely a model finds given answers: the sum of their tokens' log probabilities, for rank classification."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jax
import numpy as np

from core.errors import ConfigError, SourceError
from finetune.checkpoints import formats
from finetune.checkpoints.base import LoadedModel, Step
from finetune.data.examples import Pair
from finetune.data.features import features
from finetune.decoding.decoder import ready
from finetune.decoding.generator import encoded
from finetune.decoding.row_losses import row_losses
from finetune.model.architecture import Execution
from finetune.model.encoder_decoder import EncoderDecoder
from tokenizer.vocabulary import Tokenizer

_SHORTEST: Final = 8  # lengths are this, or twice, and so on: few shapes are compiled


class Likelihood(NamedTuple):
    """Of one answer."""

    log_probability: float  # of all its tokens, the end included: natural logarithm
    tokens: int
    truncated: bool  # whether the prompt or the answer lost its end


class Scorer:
    """A model in memory, its tokenizer, and how much it takes at a time."""

    def __init__(
        self,
        model: LoadedModel,
        run: Execution = Execution(),
        *,
        rows: int = 16,
        max_input: int = 1024,
        max_target: int = 512,
    ) -> None:
        """`rows` pairs go through the model together. SourceError for a model without a tokenizer."""
        if model.tokenizer is None:
            raise SourceError("the checkpoint has no tokenizer: import it again with --tokenizer")
        if rows < 1 or max_input < 2 or max_target < 2:
            raise ConfigError(
                f"rows is {rows}, the longest input {max_input}, the longest answer {max_target}: "
                "expected 1 or more, and 2 or more"
            )
        self.tokenizer = Tokenizer.load(model.tokenizer)
        self._params = ready(model.params, run)
        self._rows, self._max_input, self._max_target = rows, max_input, max_target
        self._run = jax.jit(functools.partial(row_losses, EncoderDecoder(model.architecture, run)))

    @classmethod
    def load(cls, path: Path, run: Execution = Execution(), *, step: Step = None, **options: Any) -> Scorer:
        """Of a model folder, a run of training or a folder of Hugging Face."""
        return cls(formats.load(path, step=step), run, **options)

    def log_likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[Likelihood]:
        """Of each pair of a prompt and an answer, in order. Neither padding nor the other pairs change it."""
        prompts = encoded(self.tokenizer, [prompt for prompt, _ in pairs], self._max_input)
        answers = encoded(self.tokenizer, [answer for _, answer in pairs], self._max_target)
        lengths = [(len(one.ids), len(other.ids)) for one, other in zip(prompts, answers, strict=True)]
        found: list[Likelihood | None] = [None] * len(pairs)
        for batch in _batches(lengths, self._rows):
            rows = [[Pair(prompts[number].ids, answers[number].ids)] for number in batch]
            shape = (_rounded(max(len(row[0].inputs) for row in rows)), _rounded(max(len(r[0].targets) for r in rows)))
            made = features([*rows, *([[]] * (self._rows - len(rows)))], *shape)
            losses, tokens, _ = (np.asarray(array) for array in self._run(self._params, made))
            for row, number in enumerate(batch):
                cut = prompts[number].truncated or answers[number].truncated
                found[number] = Likelihood(-float(losses[row]), int(tokens[row]), cut)
        return [one for one in found if one is not None]


def _batches(lengths: Sequence[tuple[int, int]], rows: int) -> Iterator[list[int]]:
    """The numbers of pairs, like lengths together."""
    order = sorted(range(len(lengths)), key=lambda number: lengths[number])
    for start in range(0, len(order), rows):
        yield order[start : start + rows]


def _rounded(length: int) -> int:
    size = _SHORTEST
    while size < length:
        size *= 2
    return size
