"""Our scores on the data that mteb and lm-eval were given."""

from __future__ import annotations

import numpy as np
import parity_data as data

from collection.languages import resolve
from eval.config import EvalConfig
from eval.metrics.table import metric
from eval.models.base import Identity, LogLikelihood
from eval.suites.base import NamedModel, SuiteContext, TaskRows
from eval.suites.table import checked, suite_kind
from eval.task import Files, Prompt, Task

SWAHILI = resolve("swh_Latn")


def task(kind, suite="embed", **more):
    fields = {
        "bitext": {"source": "source", "target": "target"},
        "retrieval": {"query": "question", "document": "context", "id": "id"},
        "classification": {"text": "text", "label": "label"},
        "clustering": {"text": "text", "label": "label"},
        "sts": {"first": "first", "second": "second", "score": "score"},
        "choice": {"answer": "answer"},
        "text": {"references": "reference"},
        "open": {"prompt": "prompt"},
    }[kind]
    return Task("parity", suite, kind, "", Files(("x",), "jsonl"), **{"fields": fields, **more})


def run(task, language, rows, model, config, *, train=(), corpus=None, makes="", others=None):
    """The outcomes of a task in a language. `others`: further models by their names."""
    named = NamedModel(Identity("test:model", "model", "0" * 64), model, makes)
    context = SuiteContext(
        named,
        getattr(config, task.suite),
        config.limit,
        config.seed,
        lambda spec, suite: NamedModel(Identity(spec, spec, "0" * 64), others[spec]),
    )
    return suite_kind(checked(task))(task, context).run(language, TaskRows(rows, train, corpus))


def scores_of(outcomes):
    """The score of every metric of some outcomes, those of other groups as `group:metric`."""
    found = {}
    for outcome in outcomes:
        for name in outcome.metrics:
            rows = outcome.draws.get(name) or [e.statistics[name] for e in outcome.examples if name in e.statistics]
            key = f"{outcome.group}:{name}" if outcome.group else name
            found[key] = metric(name).score(np.array(rows, float)) if rows else None
    return found


class Likely:
    """Tells the recorded likelihoods."""

    scores_choices = True

    def __init__(self, rows):
        self.values = {
            (one["question"], text): value
            for one in rows
            for text, value in zip(one["options"], one["values"], strict=True)
        }

    def log_likelihoods(self, pairs):
        return [LogLikelihood(self.values[pair]) for pair in pairs]


def our_scores():
    model, config = data.Meaning(), EvalConfig()
    found = {}
    for kind, rows in (
        ("bitext", data.bitext()),
        ("retrieval", data.questions()),
        ("classification", data.labelled(220, "test")),
        ("clustering", data.labelled(220, "test")),
        ("sts", data.pairs()),
    ):
        train = data.labelled(180, "train") if kind == "classification" else ()
        found |= scores_of(run(task(kind), SWAHILI, rows, model, config, train=train))
    asked = task("choice", "chat", choices=("[options]",), prompts=(Prompt("plain", "{question}"),))
    rows = data.choices()
    found |= scores_of(run(asked, SWAHILI, rows, Likely(rows), config))
    return found | text_scores()


def text_scores():
    from eval.metrics import text_metrics

    rows = data.translations()
    bleu = np.array([text_metrics.bleu_statistics(row["answer"], [row["reference"]]) for row in rows])
    return {"bleu": metric("bleu").score(bleu)}
