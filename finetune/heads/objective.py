"""Train an encoder with a head on pairs of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import jax
import numpy as np

from core.progress import Progress
from finetune.data.config import DataConfig
from finetune.data.shuffle import key_of
from finetune.heads.base import PairValidation, TrainableHead
from finetune.heads.inputs import HeadInputs, Ids, padded, shape_of
from finetune.heads.pair_data import PairData
from finetune.heads.pair_store import PairStore
from finetune.heads.trainer import HeadTrainer
from finetune.model.flops import encoder_train_flops
from finetune.model.partitioning import rows_of_process
from finetune.training.objective import Objective
from finetune.training.step import TrainState
from finetune.training.validation_metrics import ValidationMetrics
from tokenizer.vocabulary import Tokenizer

_SAMPLED_BATCHES: Final = 8  # to estimate what a step computes
_CANDIDATES: Final = 8  # documents of a query in validation, the right one included, where a head samples negatives


class HeadObjective(Objective):
    """The encoder with a head, trained on pairs."""

    trainer: HeadTrainer
    head: TrainableHead
    _data: PairData

    def __init__(
        self, trainer: HeadTrainer, data: DataConfig, steps: int, tokenizer: Path, out: Path, progress: Progress
    ) -> None:
        self.trainer, self.head, self._config = trainer, trainer.head, trainer.head_config
        self._out, self._progress = out, progress
        inputs = HeadInputs.of(Tokenizer.load(tokenizer), self.head)
        store = PairStore.read(self._config.pairs, data)
        own_rows = rows_of_process(data.rows, trainer.row_sharding)
        self._data = PairData(store, data, self._config, inputs, own_rows, progress)
        self._store, self._inputs = store, inputs
        self._negatives = self._validation_negatives()
        self.notes = self._data.notes(steps)
        if data.validation.examples and not store.validation:
            self.notes.append(
                "no pairs are held out, so nothing is validated; data.validation.hold_out = 0.01 would hold some out"
            )
        self.data_identity: Mapping[str, str] = {"pairs": store.fingerprint}

    def _validation_negatives(self) -> dict[str, list[tuple[int, ...]]]:
        """Return the wrong documents of each validation pair, the same in every run; none for heads without samples."""
        if not self.head.samples_negatives:
            return {}
        negatives = {}
        for language, pairs in self._store.validation.items():
            wanted = max(_CANDIDATES - 1, self._config.negatives)
            negatives[language] = [
                (*texts[:wanted], *self._data.others(pair, wanted - len(texts[:wanted]), key_of(language, number)))
                for number, (pair, texts) in enumerate(zip(pairs, self._data.negatives(pairs), strict=True))
            ]
        return negatives

    @property
    def flops(self) -> float:
        """The mean over the first batches, since the lengths of texts differ."""
        batches = [self._data.batch(number)[:2] for number in range(_SAMPLED_BATCHES)]
        arrays = [ids for batch in batches for ids in batch if ids.size]
        flops = (encoder_train_flops(self.trainer.architecture, ids.size, ids.shape[-1]) for ids in arrays)
        return jax.process_count() * sum(flops) / _SAMPLED_BATCHES

    def summary(self, metrics: ValidationMetrics) -> str:
        return f"accuracy@1 {metrics.mean('accuracy'):.1%}"

    def measure(self, state: TrainState, step: int) -> ValidationMetrics | None:
        if not self._store.validation:
            return None

        def outputs(rows: Sequence[Ids]) -> np.ndarray:
            return self._outputs(state, rows)

        validation = PairValidation(self._store, self._inputs, self._negatives, outputs)
        return ValidationMetrics(step, tuple(self.head.measure(validation)))

    def _outputs(self, state: TrainState, rows: Sequence[Ids]) -> np.ndarray:
        """Return the outputs of a state, float32 [rows, features]; each process computes its part of each batch."""
        size = self.trainer.config.validation_rows
        first, end = rows_of_process(size, self.trainer.row_sharding)
        order = sorted(range(len(rows)), key=lambda number: -len(rows[number]))
        outputs = np.zeros((len(rows), self.head.projection.features), np.float32)
        for start in range(0, len(order), size):
            numbers = order[start : start + size]
            length = shape_of(len(rows[numbers[0]]), self._config.max_tokens)
            ids = padded([rows[number] for number in numbers], size, length)[first:end]
            of_batch = np.asarray(self.trainer.outputs(state, self.trainer.put(ids, size)))
            outputs[numbers] = of_batch[: len(numbers)]
        return outputs

    def finish(self) -> None:
        self.head.finish(self._out, self._store, self._config, self._progress)
