"""A head of a test module alone: one class and one row of the table are enough to train, load and describe it."""

from dataclasses import dataclass

import numpy as np
import pytest

from core.errors import ConfigError, UnknownNameError
from finetune.checkpoints import formats
from finetune.heads.base import PairRows, TrainableHead, trainable_head
from finetune.heads.inference import HeadModel
from finetune.heads.loss import HeadLoss
from finetune.heads.scores import score_candidates
from finetune.model.head import HEADS, Projection
from finetune.train import train


@dataclass(frozen=True)
class LengthHead(TrainableHead):
    """A head that learns how long a document is."""

    name = "a length model"
    options = ("query_tokens",)
    output = "scores"
    usage = "LengthHead.load(...)"
    kind: str = "length"
    scale: float = 8.0  # a field that other heads lack

    @classmethod
    def of(cls, config):
        return cls(query_tokens=config.query_tokens, scale=4.0, **config.shared)

    @property
    def projection(self):
        return Projection("length_projection", 1)

    def rows(self, inputs, pairs):
        documents = [inputs.single(document, "document") for _, (document, *_) in pairs]
        return PairRows([np.zeros(0, np.int32) for _ in pairs], documents)

    def loss(self, encode, batch, config, key):
        rows, each, length = batch.document_RxMxL.shape
        guesses = encode(batch.document_RxMxL.reshape(-1, length), key, 1).reshape(rows, each)
        errors = guesses - (batch.document_RxMxL > 0).sum(-1) / self.scale
        return HeadLoss((errors**2).mean(), (abs(errors) < 1).mean())

    def measure(self, validation):
        return [
            score_candidates(code, np.zeros((len(pairs), 1), np.int32), np.zeros((len(pairs), 1)), len(pairs))
            for code, pairs in validation.store.validation.items()
        ]

    def load(self, folder, *, batch_tokens=1024, dtype="float32", step=None):
        return HeadModel.load(folder, self.kind, batch_tokens, dtype, step)


@pytest.fixture
def length_head(monkeypatch):
    monkeypatch.setitem(HEADS, "length", f"{__name__}:LengthHead")


def test_a_head_of_one_class_and_one_row_is_trained_described_and_loaded(length_head, with_head, tmp_path):
    config = with_head(steps=2, head={"kind": "length", "query_tokens": 20, "dimensions": [256, 512, 1024, 1536]})
    result = train(config, tmp_path / "run")
    assert result.complete and [language.language for language in result.metrics.languages] == ["swh_Latn"]
    head = formats.describe(tmp_path / "run").head
    assert head == LengthHead(query_tokens=20, scale=4.0, query_prefix="q:", document_prefix="d:", max_tokens=48)
    model = head.load(tmp_path / "run")
    assert model.outputs([np.array([5, 6, 1], np.int32)]).shape == (1, 1)


def test_options_of_other_heads_and_unknown_heads_are_refused(length_head, with_head):
    with pytest.raises(ConfigError, match=r"head\.overlap does nothing with head.kind length"):
        with_head(head={"kind": "length", "overlap": 3, "dimensions": [256, 512, 1024, 1536]})
    with pytest.raises(UnknownNameError, match="length"):
        trainable_head("lenght")
