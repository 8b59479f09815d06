"""Train embed and rerank heads from random weights on real data; score them on held-out languages and texts.

    python benchmarks/heads.py --shared SHARED --work DIR [--steps N] [--only embed|rerank]

SHARED holds tatoeba_v1, sib200, afriqa, xquad_r and derived_xp3x. DIR keeps finished steps, so that a stopped run
resumes. DIR/heldout has the held-out part in the layout of the sets, for `glotmill eval run`.

Held out as parallel text: all Tatoeba, SIB-200 and FLORES pairs with a side in HELD_OUT, and every pair with an English
sentence that such a Tatoeba pair has. Held out as text: AfriQA's dev split (this copy has no test split), all of XQuAD
for the embedder; for the reranker XQuAD-R's languages but for XQUAD_LANGUAGES, and its last articles in all.
"""

from __future__ import annotations

import argparse
import json
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from command import glotmill

from collection.languages import find
from collection.scripts import SCRIPTS, dominant_script
from core import tables
from finetune.data.shuffle import key_of
from finetune.heads.embedder import Embedder
from finetune.model.quantize import calibrate_each, dequantize, quantize

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
    """Pair each sentence with its English, or with another language, which changes from sentence to sentence."""
    texts: dict[str, dict[str, str]] = {}
    for folder in sorted((shared / "sib200/annotated").iterdir()):
        if code(folder.name) not in HELD_OUT:
            rows = tables.rows(folder / "train.tsv", "tsv")
            texts[folder.name] = {row.data["index_id"]: row.data["text"] for row in rows}
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
        for row in (row.data for row in tables.rows(path, "jsonl")):
            own = PIVOTS[pivot]
            for question, asked in ((row.get("question_lang"), code(language)), (row["question_translated"], own)):
                if isinstance(question, str) and isinstance(row["context"], str):  # a few are null or NaN
                    names = {"language": asked, "document_language": own}
                    yield {"query": question, "document": f"{row['title']}\n{row['context']}", **names}


def afriqa_train(shared: Path) -> Iterator[Row]:
    held = {text for row in afriqa(shared, "dev") for text in (row["query"], row["document"])}
    for row in afriqa(shared, "train"):
        if row["query"] not in held and row["document"] not in held:
            yield row


