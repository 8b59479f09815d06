"""An encoder with a head, trained on pairs: its data, how it is measured, and the ranges of int8 at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import jax
import numpy as np

from core.errors import ConfigError
from core.progress import Progress
from finetune.checkpoints import model_folder
from finetune.config import FinetuneConfig
from finetune.data.shuffle import key_of
from finetune.heads.embedder import Embedder, unit
from finetune.heads.inputs import HeadInputs, Ids, padded, shape_of
from finetune.heads.pair_data import PairData
from finetune.heads.pair_store import Indexed, PairStore
from finetune.heads.trainer import HeadTrainer
from finetune.model.architecture import Architecture
from finetune.model.flops import encoder_train_flops
from finetune.model.partitioning import rows_of_process
from finetune.model.quantize import calibrate
from finetune.training.step import TrainState
from finetune.training.task import Task
from finetune.training.validation_metrics import LanguageScore, Measured, resources
from tokenizer.vocabulary import Tokenizer

_LOOKED_AT: Final = 8  # batches, for how much a step computes
_CANDIDATES: Final = 8  # documents that the right one stands among, where a reranker is measured


class HeadTask(Task):
    """Of one run with a head."""

    _data: PairData

    def __init__(
        self, config: FinetuneConfig, architecture: Architecture, tokenizer: Path, out: Path, progress: Progress
    ) -> None:
        self._config, self._out, self._progress = config, out, progress
        self.head = head = config.head.head
        self.trainer = self._trainer = HeadTrainer.of(config, architecture)
        self._inputs = HeadInputs.of(Tokenizer.load(tokenizer), head)
        self._store = PairStore.read(config.head.pairs, config.data)
        own = rows_of_process(config.data.rows, self.trainer.rows)
        self._data = PairData(self._store, config, self._inputs, own, progress)
        self._wrong = self._validation_negatives()
        self.notes = [*self._data.notes(config.steps), *self._missing()]
        self.data_identity: Mapping[str, str] = {"pairs": self._store.fingerprint}

    def _missing(self) -> list[str]:
        if not self._config.data.validation.examples or self._store.validation:
            return []
        return ["no pair is held out: nothing is measured; data.validation.hold_out = 0.01 would set some apart"]

    def _validation_negatives(self) -> dict[str, list[tuple[int, ...]]]:
        """To measure a reranker: of each validation pair the documents that are wrong, the same in every run."""
        if self._config.head.kind == "embed":
            return {}
        found = {}
        for language, pairs in self._store.validation.items():
            wrong = self._data.negatives(pairs)
            wanted = max(_CANDIDATES - 1, self._config.head.negatives)
            found[language] = [
                (*texts[:wanted], *self._data.others(pair, wanted - len(texts[:wanted]), key_of(language, number)))
                for number, (pair, texts) in enumerate(zip(pairs, wrong, strict=True))
            ]
        return found

    @property
    def flops(self) -> float:
        """The mean of the first batches: some are of longer texts than others."""
        parts = jax.process_count()
        ids = [array for number in range(_LOOKED_AT) for array in self._data.batch(number)[:2] if array.size]
        flops = (encoder_train_flops(self.trainer.architecture, array.size, array.shape[-1]) for array in ids)
        return parts * sum(flops) / _LOOKED_AT

    def told(self, measured: Measured) -> str:
        accuracy = measured.mean("accuracy")
        return f"accuracy@1 {accuracy:.1%}"

    def measure(self, state: TrainState, step: int) -> Measured | None:
        """By language: how often a query finds its own document among all held-out documents of its language, or, of a
        reranker, among some wrong ones; and the loss of that choice."""
        if not self._store.validation:
            return None
        measure = self._retrieval if self._config.head.kind == "embed" else self._reranking
        return Measured(step, tuple(measure(state)))

    def _retrieval(self, state: TrainState) -> list[LanguageScore]:
        validation = self._store.validation
        ids, single = self._inputs.ids, self._inputs.single
        pairs = [pair for pairs in validation.values() for pair in pairs]
        queries = [single(one, "query") for one in ids([self._store.texts[pair.query] for pair in pairs])]
        documents = [single(one, "document") for one in ids([self._store.texts[pair.document] for pair in pairs])]
        vectors = unit(self._outputs(state, [*queries, *documents]))
        found, start = [], 0
        for language, own in validation.items():
            here = slice(start, start + len(own))
            right = vectors[len(pairs) :][here]
            logits = vectors[here] @ right.T / self._config.head.temperature
            tokens = sum(map(len, (*queries[here], *documents[here])))
            found.append(_score(language, self._keys(own), logits, tokens))
            start += len(own)
        return found

    def _keys(self, pairs: Sequence[Indexed]) -> Ids:
        return np.asarray([self._store.keys_T[pair.document] for pair in pairs])

    def _reranking(self, state: TrainState) -> list[LanguageScore]:
        found = []
        for language, pairs in self._store.validation.items():
            texts = [(pair.document, *wrong) for pair, wrong in zip(pairs, self._wrong[language], strict=True)]
            numbers = sorted({pair.query for pair in pairs} | {text for row in texts for text in row})
            ids = dict(zip(numbers, self._inputs.ids([self._store.texts[number] for number in numbers]), strict=True))
            rows = [
                self._inputs.pair(ids[pair.query], ids[text])
                for pair, row in zip(pairs, texts, strict=True)
                for text in row
            ]
            logits = self._outputs(state, rows)[:, 0].reshape(len(pairs), -1)
            keys = np.asarray([[self._store.keys_T[text] for text in row] for row in texts])
            found.append(_first_of(language, keys, logits, sum(map(len, rows))))
        return found

    def _outputs(self, state: TrainState, rows: Sequence[Ids]) -> np.ndarray:
        """Of the encoder as it stands, float32 [rows, features]; every process computes its part of each batch."""
        size = self._config.data.validation.rows or self._config.data.rows
        first, end = rows_of_process(size, self.trainer.rows)
        order = sorted(range(len(rows)), key=lambda number: -len(rows[number]))
        found = np.zeros((len(rows), self._trainer.model.projection.features), np.float32)
        for start in range(0, len(order), size):
            numbers = order[start : start + size]
            length = shape_of(len(rows[numbers[0]]), self._config.head.max_tokens)
            ids = padded([rows[number] for number in numbers], size, length)[first:end]
            outputs = np.asarray(self._trainer.outputs(state, self.trainer.put(ids, size)))
            found[numbers] = outputs[: len(numbers)]
        return found

    def finish(self) -> None:
        """The limits of int8, from training texts as the model that was kept embeds them."""
        if self._config.head.kind != "embed":
            return
        self._progress.note("taking the ranges of int8 from training texts")
        embedder = Embedder.load(self._out)
        texts = list(dict.fromkeys(pair.document for pair in self._store.train))
        chosen = sorted(texts, key=lambda text: key_of("calibration", text))[: self._config.head.calibrate_on]
        found = embedder.embed([self._store.texts[text] for text in chosen], "document", normalize=False)
        if not np.isfinite(found).all():
            raise ConfigError(f"{self._out}: an embedding is not a number; nothing can be calibrated")
        limits = {size: calibrate(unit(found[:, :size])).limit or 0.0 for size in embedder.dimensions}
        assert self.head is not None
        model_folder.write_head(self._out, replace(self.head, limits=limits))


def _score(language: str, keys_N: Ids, logits_NxN: np.ndarray, tokens: int) -> LanguageScore:
    """Of queries and their documents in the same order; documents of equal keys are equally right."""
    same = keys_N[None] == keys_N[:, None]
    logits = np.where(same & ~np.eye(len(keys_N), dtype=bool), -np.inf, logits_NxN.astype(np.float64))
    return _language_score(language, logits, np.arange(len(keys_N)), tokens)


def _first_of(language: str, keys_NxM: Ids, logits_NxM: np.ndarray, tokens: int) -> LanguageScore:
    """Of queries and some documents each, the right one first."""
    same = keys_NxM == keys_NxM[:, :1]
    same[:, 0] = False
    logits = np.where(same, -np.inf, logits_NxM.astype(np.float64))
    return _language_score(language, logits, np.zeros(len(keys_NxM), np.int64), tokens)


def _language_score(language: str, logits: np.ndarray, right_N: np.ndarray, tokens: int) -> LanguageScore:
    highest = logits.max(1, keepdims=True)
    chances = logits - highest - np.log(np.exp(logits - highest).sum(1, keepdims=True))
    rows = np.arange(len(logits))
    own = logits[rows, right_N]
    logits[rows, right_N] = -np.inf
    # A tie is no success: a model that finds all texts alike finds nothing.
    accuracy = float((own > logits.max(1)).mean()) if logits.shape[1] > 1 else 1.0
    loss = float(-chances[rows, right_N].mean())
    return LanguageScore(language, resources(language), len(logits), tokens, loss, accuracy)
