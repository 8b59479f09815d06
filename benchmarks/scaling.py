"""Measure how cost, memory and disk of ingest and build grow with the rows, for docs/scaling.md.

    python benchmarks/scaling.py [--rows 1000000,3000000,10000000] [--detector NAME] [--shared DIR] [--work DIR]

Rows are made of the words of SIB-200: 205 varieties, as unequal as real collections are (the n-th language has 1/n of
the rows of the first), no two rows alike but one in a hundred that is an exact copy of another one and two that are
near copies. Needs SIB-200 (`data/sib200`) below DIR. CPU seconds are those of the whole process tree.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import measure

from collection import labelled

GLOTMILL = str(Path(sys.executable).with_name("glotmill"))
ROWS_A_FILE = 500_000
EXACT, NEAR = 0.01, 0.02


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", default="1000000,3000000,10000000")
    arguments.add_argument("--detector", default="fasttext:lid.176.ftz")
    arguments.add_argument(
        "--shared",
        type=Path,
        default=Path(os.environ.get("GLOTMILL_SHARED", Path(__file__).resolve().parents[2] / "shared")),
    )
    arguments.add_argument("--work", type=Path, help="where the rows are kept; a temporary folder if not given")
    given = arguments.parse_args()
    sib = given.shared / "data" / "sib200" / "annotated"
    if not sib.exists():
        sys.exit(f"no SIB-200 below {given.shared}: --shared says where data/sib200 is")
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for rows in map(int, given.rows.split(",")):
            source = work / f"rows-{rows}"
            if not source.exists():
                make(sib, source, rows)
            ingested, built = work / f"ingested-{rows}", work / f"built-{rows}"
            for command in (
                ["ingest", "--source", f"xp3x={source}", "--detector", given.detector, "--out", str(ingested)],
                ["build", "--input", str(ingested), "--out", str(built)],
            ):
                print(json.dumps(figures(command, rows, Path(command[-1]))), flush=True)
            shutil.rmtree(built)
            shutil.rmtree(ingested)


def make(sib: Path, folder: Path, rows: int) -> None:
    """Write the rows, in files of half a million."""
    words = {
        language: sorted({word for sentence in sentences for word in pieces(sentence, language.script.spaced)})
        for language, sentences in labelled.read(sib, 200)
    }
    languages = list(words)
    shares = [1 / (rank + 1) for rank in range(len(languages))]
    drawn = random.Random(0)
    folder.mkdir(parents=True)
    last: dict[str, tuple[str, str]] = {}
    for start in range(0, rows, ROWS_A_FILE):
        count = min(ROWS_A_FILE, rows - start)
        with open(folder / f"{start // ROWS_A_FILE:04d}.jsonl", "w", encoding="utf-8") as file:
            for language in drawn.choices(languages, shares, k=count):
                blank = " " if language.script.spaced else ""
                known = words[language]
                chance = drawn.random()
                if language.code in last and chance < EXACT:
                    prompt, answer = last[language.code]
                elif language.code in last and chance < EXACT + NEAR:
                    prompt, answer = last[language.code]
                    answer += blank + drawn.choice(known)
                else:
                    prompt = blank.join(drawn.choices(known, k=12))
                    answer = blank.join(drawn.choices(known, k=drawn.randint(20, 40)))
                    last[language.code] = prompt, answer
                row = {"inputs": prompt, "targets": answer, "language": language.code}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def pieces(sentence: str, spaced: bool) -> list[str]:
    """Return words, or units of a few characters for scripts without spaces."""
    if spaced:
        return sentence.split()
    text = sentence.replace(" ", "")
    return [text[start : start + 4] for start in range(0, len(text) - 3, 4)]


def figures(command: list[str], rows: int, out: Path) -> dict[str, object]:
    """Return the cost of a command, the phases of its manifest, and the largest size of its work folder."""
    stop, most = threading.Event(), [0]

    def watch() -> None:
        while not stop.wait(1.0):
            most[0] = max(most[0], size(out / ".work"))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        run = measure.run([GLOTMILL, *command, "--json"])
    finally:
        stop.set()
        watching.join()
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    phases = manifest["run"].get("phases", {})
    return {
        "command": command[0],
        "rows": rows,
        "rows_out": manifest["rows_out"],
        "rejected": manifest["rejected"],
        "cpu_s": round(run.cpu, 1),
        "wall_s": round(run.wall, 1),
        "peak_mib": run.peak,
        "in_mb": sum(one["bytes"] for one in manifest["inputs"]) // 10**6,
        "out_mb": size(out) // 10**6,
        "work_mb": most[0] // 10**6,
        "phases_cpu_s": {name: phase["cpu_seconds"] for name, phase in phases.items()},
        "date": time.strftime("%Y-%m-%d"),
    }


def size(folder: Path) -> int:
    """Return the bytes that the files below a folder occupy on disk; holes of sparse files do not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except OSError:
            continue
    return total


if __name__ == "__main__":
    main()
