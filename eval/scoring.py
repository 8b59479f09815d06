"""From the examples of an outcome to scores, each with what it depends on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.version import VERSION
from eval.metrics.base import Interval, Rows, interval
from eval.metrics.signature import signature
from eval.metrics.table import metric, versions
from eval.models.base import Identity
from eval.outcome import Outcome
from eval.results import Missing, Score


def scores_of(outcome: Outcome, identity: Identity, seed: int) -> tuple[list[Score], list[Missing]]:
    """Return a score by every metric of an outcome, the main one first, and the reasons of missing scores."""
    found: list[Score] = []
    missing: list[Missing] = []
    for name in outcome.metrics:
        rows = statistics_of(outcome, name)
        value = metric(name).score(rows)
        if value is None:
            why = "the score is not finite" if len(rows) else "no answer can be scored by it"
            missing.append(Missing(outcome.task.suite, outcome.task.name, outcome.language.code, f"{name}: {why}"))
            continue
        found.append(
            Score(
                suite=outcome.task.suite,
                task=outcome.task.name,
                language=outcome.language.code,
                metric=name,
                score=value,
                n=len(outcome.examples) if name in outcome.draws else len(rows),
                signature=_signature(outcome, name, len(rows), identity, seed),
                interval=_interval(outcome, name, rows, seed),
                main=name == outcome.metrics[0],
                higher_is_better=metric(name).higher_is_better,
                group=outcome.group,
            )
        )
    return found, missing


def statistics_of(outcome: Outcome, name: str) -> Rows:
    """The statistics of a metric, [n, k]; examples that it says nothing of are left out."""
    rows = outcome.draws.get(name) or [one.statistics[name] for one in outcome.examples if name in one.statistics]
    return np.array(rows, np.float64) if rows else np.empty((0, 1))


def _interval(outcome: Outcome, name: str, rows: Rows, seed: int) -> Interval | None:
    """Over items; of a metric that has draws, over those, which says less: the items are the same in all of them."""
    found = interval(metric(name), rows, seed)
    return replace(found, method=f"over {len(rows)} draws") if found and name in outcome.draws else found


def _signature(outcome: Outcome, name: str, n: int, identity: Identity, seed: int) -> str:
    return signature(
        {
            "suite": outcome.task.suite,
            "task": outcome.task.name,
            "language": outcome.language.code,
            "metric": name,
            "options": metric(name).options.replace("|", ","),
            **outcome.options,
            "n": n,
            "seed": seed,
            "data": outcome.data,
            "model": identity.sha256,
            "tokenizer": identity.tokenizer,
            "run": ",".join(f"{key}={value}" for key, value in sorted(identity.about.items())),
            "library": versions(name),
            "glotmill": VERSION,
        }
    )
