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
from finetune.embed import Embedder, unit
from finetune.mining import NgramMiner
from finetune.quantize import asymmetric_similarity, calibrate_each, dequantize, quantize, similarity
from finetune.rerank import Reranker

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


def accuracy(scores: np.ndarray) -> float:
    """Share of rows whose highest score, without a tie, is the one on the diagonal."""
    own = scores.diagonal().copy()
    np.fill_diagonal(scores, -np.inf)
    return float((own > scores.max(1)).mean())


def score_bitext(embedder: Embedder, shared: Path) -> Row:
    """Tatoeba: own sentence to English, accuracy of the held-out languages and the mean of the others."""
    found, trained = {}, []
    for language, own, english in tatoeba_files(shared):
        scores = embedder.embed(own, "query") @ embedder.embed(english, "document").T
        if language in HELD_OUT:
            found[language] = round(accuracy(scores), 4)
        else:
            trained.append(accuracy(scores))
    return {**found, "mean of trained languages": round(float(np.mean(trained)), 4)}


def retention(embedder: Embedder, shared: Path) -> Row:
    """XQuAD-R, accuracy@1 in its languages together, by dimension and precision; and how int8 ranges compare."""
    rows = [list(xquad(path)) for path in sorted((shared / "xquad_r").glob("*.json"))]
    found: Row = {}
    whole = [_vectors(embedder, own) for own in rows]
    for size in embedder.dimensions:
        ranges = embedder.ranges[size]
        pairs = [(unit(queries[:, :size]), unit(documents[:, :size]), right) for queries, documents, right in whole]
        for name in ("float", "int8", "binary"):
            held = [[quantize(side, name, ranges) for side in pair[:2]] for pair in pairs]  # type: ignore[arg-type]
            hits = [_hits(similarity(*one, name, ranges), pair[2]) for one, pair in zip(held, pairs, strict=True)]  # type: ignore[arg-type]
            found[f"{size} {name}"] = round(float(np.concatenate(hits).mean()), 4)
        mixed = [asymmetric_similarity(one[0], quantize(one[1], "binary"), "binary") for one in pairs]
        hits = [_hits(scores, one[2]) for scores, one in zip(mixed, pairs, strict=True)]
        found[f"{size} float x binary"] = round(float(np.concatenate(hits).mean()), 4)
    own = calibrate_each(pairs[0][1])
    other = pairs[-1][1]  # in another language than the ranges are from
    for label, one in (("one limit", ranges), ("ranges of each component", own)):
        back = dequantize(quantize(other, "int8", one), "int8", one)
        cosine = (back * other).sum(1) / np.linalg.norm(back, axis=1)
        found[f"int8, {label}: least cosine to float"] = round(float(cosine.min()), 6)
    return found


def _vectors(embedder: Embedder, rows: list[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of queries and of the distinct documents, as long as they are, and which document is right."""
    documents = list(dict.fromkeys(row["document"] for row in rows))
    right = np.array([documents.index(row["document"]) for row in rows])
    queries = embedder.embed([row["query"] for row in rows], "query", normalize=False)
    return queries, embedder.embed(documents, "document", normalize=False), right


def _hits(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    own = scores[np.arange(len(scores)), right].copy()
    scores[np.arange(len(scores)), right] = -np.inf
    return np.asarray(own > scores.max(1))


def score_rerank(reranker: Reranker, sets: dict[str, list[Row]], queries: int) -> Row:
    """MRR@10 of the first 20 by BM25 over trigrams, before and after, where the right document is among them."""
    found: Row = {}
    for name, rows in sets.items():
        documents = list(dict.fromkeys(row["document"] for row in rows))
        before, after = [], []
        asked = rows[:queries]
        ranked = NgramMiner().best([row["query"] for row in asked], documents, 20)
        for row, first in zip(asked, ranked, strict=True):
            there = [documents[place] for place in first]
            if row["document"] in there:
                scores = reranker.scores(row["query"], there)
                right = there.index(row["document"])
                before.append(1 / (1 + right))
                after.append(1 / (1 + int((np.delete(scores, right) >= scores[right]).sum())))
        cut = [[value if value >= 0.1 else 0 for value in values] or [0] for values in (before, after)]
        means = [round(float(np.mean(values)), 4) for values in cut]
        found[name] = {"queries": len(before), "first stage": means[0], "reranked": means[1]}
    return found


def score(shared: Path, work: Path, kinds: Iterable[str], queries: int) -> Row:
    found: Row = {}
    if "embed" in kinds:
        embedder = Embedder.load(work / "embed")
        found["tatoeba"] = score_bitext(embedder, shared)
        found["xquad_r"] = retention(embedder, shared)
        queries_, documents, right = _vectors(embedder, list(afriqa(shared, "dev")))
        found["afriqa dev, accuracy@1"] = round(float(_hits(unit(queries_) @ unit(documents).T, right).mean()), 4)
    if "rerank" in kinds:
        sets = {path.stem: list(xquad(path)) for path in sorted((work / "heldout/xquad_r").glob("*.json"))}
        sets["afriqa dev"] = list(afriqa(shared, "dev"))
        found["rerank, MRR@10"] = score_rerank(Reranker.load(work / "rerank"), sets, queries)
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
    found = {**score(told.shared, told.work, kinds, told.queries), "steps": told.steps, "size": told.size}
    (told.work / "scores.json").write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", "utf-8")
    print(json.dumps(found, ensure_ascii=False, indent=2))
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