def stretches(shared: Path) -> Iterator[Row]:
    """Pair two eighths of a sentence with the sentence, to teach that the same words mean the same.

    Without such pairs, a new encoder soon retrieves less than an untrained one, since translations share no words.
    """
    for row in sib(shared):
        pieces, glue = _pieces(row["query"])
        length = max(1, len(pieces) // 8)
        if (room := len(pieces) - 2 * length) >= 2 * length:
            first, second = sorted(key_of(which, row["query"]) % (room + 1) for which in "ab")
            parts = pieces[first : first + length], pieces[second + length : second + 2 * length]
            query = " ".join(glue.join(part) for part in parts)
            yield {"query": query, "document": row["query"], "language": row["language"]}


def _pieces(text: str) -> tuple[list[str], str]:
    """Split a text into units: words, or characters with their marks in scripts without spaces."""
    script = dominant_script(text)
    if not script or SCRIPTS[script].spaced:
        return text.split(), " "
    pieces: list[str] = []
    for character in text:
        if pieces and unicodedata.category(character).startswith("M"):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces, ""


def instructions(shared: Path) -> Iterator[Row]:
    """Yield prompts with their answers, without XQuAD and without translations from or into a held-out language."""
    for path in sorted((shared / "derived_xp3x").glob("*/*.jsonl")):
        if "xquad" in path.name or ("flores" in path.name and any(name in path.name for name in HELD_OUT)):
            continue
        for row in (row.data for row in tables.rows(path, "jsonl")):
            if len(row["targets"]) > 8:
                yield {"query": row["inputs"], "document": row["targets"], "language": code(row["language"])}


def xquad(path: Path, articles: slice | None = None) -> Iterator[Row]:
    """Yield questions, each with the sentence that contains its answer."""
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
    "stretches": stretches,
    "afriqa": afriqa_train,
    "xp3x": instructions,  # for the tokenizer alone
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


def prepare(shared: Path, work: Path, pieces: int) -> None:
    """Write the pairs, the held-out sets, and a tokenizer of the training text."""
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
{model}
[head]
kind = "{kind}"
{head}
{pairs}
[data]
rows = {rows}
[data.validation]
hold_out = 0.01
examples = 20
rows = 64
"""
SCHEDULE = """[optimizer.schedule]
factors = "linear_decay"
base = {rate}
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
NEW = """tokenizer = "{work}/tokenizer"
size = "mini"
shape = {{ encoder_layers = 2, feed_forward = 512 }}"""


@dataclass(frozen=True)
class Recipe:
    """The training settings of one head."""

    steps: int
    rows: int
    rate: float
    weights: Mapping[str, float]  # of the sources, by their steps
    model: str
    head: str


RECIPES = {
    "embed": Recipe(1_000, 128, 3e-3, {"stretches": 5, "tatoeba": 2, "sib": 2, "afriqa": 2}, NEW, "max_tokens = 96"),
    "rerank": Recipe(
        500,
        16,
        2e-3,
        {"stretches": 3, "xquad": 2, "afriqa": 1},
        'init = "{work}/embed"',
        "max_tokens = 160\nquery_tokens = 48\noverlap = 32\nnegatives = 5",  # at random, of the same language
    ),
}
BOTH_WAYS = ("tatoeba", "sib")


def schedule(steps: int, rate: float, every: int) -> str:
    """Return the schedule: up to `rate` in the first tenth, then down to zero, evaluated every `every` steps."""
    warmup = max(1, steps // 10)
    return SCHEDULE.format(rate=rate, warmup=warmup, decay=0.98 / max(1, steps - warmup), every=every)


def train(work: Path, kind: str, steps: int) -> None:
    recipe = RECIPES[kind]
    steps = steps or recipe.steps
    pairs = "".join(
        f'[[head.pairs]]\npath = "{work}/pairs/{name}.jsonl"\nweight = {weight}\n'
        + ("both_ways = true\n" if name in BOTH_WAYS else "")
        for name, weight in recipe.weights.items()
    )
    text = CONFIG.format(
        steps=steps,
        model=recipe.model.format(work=work),
        kind=kind,
        head=recipe.head,
        pairs=pairs,
        rows=recipe.rows,
    )
    (work / f"{kind}.toml").write_text(text + schedule(steps, recipe.rate, max(1, steps // 2)), "utf-8")
    glotmill("finetune", work / f"{kind}.toml", "--out", work / kind)


def score(shared: Path, work: Path, kinds: Iterable[str], queries: int) -> None:
    """Score the heads with `glotmill eval` into DIR/scores: every language, by dimension and precision."""
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
            glotmill("eval", "report", work / f"scores/{kind}-{name}", shown=True)


def int8_ranges(embedder: Embedder, shared: Path) -> Row:
    """Return the least cosine between int8 and float vectors of a language.

    Once with the one limit of the model, once with ranges of each component that were taken from another language.
    """
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
    parser.add_argument("--steps", type=int, default=0, help="of each head; 0: 1,000 for embed, 500 for rerank")
    parser.add_argument("--pieces", type=int, default=16_000)
    parser.add_argument("--queries", type=int, default=100, help="of each set that the reranker is scored on")
    parser.add_argument("--only", choices=("embed", "rerank"), help="rerank begins with the embed model in DIR")
    told = parser.parse_args()
    told.work.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    prepare(told.shared, told.work.resolve(), told.pieces)
    kinds = [told.only] if told.only else ["embed", "rerank"]
    for kind in kinds:
        train(told.work.resolve(), kind, told.steps)
    score(told.shared, told.work.resolve(), kinds, told.queries)
    if "embed" in kinds:
        print(json.dumps({"int8, least cosine to float": int8_ranges(Embedder.load(told.work / "embed"), told.shared)}))
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
