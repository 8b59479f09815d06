"""Run an encoder with a head: rows of ids to vectors or scores, in batches of few shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from core.errors import ConfigError, SourceError
from finetune.checkpoints import formats, model_folder
from finetune.checkpoints.base import Step
from finetune.heads.inputs import HeadInputs, Ids, batches
from finetune.model.architecture import Architecture, Execution
from finetune.model.encoder import EncoderModel
from finetune.model.head import EncoderHead, head_class
from tokenizer.vocabulary import Tokenizer


@dataclass(frozen=True, eq=False)
class HeadModel:
    """An encoder with a head in memory; `Embedder` and `Reranker` use it."""

    head: EncoderHead
    architecture: Architecture
    params: Any
    inputs: HeadInputs
    batch_tokens: int
    run: Execution

    @classmethod
    def load(cls, folder: Path, kind: str, batch_tokens: int, dtype: str, step: Step) -> HeadModel:
        """Load a model; raise ConfigError if its head is of another kind, SourceError if the model is not complete."""
        if batch_tokens < 1:
            raise ConfigError(f"batch_tokens is {batch_tokens}: expected 1 or more")
        described = formats.describe(folder)
        if described.head is None or described.head.kind != kind:
            given = described.head.name if described.head else "a whole model without a head"
            raise ConfigError(
                f"{folder} is {given}: expected {head_class(kind).name}, "
                f'which `glotmill finetune` makes with head.kind = "{kind}"'
            )
        if described.tokenizer is None:
            raise SourceError(f"{folder} lacks its tokenizer: expected the folder {model_folder.TOKENIZER}/ in it")
        run = Execution(dtype=dtype)
        model = formats.load(folder, step=step, with_head=True)
        inputs = HeadInputs.of(Tokenizer.load(described.tokenizer), described.head)
        params = jax.tree.map(jnp.asarray, model.params)
        return cls(described.head, model.architecture, params, inputs, batch_tokens, run)

    @cached_property
    def _compiled(self) -> Any:
        model = EncoderModel(self.architecture, self.head.projection, self.run)
        return jax.jit(lambda params, ids: model.apply({"params": params}, ids))

    def outputs(self, rows: Sequence[Ids]) -> np.ndarray:
        """Return the outputs of rows, float32 [rows, features]."""
        outputs = np.zeros((len(rows), self.head.projection.features), np.float32)
        for numbers, ids_BxL in batches(rows, self.batch_tokens, self.head.max_tokens):
            outputs[numbers] = np.asarray(self._compiled(self.params, ids_BxL))[: len(numbers)]
        return outputs
