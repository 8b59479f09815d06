"""Embed and rerank heads trained from nothing on real data, and scored on languages and texts they were not trained on.

    python -m benchmarks.heads --shared SHARED --work DIR [--steps 300] [--only embed|rerank]   (at the top of the tree)

SHARED holds tatoeba_v1, sib200, afriqa, xquad_r and derived_xp3x; DIR keeps what was made, so that a run that was
stopped goes on. DIR/heldout has what was held out in the layout of the sets, for `glotmill eval run`.

Held out as parallel text: all Tatoeba, SIB-200 and FLORES pairs with a side in HELD_OUT, and every pair with an English
sentence that such a Tatoeba pair has. Held out as text: AfriQA's dev split (this copy has no test split), all of XQuAD
for the embedder; for the reranker XQuAD-R's languages but for XQUAD_LANGUAGES, and its last articles in all.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from collection.languages import find
from finetune.embed import Embedder
from finetune.quantize import calibrate_each, dequantize, quantize

HELD_OUT = ("kat_Geor", "deu_Latn", "heb_Hebr", "tha_Thai", "swh_Latn", "zho_Hans", "zho_Hant", "amh_Ethi")
XQUAD_LANGUAGES = ("ar", "en", "es")
TRAINED_ARTICLES = 0.6  # of XQuAD-R, for the reranker
PIVOTS = {"en": "eng_Latn", "fr": "fra_Latn"}
Row = dict[str, Any]


def code(name: str) -> str:
    known = find(name)
    return known.code if known else name


def tatoeba_files(shared: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    for path in sorted((shared / "tatoeba_v1").glob("tatoeba.*-eng.*")):
        if path.suffix != ".eng":
            english = path.with_suffix(".eng").read_text("utf-8").splitlines()
            yield code(path.suffix[1:]), path.read_text("utf-8").splitlines(), english


def held_english(shared: Path) -> set[str]:
    return {text for language, _, english in tatoeba_files(shared) if language in HELD_OUT for text in english}


def parallel(shared: Path) -> Iterator[Row]:
    held = held_english(shared)
    for language, own, english in tatoeba_files(shared):
        for query, document in zip(own, english, strict=True):
            if language not in HELD_OUT and document not in held:
                yield {"query": query, "document": document, "language": language, "document_language": "eng_Latn"}


def sib(shared: Path) -> Iterator[Row]:
    """Each sentence with its English, or with that of another language, which changes from sentence to sentence."""
    texts: dict[str, dict[str, str]] = {}
    for folder in sorted((shared / "sib200/annotated").iterdir()):
        if code(folder.name) not in HELD_OUT:
            with open(folder / "train.tsv", encoding="utf-8", newline="") as file:
                texts[folder.name] = {row["index_id"]: row["text"] for row in csv.DictReader(file, delimiter="\t")}
    languages = [name for name in texts if name != "eng_Latn"]
    for place, language in enumerate(languages):
        for number, (index, text) in enumerate(texts[language].items()):
            other = languages[(place + 1 + number % (len(languages) - 1)) % len(languages)]
            one = other if number % 2 else "eng_Latn"
            row = {"query": text, "document": texts[one][index], "document_id": index}
            yield {**row, "language": code(language), "document_language": code(one)}


def afriqa(shared: Path, split: str) -> Iterator[Row]:
    for path in sorted((shared / "afriqa/gold_passages").glob(f"*/*.{split}.json")):
        _, _, language, pivot, *_ = path.name.split(".")
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            question = row.get("question_lang") or row["question_translated"]
            names = {"language": code(language), "document_language": PIVOTS[pivot]}
            if isinstance(question, str) and isinstance(row["context"], str):  # a few are null or NaN
                yield {"query": question, "document": f"{row['title']}\n{row['context']}", **names}


def afriqa_train(shared: Path) -> Iterator[Row]:
    held = {text for row in afriqa(shared, "dev") for text in (row["query"], row["document"])}
    for row in afriqa(shared, "train"):
        if row["query"] not in held and row["document"] not in held:
            yield row


def instructions(shared: Path) -> Iterator[Row]:
    """Prompts and what answers them; no XQuAD, and no translation into or out of a language that is held out."""
    for path in sorted((shared / "derived_xp3x").glob("*/*.jsonl")):
        if "xquad" in path.name or ("flores" in path.name and any(name in path.name for name in HELD_OUT)):
            continue
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            if len(row["targets"]) > 8:
                yield {"query": row["inputs"], "document": row["targets"], "language": code(row["language"])}


def xquad(path: Path, articles: slice | None = None) -> Iterator[Row]:
    """Questions, each with the sentence that holds its answer."""
    data = json.loads(path.read_text("utf-8"))["data"]
    for article in data[articles or slice(None)]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                start = question["answers"][0]["answer_start"]
                places = zip(paragraph["sentence_breaks"], paragraph["sentences"], strict=True)
                for (first, last), sentence in places:
                    if first <= start <= last:
                        yield {"query": question["question"], "document": sentence, "language": code(path.stem)}
                        break


def trained_articles(path: Path) -> int:
    return int(len(json.loads(path.read_text("utf-8"))["data"]) * TRAINED_ARTICLES)


def xquad_train(shared: Path) -> Iterator[Row]:
    for name in XQUAD_LANGUAGES:
        path = shared / f"xquad_r/{name}.json"
        yield from xquad(path, slice(0, trained_articles(path)))


SOURCES = {
    "tatoeba": parallel,
    "sib": sib,
    "afriqa": afriqa_train,
    "xp3x": instructions,
    "xquad": xquad_train,
}


def write_lines(path: Path, rows: Iterable[Row]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def glotmill(*words: str | Path) -> None:
    print("$ glotmill", *words, flush=True)
    command = [sys.executable, "-c", "from cli.main import main; main()", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def prepare(shared: Path, work: Path, pieces: int) -> None:
    """The pairs, what is held out, and a tokenizer of the training text."""
    if (work / "tokenizer/glotmill_tokenizer.json").exists():
        return
    texts: dict[str, set[str]] = defaultdict(set)
    for name, rows in SOURCES.items():
        kept = list(rows(shared))
        print(f"{name}: {write_lines(work / f'pairs/{name}.jsonl', kept):,} pairs", flush=True)
        for row in kept:
            texts[row["language"]].add(row["query"])
            texts[row.get("document_language", row["language"])].add(row["document"])
    for language, found in texts.items():
        if find(language):
            path = work / f"text/{language}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(sorted(found)) + "\n", "utf-8")
    for path in sorted((shared / "xquad_r").glob("*.json")):
        whole = json.loads(path.read_text("utf-8"))
        rest = {**whole, "data": whole["data"][trained_articles(path) :]}
        (work / "heldout/xquad_r").mkdir(parents=True, exist_ok=True)
        (work / f"heldout/xquad_r/{path.name}").write_text(json.dumps(rest, ensure_ascii=False), "utf-8")
    words = ("--text", work / "text", "--vocab-size", str(pieces), "--set", "sample.bytes=12_000_000")
    glotmill("tokenizer", "train", *words, "--out", work / "tokenizer")


CONFIG = """steps = {steps}
[model]
tokenizer = "{work}/tokenizer"
size = "{size}"
[head]
{head}
[data]
rows = {rows}
[data.validation]
hold_out = 0.02
examples = 20
rows = 64
[optimizer.schedule]
factors = "linear_decay"
base = 1e-2
warmup_steps = {warmup}
decay_factor = {decay:g}
[evaluate]
every_steps = {every}
[checkpoints]
every_steps = 0
every_minutes = 2
keep = 1
best = false
"""
HEADS = {
    "embed": ('kind = "embed"\nmax_tokens = 160', {"tatoeba": 4, "sib": 3, "afriqa": 1, "xp3x": 1}, 64),
    "rerank": (
        'kind = "rerank"\nmax_tokens = 256\nquery_tokens = 64\noverlap = 32\nnegatives = 5\nminer = "ngrams"',
        {"afriqa": 1, "xquad": 2},
        8,
    ),
}


def train(work: Path, kind: str, steps: int, size: str) -> None:
    head, weights, rows = HEADS[kind]
    pairs = "".join(
        f'\n[[head.pairs]]\npath = "{work}/pairs/{name}.jsonl"\nweight = {weight}\n'
        + ("both_ways = true\n" if name in ("tatoeba", "sib") else "")
        for name, weight in weights.items()
    )
    warmup = max(1, steps // 10)
    every, decay = max(1, steps // 2), 1 / max(1, steps - warmup) * 0.98
    values = {"work": work, "size": size, "rows": rows, "warmup": warmup, "every": every, "decay": decay}
    text = CONFIG.format(steps=steps, head=head + "\n" + pairs, **values)
    (work / f"{kind}.toml").write_text(text, "utf-8")
    glotmill("finetune", work / f"{kind}.toml", "--out", work / kind)


def score(shared: Path, work: Path, kinds: Iterable[str], queries: int) -> None:
    """What `glotmill eval` makes of them, in DIR/scores: every language, by dimension and precision."""
    # A language that has no dev split would be judged by rows that were trained on.
    asked = ",".join(sorted({path.parent.name for path in (shared / "afriqa/gold_passages").glob("*/*.dev.json")}))
    forms = ("--set", "embed.dimensions=[256,512,1024,1536]", "--set", 'embed.precisions=["float","int8","ubinary"]')
    first = ("--set", "rerank.depth=20", "--limit", str(queries))
    jobs = {
        "embed": [("tatoeba_v1", shared, forms), ("xquad_r", shared, forms), ("afriqa", shared, ("-l", asked))],
        "rerank": [("xquad_r", work / "heldout", first), ("afriqa", shared, (*first, "-l", asked))],
    }
    for kind in kinds:
        for name, folder, options in jobs[kind]:
            asks = ("eval", "run", "--suite", kind, "--model", f"checkpoint:{work / kind}", "--data", folder / name)
            glotmill(*asks, *options, "--out", work / f"scores/{kind}-{name}")
            command = [sys.executable, "-c", "from cli.main import main; main()", "eval", "report"]
            subprocess.run([*command, str(work / f"scores/{kind}-{name}")], check=True)


def int8_ranges(embedder: Embedder, shared: Path) -> Row:
    """The least cosine to float of a language's vectors in int8: with the model's one limit, and with ranges of each
    component that were taken from another language."""
    first, *_, last = (
        embedder.embed(list(dict.fromkeys(row["document"] for row in xquad(path))), "document")
        for path in sorted((shared / "xquad_r").glob("*.json"))
    )
    found: Row = {}
    for label, ranges in (
        ("one limit", embedder.ranges[embedder.dimensions[-1]]),
        ("ranges of each component", calibrate_each(first)),
    ):
        back = dequantize(quantize(last, "int8", ranges), "int8", ranges)
        found[label] = round(float(((back * last).sum(1) / np.linalg.norm(back, axis=1)).min()), 6)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300, help="of each head")
    parser.add_argument("--size", default="mini", help="of the model, as model.size")
    parser.add_argument("--pieces", type=int, default=16_000)
    parser.add_argument("--queries", type=int, default=100, help="of each set that the reranker is scored on")
    parser.add_argument("--only", choices=("embed", "rerank"))
    told = parser.parse_args()
    told.work.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    prepare(told.shared, told.work.resolve(), told.pieces)
    kinds = [told.only] if told.only else ["embed", "rerank"]
    for kind in kinds:
        train(told.work.resolve(), kind, told.steps, told.size)
    score(told.shared, told.work.resolve(), kinds, told.queries)
    if "embed" in kinds:
        print(json.dumps({"int8, least cosine to float": int8_ranges(Embedder.load(told.work / "embed"), told.shared)}))
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
