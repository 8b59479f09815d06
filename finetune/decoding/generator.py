"""Texts to texts with a checkpoint: in batches of like lengths, in order; or one, piece by piece."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, SourceError
from finetune.checkpoints import formats
from finetune.checkpoints.base import LoadedModel, Step
from finetune.data.conversation import with_end
from finetune.decoding.decoder import Decoded, Decoding, decoder, ready
from finetune.model.architecture import Execution
from tokenizer.vocabulary import EOS, PAD, Tokenizer

FinishReason = Literal["eos", "stop", "length"]
# The shortest inputs, in ids; the others are twice as long, and so on.
_SHORTEST: Final = 16
# So many batches are read before they are sorted by length.
_AHEAD: Final = 16


@dataclass(frozen=True)
class GeneratedText:
    """What a model says to a prompt."""

    text: str
    tokens: int  # ids that were made, the end included; up to a stop string, those that made it
    finish_reason: FinishReason
    prompt_tokens: int
    truncated: bool  # whether the end of the prompt was cut
    score: float | None  # log probabilities of `tokens` ids summed, of beams divided by length^penalty; None: streamed


@dataclass(frozen=True)
class EncodedPrompt:
    """The ids of a prompt, the end included."""

    ids: np.ndarray
    truncated: bool


def encoded(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> list[EncodedPrompt]:
    """The ids of texts: of those that have more than `most`, eos included, the end is cut, and eos stays."""
    found = []
    for ids in tokenizer.encode_text(texts):
        kept = ids[: most - 1]
        found.append(EncodedPrompt(with_end(np.asarray(kept, np.int32), EOS), len(kept) < len(ids)))
    return found


class TextGenerator:
    """A model in memory, its tokenizer, and how it answers."""

    def __init__(
        self,
        model: LoadedModel,
        decoding: Decoding = Decoding(),
        run: Execution = Execution(),
        *,
        rows: int = 16,
        max_input: int = 1024,
        stop: Sequence[str] = (),
    ) -> None:
        """`rows` go through the model together; longer prompts than `max_input` ids lose their end, as in training;
        answers end before any of the strings in `stop`. SourceError for a model without a tokenizer."""
        if model.tokenizer is None:
            raise SourceError("the checkpoint has no tokenizer: import it again with --tokenizer")
        if rows < 1 or max_input < 2:
            raise ConfigError(f"rows is {rows} and the longest input {max_input}: expected 1 or more, and 2 or more")
        if not all(stop):
            raise ConfigError("a stop string is empty: every answer would end before it began")
        self.tokenizer = Tokenizer.load(model.tokenizer)
        self._params = ready(model.params, run)
        self._decoder = decoder(model.architecture, run, decoding)
        self._decoding, self._rows, self._max_input, self._stop = decoding, rows, max_input, tuple(stop)

    @classmethod
    def load(
        cls, path: Path, decoding: Decoding, run: Execution, *, step: Step = None, **options: Any
    ) -> TextGenerator:
        """Of a model folder, a run of training or a folder of Hugging Face."""
        return cls(formats.load(path, step=step), decoding, run, **options)

    def prompts(self, texts: Sequence[str]) -> list[EncodedPrompt]:
        """The ids of texts: cut at their end where they are too long, with eos even then."""
        return encoded(self.tokenizer, texts, self._max_input)

    def answers(self, texts: Iterable[str], numbers: Iterable[int] | None = None) -> Iterator[GeneratedText]:
        """An answer to each text, in order.

        What is drawn depends on the seed and on the text's number, 0 to 2^31 - 1: its place, unless `numbers` has one
        for each.
        """
        texts, seeds = iter(texts), iter(itertools.count() if numbers is None else numbers)
        while stretch := list(itertools.islice(texts, self._rows * _AHEAD)):
            prompts = self.prompts(stretch)
            own = np.fromiter(itertools.islice(seeds, len(prompts)), np.int32, len(prompts))
            answers: dict[int, GeneratedText] = {}
            for batch in _batches([len(prompt.ids) for prompt in prompts], self._rows):
                answers.update(self._batch(prompts, batch, own))
            yield from (answers[place] for place in range(len(prompts)))

    def _batch(
        self, prompts: Sequence[EncodedPrompt], batch: Sequence[int], own: npt.NDArray[np.int32]
    ) -> Iterator[tuple[int, GeneratedText]]:
        rows, length = _shape(
            max(len(prompts[number].ids) for number in batch), len(batch), self._rows, self._max_input
        )
        ids_BxL = np.zeros((rows, length), np.int32)
        for row, number in enumerate(batch):
            ids_BxL[row, : len(prompts[number].ids)] = prompts[number].ids
        seeds_B = np.zeros(rows, np.int32)
        seeds_B[: len(batch)] = own[batch]
        decoded = self._decoder(self._params, ids_BxL, seeds_B)
        for row, number in enumerate(batch):
            yield number, self._answer(decoded, row, prompts[number])

    def _answer(self, decoded: Decoded, row: int, prompt: EncodedPrompt) -> GeneratedText:
        count, score = int(decoded.lengths_B[row]), float(decoded.scores_B[row])
        ids = decoded.ids_BxT[row, :count].tolist()
        text, stopped = _cut(self.text(ids), self._stop)
        reason: FinishReason = "stop" if stopped else "eos" if count and ids[-1] == EOS else "length"
        if stopped:
            # As if no more ids had been made than it took. Texts only grow, so the first such place can be sought.
            count = bisect.bisect_left(range(count), True, key=lambda end: _cut(self.text(ids[:end]), self._stop)[1])
            text, _ = _cut(self.text(ids[:count]), self._stop)
            penalty = self._decoding.length_penalty if self._decoding.beams > 1 else 0.0
            score = float(decoded.gains_BxT[row, :count].sum()) / count**penalty
        return GeneratedText(text, count, reason, len(prompt.ids), prompt.truncated, score)

    def stream(self, text: str, row: int = 0) -> TextStream:
        """The answer to one text, piece by piece; as if it were the text number `row` of `answers`."""
        return TextStream(self, text, row)

    def ids_of(self, prompt: EncodedPrompt, row: int) -> Iterator[int]:
        """The ids of an answer as they are made."""
        _, length = _shape(len(prompt.ids), 1, 1, self._max_input)
        ids_1xL = np.zeros((1, length), np.int32)
        ids_1xL[0, : len(prompt.ids)] = prompt.ids
        return self._decoder.stream(self._params, ids_1xL, row)

    @property
    def stop(self) -> tuple[str, ...]:
        return self._stop

    def text(self, ids: Sequence[int]) -> str:
        """What ids say, without a character at the end of which only the first bytes are there.

        Ids that mean nothing say nothing: padding, the end, and those past the tokenizer's pieces. So the text of more
        ids begins with the text of fewer.
        """
        meant = [number for number in ids if number not in (PAD, EOS) and number < self.tokenizer.size]
        return self.tokenizer.decode(self.tokenizer.whole(meant))


class TextStream:
    """Iterates over the text of an answer as it grows. `answer` is there when it is done."""

    def __init__(self, generator: TextGenerator, text: str, row: int) -> None:
        self._generator, self._row = generator, row
        (self.prompt,) = generator.prompts([text])
        self.answer: GeneratedText | None = None

    def __iter__(self) -> Iterator[str]:
        generator, told, text = self._generator, 0, ""
        ids: list[int] = []
        reason: FinishReason = "length"
        for number in generator.ids_of(self.prompt, self._row):
            ids.append(number)
            if number == EOS:
                reason = "eos"
                break
            text, stopped = _cut(generator.text(ids), generator.stop)
            if stopped:
                reason = "stop"
                break
            # What may become a stop string waits for what follows.
            sure = len(text) - _begun(text, generator.stop)
            if sure > told:
                yield text[told:sure]
                told = sure
        if len(text) > told:
            yield text[told:]
        self.answer = GeneratedText(text, len(ids), reason, len(self.prompt.ids), self.prompt.truncated, None)


def _batches(lengths: Sequence[int], rows: int) -> Iterator[list[int]]:
    """The numbers of prompts, longest first, so many together: like lengths waste little."""
    order = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    for start in range(0, len(order), rows):
        yield order[start : start + rows]


def _shape(longest: int, count: int, rows: int, max_input: int) -> tuple[int, int]:
    """Powers of two, so that few shapes are compiled; `rows` and `max_input` at most."""
    length, some = _SHORTEST, 1
    while length < longest:
        length *= 2
    while some < count:
        some *= 2
    return min(some, rows), max(longest, min(length, max_input))


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first of some strings, and whether there was one."""
    places = [place for one in stop if (place := text.find(one)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def _begun(text: str, stop: Sequence[str]) -> int:
    """How many characters at the end of a text may be the beginning of one of some strings."""
    longest = max(map(len, stop), default=1) - 1
    return next(
        (
            size
            for size in range(min(longest, len(text)), 0, -1)
            if text.endswith(tuple(one[:size] for one in stop if len(one) > size))
        ),
        0,
    )
