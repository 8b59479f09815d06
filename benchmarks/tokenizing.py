"""Measure fairness of tokenizers by sampling rule, and speed of encoding as a share of the bare library's.

    python benchmarks/tokenizing.py fairness [--shared DIR] [--work DIR] [--sizes 32000,64000] [--write PAGE]
    python benchmarks/tokenizing.py speed    [--shared DIR] [--work DIR] [--rows 400000] [--repeat 5] [--processes 2]
    python benchmarks/tokenizing.py density  [--shared DIR]          writes tokenizer/density.tsv

SIB-200 (`data/sib200` below DIR) is the text: of its 701 training sentences, parallel in 205 varieties, those with a
fifth of the ids are held out for the report. Three corpora are made of the rest: `balanced` has every sentence once;
`unbalanced` has the shares of real collections, English 20%, the smallest languages one row in a thousand, with rows
drawn repeatedly from the same sentences; `scarce` has no sentence twice, all of English and a twentieth of the
smallest. Finished tokenizers are kept in --work and reused.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import measure

from core import tables

ROOT = Path(__file__).resolve().parents[1]
GLOTMILL = [str(Path(sys.executable).with_name("glotmill"))]
ENGLISH = "eng_Latn"
# The power of the rank at which the last of 204 varieties has a twentieth.
_SCARCE = 0.563
# The rules side by side; the first is the library alone, on the shuffled lines.
RULES: dict[str, list[str]] = {
    "SentencePiece alone": [],
    "α = 1.0": ["sample.rule=temperature", "sample.alpha=1.0"],
    "α = 0.3": ["sample.rule=temperature", "sample.alpha=0.3"],
    "UniMax": ["sample.rule=unimax"],
    "parity": ["sample.rule=parity"],
    "parity, parallel text": ["sample.rule=parity"],
}
PLAIN = """
import json, resource, sys, time
import sentencepiece
sentencepiece.SentencePieceTrainer.train(
    input=sys.argv[1], model_prefix=sys.argv[2], vocab_size=int(sys.argv[3]), model_type="unigram", pad_id=0, eos_id=1,
    unk_id=2, bos_id=-1, byte_fallback=True, normalization_rule_name="nfkc", num_threads=8, minloglevel=2,
    max_sentence_length=1 << 20)
print(json.dumps({}))
"""
BARE = """
import json, multiprocessing, sys, time
import sentencepiece

def count(part):
    model = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])
    texts = open(sys.argv[2], encoding="utf-8").read().split("\\n")[part::int(sys.argv[3])]
    begun, tokens = time.process_time(), 0
    for start in range(0, len(texts), 4000):
        tokens += sum(map(len, model.encode(texts[start:start + 4000], num_threads=1)))
    return tokens, time.process_time() - begun

with multiprocessing.get_context("fork").Pool(int(sys.argv[3])) as pool:
    counted = pool.map(count, range(int(sys.argv[3])), chunksize=1)
print(json.dumps({"tokens": sum(one for one, _ in counted), "cpu": sum(one for _, one in counted)}))
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("job", choices=("fairness", "speed", "density"))
    arguments.add_argument(
        "--shared", type=Path, default=Path(os.environ.get("GLOTMILL_SHARED", ROOT.parent / "shared"))
    )
    arguments.add_argument("--work", type=Path, help="where corpora and tokenizers are kept; else a temporary folder")
    arguments.add_argument("--sizes", default="32000,64000")
    arguments.add_argument("--corpora", default="balanced,unbalanced,scarce")
    arguments.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES), metavar="RULE")
    arguments.add_argument("--write", type=Path, help="the page whose table is to be replaced")
    arguments.add_argument("--rows", type=int, default=400_000)
    arguments.add_argument("--repeat", type=int, default=5)
    arguments.add_argument("--processes", type=int, default=2, help="of speed: those of ours, and of the library alone")
    given = arguments.parse_args()
    sib = given.shared / "data" / "sib200" / "annotated"
    if not sib.exists():
        sys.exit(f"no SIB-200 below {given.shared}: --shared says where data/sib200 is")
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if given.job == "density":
            density(sib)
        elif given.job == "speed":
            speed(sib, work, given.rows, given.repeat, given.processes)
        else:
            sizes = [int(size) for size in given.sizes.split(",")]
            fairness(sib, work, sizes, given.corpora.split(","), given.rules, given.write)


