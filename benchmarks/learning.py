"""Check that training learns on real data in every resource class: from sources to validation loss, by real commands.

    python benchmarks/learning.py --shared SHARED --work DIR [--steps 600]

SHARED holds derived_xp3x, afriqa and tatoeba_v1; DIR keeps finished steps, so that a stopped run resumes.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from command import glotmill

from core import tables

SEPARATE = "{context}\n\n{question}"


def afriqa(folder: Path) -> Iterator[dict[str, str]]:
    """Yield questions in African languages with an English or French passage; answers are in the passage's language."""
    pivots = {"en": "eng_Latn", "fr": "fra_Latn"}
    for path in sorted(folder.glob("gold_passages/*/*.train.json")):
        pivot = path.name.split(".")[-3]
        for row in (row.data for row in tables.rows(path, "jsonl")):
            question = row.get("question_lang") or row["question_translated"]
            answer = next(iter(row["answer_pivot"]["text"]), "")
            prompt = SEPARATE.format(context=row["context"], question=question)
            yield {"inputs": prompt, "targets": answer, "language": pivots[pivot]}


def tatoeba(folder: Path) -> Iterator[dict[str, str]]:
    """Yield sentences to translate into English, and from English."""
    for path in sorted(folder.glob("tatoeba.*-eng.*")):
        code = path.suffix[1:]
        if code == "eng":
            continue
        own = path.read_text("utf-8").splitlines()
        english = path.with_suffix(".eng").read_text("utf-8").splitlines()
        for there, here in zip(own, english, strict=True):
            yield {"inputs": f"Translate to English: {there}", "targets": here, "language": "eng_Latn"}
            yield {"inputs": f"Translate to {code}: {here}", "targets": there, "language": code}


def prepare(shared: Path, work: Path) -> None:
    """Make the collection, its tokenizer and its tokens."""
    options = 'options = {{ name = "{0}", inputs = "{{inputs}}", targets = "{{targets}}", language = "{{language}}" }}'
    sources = []
    for name, rows in (("afriqa", afriqa(shared / "afriqa")), ("tatoeba", tatoeba(shared / "tatoeba_v1"))):
        path = work / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        sources.append(f'[[sources]]\nkind = "table"\npath = "{path}"\n{options.format(name)}\n')
    (work / "ingest.toml").write_text("\n".join(sources), "utf-8")
    source = f"xp3x={shared / 'derived_xp3x'}"
    glotmill("ingest", "--config", work / "ingest.toml", "--source", source, "--out", work / "ingested")
    splits = ("--set", "splits.validation=0.03", "--set", "splits.test=0")
    glotmill("build", "--input", work / "ingested", *splits, "--out", work / "collection")
    sample = ("--set", "sample.bytes=8_000_000")
    train = ("--collection", work / "collection", "--vocab-size", "16000", *sample, "--out", work / "tokenizer")
    glotmill("tokenizer", "train", *train)
    both = ("--tokenizer", work / "tokenizer", "--collection", work / "collection")
    glotmill("tokenizer", "encode", *both, "--out", work / "tokens")


def train(work: Path, steps: int) -> None:
    """Train a small model from random weights, and evaluate it six times."""
    (work / "finetune.toml").write_text(
        f"""steps = {steps}
[model]
tokenizer = "{work / "tokenizer"}"
size = "mini"
[data]
inputs = 128
targets = 64
rows = 16
[[data.sources]]
path = "{work / "tokens"}"
alpha = 0.5
[data.validation]
examples = 40
rows = 32
[optimizer.schedule]
factors = "constant * linear_warmup"
base = 1e-2
warmup_steps = 50
[evaluate]
every_steps = {steps // 6}
[checkpoints]
every_steps = 0
every_minutes = 2
keep = 1
best = false
""",
        "utf-8",
    )
    glotmill("finetune", work / "finetune.toml", "--out", work / "run")


def report(work: Path) -> None:
    """Print the mean loss of the languages of each class, at each evaluation."""
    losses: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    with open(work / "run/validation.csv", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            losses[line["resources"]][int(line["step"])].append(float(line["loss"]))
    for name, by_step in sorted(losses.items()):
        means = [(step, sum(values) / len(values), len(values)) for step, values in sorted(by_step.items())]
        shown = "  ".join(f"{step}: {mean:.3f}" for step, mean, _ in means)
        falls = "falls" if means[-1][1] < means[0][1] else "DOES NOT FALL"
        print(f"{name:6} ({means[0][2]} languages)  {shown}  {falls}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    told = parser.parse_args()
    told.work.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    prepare(told.shared, told.work)
    train(told.work, told.steps)
    report(told.work)
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
