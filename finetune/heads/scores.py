"""Compute the validation metrics of heads, from scores of queries and documents."""

from __future__ import annotations

import numpy as np

from finetune.heads.inputs import Ids
from finetune.training.validation_metrics import LanguageMetrics, resources


def score_all(language: str, keys_N: Ids, logits_NxN: np.ndarray, tokens: int) -> LanguageMetrics:
    """Return the metrics of queries and documents in the same order; documents of equal keys are equally right."""
    same = keys_N[None] == keys_N[:, None]
    logits = np.where(same & ~np.eye(len(keys_N), dtype=bool), -np.inf, logits_NxN.astype(np.float64))
    return _metrics(language, logits, np.arange(len(keys_N)), tokens)


def score_candidates(language: str, keys_NxM: Ids, logits_NxM: np.ndarray, tokens: int) -> LanguageMetrics:
    """Return the metrics of queries that each have some documents, the right one first."""
    same = keys_NxM == keys_NxM[:, :1]
    same[:, 0] = False
    logits = np.where(same, -np.inf, logits_NxM.astype(np.float64))
    return _metrics(language, logits, np.zeros(len(keys_NxM), np.int64), tokens)


def _metrics(language: str, logits: np.ndarray, right_N: np.ndarray, tokens: int) -> LanguageMetrics:
    highest = logits.max(1, keepdims=True)
    log_shares = logits - highest - np.log(np.exp(logits - highest).sum(1, keepdims=True))
    rows = np.arange(len(logits))
    own = logits[rows, right_N]
    logits[rows, right_N] = -np.inf
    # A tie does not count: otherwise a model that gives all texts the same vector would score 1.
    accuracy = float((own > logits.max(1)).mean()) if logits.shape[1] > 1 else 1.0
    loss = float(-log_shares[rows, right_N].mean())
    return LanguageMetrics(language, resources(language), len(logits), tokens, loss, accuracy)
