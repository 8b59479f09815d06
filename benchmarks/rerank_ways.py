"""Compare two ways to rerank: a head on the encoder, and a whole model that generates a word (monoT5).

    python benchmarks/rerank_ways.py --heads DIR --work DIR [--questions 4800]

--heads is the folder of benchmarks/heads.py, for its pairs and its tokenizer. Both begin with random weights, have the
same encoder and see the same questions once, each with the right document and five wrong ones of its language. The
whole model learns to answer `yes` or `no` and is scored by the difference of their log-likelihoods, as monoT5 is
(Nogueira, Jiang, Pradeep and Lin 2020). Printed: accuracy@1 and MRR among six documents on held-out questions (chance:
0.167 and 0.408), and the CPU-seconds of training and of scoring.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from command import glotmill
from heads import schedule, write_lines
from measure import cpu_seconds

from core import tables
from finetune.data.shuffle import key_of
from finetune.decoding.likelihood import Scorer
from finetune.heads.reranker import Reranker

WRONG, ROWS, HELD_OUT = 5, 16, 600
LENGTH = 144  # ids of a query and a document together
MODEL = """[model]
tokenizer = "{heads}/tokenizer"
size = "mini"
shape = {{ encoder_layers = 2, decoder_layers = 2, feed_forward = 512 }}
"""
UNMEASURED = "[data.validation]\nhold_out = 0.0\nexamples = 0\n"
Row = dict[str, Any]


def prompt(query: str, document: str) -> str:
    return f"Query: {query} Document: {document} Relevant:"


def questions(heads: Path, count: int) -> tuple[list[Row], list[Row]]:
    """Return training and held-out questions: query, document, five wrong documents. No sentence is in both sets."""
    rows = [row.data for row in tables.rows(heads / "pairs/stretches.jsonl", "jsonl")]
    rows.sort(key=lambda row: key_of("order", row["document"]))
    made: list[list[Row]] = []
    for among, most in ((rows[HELD_OUT:], count), (rows[:HELD_OUT], HELD_OUT)):
        pools: dict[str, list[str]] = defaultdict(list)
        for row in among:
            pools[row["language"]].append(row["document"])
        everything = [text for pool in pools.values() for text in pool]
        made.append([{**row, "negatives": _wrong(row, pools[row["language"]], everything)} for row in among[:most]])
    return made[0], made[1]


def _wrong(row: Row, pool: list[str], everything: list[str]) -> list[str]:
    there = [text for text in pool if text != row["document"]]
    if len(there) < WRONG:
        there += [text for text in everything if text not in pool]
    return sorted(there, key=lambda text: key_of(row["query"], text))[:WRONG]


def config(heads: Path, steps: int, rate: float, parts: str) -> str:
    return f"steps = {steps}\n{MODEL.format(heads=heads)}{parts}{UNMEASURED}{schedule(steps, rate, every=0)}"


def train_encoder(heads: Path, work: Path, rows: list[Row], rate: float) -> None:
    write_lines(work / "pairs.jsonl", rows)
    head = f'kind = "rerank"\nmax_tokens = {LENGTH}\nquery_tokens = 32\noverlap = 16\nnegatives = {WRONG}\n'
    parts = f'[head]\n{head}[[head.pairs]]\npath = "{work}/pairs.jsonl"\n[data]\nrows = {ROWS}\n'
    (work / "encoder.toml").write_text(config(heads, len(rows) // ROWS, rate, parts), "utf-8")
    glotmill("finetune", work / "encoder.toml", "--out", work / "encoder")


def prepare_decoder(heads: Path, work: Path, rows: list[Row]) -> None:
    examples = (
        {"inputs": prompt(row["query"], text), "targets": "no" if place else "yes", "language": row["language"]}
        for row in rows
        for place, text in enumerate((row["document"], *row["negatives"]))
    )
    write_lines(work / "examples.jsonl", examples)
    as_it_is = ("clean.mask_private=false", "filters.enabled=false", "table.language={language}")
    changes = (word for change in as_it_is for word in ("--set", change))
    source = ("--source", f"table={work / 'examples.jsonl'}", "--detector", "none")
    glotmill("ingest", *source, *changes, "--out", work / "ingested")
    splits = ("splits.validation=0", "splits.test=0", "duplicates.exact=false", "duplicates.near=false")
    changes = (word for change in splits for word in ("--set", change))
    glotmill("build", "--input", work / "ingested", *changes, "--out", work / "collection")
    both = ("--tokenizer", heads / "tokenizer", "--collection", work / "collection")
    glotmill("tokenizer", "encode", *both, "--out", work / "tokens")


def train_decoder(heads: Path, work: Path, rows: list[Row], rate: float) -> None:
    """Train the whole model for the encoder's number of steps, on about as many examples a step: twelve packed rows."""
    data = f'[data]\ninputs = {4 * LENGTH}\ntargets = 32\nrows = 12\n[[data.sources]]\npath = "{work}/tokens"\n'
    (work / "decoder.toml").write_text(config(heads, len(rows) // ROWS, rate, data), "utf-8")
    glotmill("finetune", work / "decoder.toml", "--out", work / "decoder")


def scored(rows: list[Row], scores: Callable[[Row, list[str]], Iterable[float]]) -> Row:
    ranks = []
    for row in rows:
        found = np.asarray(list(scores(row, [row["document"], *row["negatives"]])))
        ranks.append(1 + int((found[1:] >= found[0]).sum()))  # a tie is lost
    reciprocal = 1 / np.asarray(ranks)
    error = 1.96 * reciprocal.std() / len(ranks) ** 0.5
    accuracy = float((np.asarray(ranks) == 1).mean())
    return {"accuracy@1": round(accuracy, 3), "mrr": round(float(reciprocal.mean()), 3), "+-": round(float(error), 3)}


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of a function, and the CPU-seconds of it and of the commands that it runs."""
    begun = cpu_seconds()
    made = function()
    return made, round(cpu_seconds() - begun, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heads", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=4_800, help="to train on")
    parser.add_argument("--rate", type=float, default=3e-3, help="the highest learning rate")
    told = parser.parse_args()
    told.work.mkdir(parents=True, exist_ok=True)
    heads, work = told.heads.resolve(), told.work.resolve()
    train, held_out = questions(heads, told.questions)

    _, training = timed(lambda: train_encoder(heads, work, train, told.rate))
    reranker = Reranker.load(work / "encoder")
    found, scoring = timed(lambda: scored(held_out, lambda row, texts: reranker.scores(row["query"], texts)))
    print(json.dumps({"way": "encoder and head", **found, "training_s": training, "scoring_s": scoring}), flush=True)

    prepare_decoder(heads, work, train)
    _, training = timed(lambda: train_decoder(heads, work, train, told.rate))
    scorer = Scorer.load(work / "decoder", rows=2 * (1 + WRONG), max_input=LENGTH, max_target=8)

    def asked(row: Row, texts: list[str]) -> Iterable[float]:
        pairs = [(prompt(row["query"], text), word) for text in texts for word in ("yes", "no")]
        values = [one.log_probability for one in scorer.log_likelihoods(pairs)]
        return np.subtract(values[::2], values[1::2]).tolist()

    found, scoring = timed(lambda: scored(held_out, asked))
    print(json.dumps({"way": "monoT5", **found, "training_s": training, "scoring_s": scoring}), flush=True)


if __name__ == "__main__":
    main()