def sentences(sib: Path) -> dict[str, dict[str, str]]:
    """Return the training sentences of every variety, by id."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(sib.glob("*/train.tsv")):
        found[path.parent.name] = {row.data["index_id"]: row.data["text"] for row in tables.rows(path, "tsv")}
    return found


def held_out(key: str) -> bool:
    return zlib.crc32(key.encode()) % 5 == 0


def density(sib: Path) -> None:
    """Write the number of characters that correspond to one of English, over all training sentences."""
    texts = sentences(sib)
    whole = sum(map(len, texts[ENGLISH].values()))
    lines = [f"{code}\t{sum(len(texts[code][key]) for key in texts[ENGLISH]) / whole:.3f}\n" for code in texts]
    (ROOT / "tokenizer" / "density.tsv").write_text("code\tdensity\n" + "".join(lines), "utf-8")


def fairness(sib: Path, work: Path, sizes: list[int], corpora: list[str], rules: list[str], page: Path | None) -> None:
    """Print a table of all rules, on both corpora, at all sizes."""
    texts = sentences(sib)
    _write_parallel(texts, work / "held-out", held_out)
    rows = []
    for corpus in corpora:
        folder = _corpus(texts, work, corpus)
        for size in sizes[:1] if corpus == "scarce" else sizes:  # it has too little text for more
            for rule in rules:
                rows.append(_judged(folder, corpus, size, rule, work, texts))
                print(rows[-1], flush=True)
    lines = [
        "| corpus | pieces | rule | mean parity | worst | worst three | tokens a sentence | English | bytes | CPU-s |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    print("\n".join(lines))
    if page:
        text = page.read_text("utf-8")
        table = "<!-- fairness -->\n" + "\n".join(lines) + "\n<!-- end -->"
        page.write_text(re.sub(r"<!-- fairness -->.*?<!-- end -->", lambda _: table, text, flags=re.DOTALL), "utf-8")


def _write_parallel(texts: dict[str, dict[str, str]], folder: Path, wanted: Callable[[str], bool]) -> None:
    for code, found in texts.items():
        (folder / code).mkdir(parents=True, exist_ok=True)
        with open(folder / code / "test.tsv", "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t")
            writer.writerow(("index_id", "text"))
            writer.writerows((key, text) for key, text in sorted(found.items()) if wanted(key))


def _corpus(texts: dict[str, dict[str, str]], work: Path, name: str) -> Path:
    """Write a folder of plain text, and all lines in one shuffled file."""
    folder = work / name
    if (folder / "shuffled").exists():
        return folder
    trained = {
        code: [text for key, text in sorted(found.items()) if not held_out(key)] for code, found in texts.items()
    }
    rows = {code: len(lines) for code, lines in trained.items()}
    if name == "unbalanced":
        rows = _rows(trained)
    elif name == "scarce":
        rows |= {code: round(rows[code] * rank**-_SCARCE) for rank, code in enumerate(_ranked(trained), 1)}
    (folder / "text").mkdir(parents=True, exist_ok=True)
    everything = []
    for code, lines in trained.items():
        drawn = [lines[place % len(lines)] for place in range(rows[code])]
        (folder / "text" / f"{code}.txt").write_text("".join(line + "\n" for line in drawn), "utf-8")
        everything += drawn
    random.Random(0).shuffle(everything)
    (folder / "shuffled").write_text("".join(line + "\n" for line in everything), "utf-8")
    return folder


def _rows(trained: dict[str, list[str]]) -> dict[str, int]:
    """Return the rows of each variety: English 20%, the others by a power law of rank down to one in a thousand."""
    ranked = _ranked(trained)
    low, high = 0.0, 3.0
    for _ in range(60):
        power = (low + high) / 2
        shares = [rank**-power for rank in range(1, len(ranked) + 1)]
        smallest = 0.8 * shares[-1] / sum(shares)
        low, high = (power, high) if smallest > 0.001 else (low, power)
    whole = len(trained[ranked[-1]]) / 0.001
    found = {code: round(whole * 0.8 * share / sum(shares)) for code, share in zip(ranked, shares, strict=True)}
    return found | {ENGLISH: round(whole * 0.2)}


def _ranked(trained: dict[str, list[str]]) -> list[str]:
    """Return all varieties but English, those with most resources first."""
    from collection.languages import find

    classes = {"high": 0, "mid": 1, "low": 2}
    return sorted(
        (code for code in trained if code != ENGLISH),
        key=lambda code: (classes.get(language.resource if (language := find(code)) else None, 3), code),
    )


def _judged(folder: Path, corpus: str, size: int, rule: str, work: Path, texts: dict[str, dict[str, str]]) -> str:
    name = re.sub(r"\W+", "-", f"{corpus}-{size}-{rule}").strip("-")
    out, cost = work / "tokenizers" / name, work / "tokenizers" / f"{name}.json"
    model = out / "tokenizer.model"
    if not cost.exists():
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        if not RULES[rule]:
            prefix = str(model).removesuffix(".model")
            done = measure.run([sys.executable, "-c", PLAIN, str(folder / "shuffled"), prefix, str(size)])
        else:
            sets = [word for one in RULES[rule] for word in ("--set", one)]
            more = ["--parallel", str(_balancing(texts, work))] if "parallel" in rule else []
            command = [
                "tokenizer",
                "train",
                "--text",
                str(folder / "text"),
                "--vocab-size",
                str(size),
                "--out",
                str(out),
            ]
            done = measure.run([*GLOTMILL, *command, *sets, *more, "--json"])
        cost.write_text(json.dumps({"cpu": done.cpu, "wall": done.wall, "mib": done.peak}))
    summary = measure.run(
        [*GLOTMILL, "tokenizer", "report", "--tokenizer", str(model), "--data", str(work / "held-out"), "--json"]
    ).result["tokenizers"][0]
    languages = summary["by_language"]
    worst = ", ".join(f"{languages[code]['name']} {languages[code]['parity']:.2f}" for code in summary["worst"][:3])
    english = languages[ENGLISH]["tokens"] / languages[ENGLISH]["texts"]
    cpu = json.loads(cost.read_text())["cpu"]
    return (
        f"| {corpus} | {size:,} | {rule} | {summary['mean_parity']:.3f} | {summary['worst_parity']:.3f} | {worst} "
        f"| {summary['tokens_per_text']:.1f} | {english:.1f} | {summary['byte_share']:.2%} | {cpu:.0f} |"
    )


def _balancing(texts: dict[str, dict[str, str]], work: Path) -> Path:
    """Write parallel sentences to balance by: a tenth of the ids, among those for training and not for the report."""
    folder = work / "balancing"
    _write_parallel(texts, folder, lambda key: zlib.crc32(key.encode()) % 10 == 1)
    return folder


def speed(sib: Path, work: Path, rows: int, repeat: int, processes: int) -> None:
    """Measure tokens a CPU-second of `glotmill tokenizer encode`, start-up included, and of the bare library.

    The library runs on the same texts in as many processes. The two alternate.
    """
    # Compiled modules belong to a normal installation; without them every start includes compiling.
    places = [str(ROOT / name) for name in ("core", "collection", "glotmill", "tokenizer")]
    places += [path for path in sys.path if path.endswith("site-packages")]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *places], check=False, stdout=subprocess.DEVNULL)
    collection, plain, tokenizer = _collection(sib, work, rows)
    library = [sys.executable, "-c", BARE, str(tokenizer / "tokenizer.model"), str(plain), str(processes)]
    shares, ours, theirs = [], [], []
    for _ in range(repeat):
        bare = measure.run(library).result
        out = work / "tokens"
        shutil.rmtree(out, ignore_errors=True)
        command = ["tokenizer", "encode", "--tokenizer", str(tokenizer), "--collection", str(collection)]
        run = measure.run([*GLOTMILL, *command, "--out", str(out), "--set", f"workers={processes}", "--json"])
        tokens = json.loads((out / "stats.json").read_text())["tokens"]
        theirs.append(bare["tokens"] / bare["cpu"])
        ours.append((tokens / run.cpu, run.wall, run.peak))
        shares.append(ours[-1][0] / theirs[-1])
        print(f"{ours[-1][0]:,.0f} of {theirs[-1]:,.0f}: {shares[-1]:.3f}, load {os.getloadavg()[0]:.1f}", flush=True)
    print(
        f"{time.strftime('%Y-%m-%d')}: {statistics.median(one for one, _, _ in ours):,.0f} tokens per CPU-second, "
        f"the library alone {statistics.median(theirs):,.0f}; share {statistics.median(shares):.3f} "
        f"({min(shares):.3f} to {max(shares):.3f}); {processes} processes, {rows:,} rows, {tokens:,} tokens, "
        f"{statistics.median(wall for _, wall, _ in ours):.1f} s, {max(peak for _, _, peak in ours)} MiB"
    )


def _collection(sib: Path, work: Path, rows: int) -> tuple[Path, Path, Path]:
    """Write records of two sentences of SIB-200, a file of all their turns, and a tokenizer trained on a tenth."""
    from collection.manifest import KEPT, Input, Manifest, Tally
    from collection.record import Message, Record
    from collection.store import PartWriter

    folder, plain, tokenizer = work / f"collection-{rows}", work / f"turns-{rows}", work / "tokenizer"
    if not (folder / "manifest.json").exists():
        texts = {code: list(found.values()) for code, found in sentences(sib).items()}
        draw, codes, tally, turns = random.Random(0), sorted(texts), Tally(), []
        parts = 8
        for part in range(parts):
            with PartWriter(folder, part, parts) as writer:
                for start in range(0, rows // parts, 1000):
                    batch = []
                    for number in range(start, min(start + 1000, rows // parts)):
                        code = draw.choice(codes)
                        ask, answer = (draw.choice(texts[code]) for _ in range(2))
                        turns += [ask, answer]
                        messages = (Message("user", ask), Message("assistant", answer))
                        batch.append(
                            Record.of(messages=messages, language=code, source="sib200", source_id=f"{part}-{number}")
                        )
                        tally.outcomes["sib200", code, KEPT] += 1
                    writer.write(batch)
        plain.write_text("\n".join(turns), "utf-8")
        Manifest.of("ingest", tally, parts, inputs=[Input("sib200", 0, "")], complete=True).write(folder)
    if not (tokenizer / "glotmill_tokenizer.json").exists():
        command = ["tokenizer", "train", "--text", str(_corpus(sentences(sib), work, "balanced") / "text")]
        measure.run(
            [
                *GLOTMILL,
                *command,
                "--vocab-size",
                "32000",
                "--set",
                "parity.rounds=0",
                "--out",
                str(tokenizer),
                "--json",
            ]
        )
    return folder, plain, tokenizer


if __name__ == "__main__":
    main()
