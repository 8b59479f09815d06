"""Measure speed and memory of the data side, as shares of physical limits measured in the same run.

    python benchmarks/data.py [--shared DIR] [--repeat 5] [--rows 200000] [--only lid,ingest,exact,near,linear]

Needs the benchmark folder of the peers (`bench/peers_data`) and SIB-200 (`data/sib200`) below DIR. Figures are in rows
a CPU-second of the whole process tree, start-up included. Limit and job alternate, and the median ratio counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import measure

GLOTMILL = [str(Path(sys.executable).with_name("glotmill"))]
# The corpus is one table: its text is the answer.
TABLE = [
    "--set",
    "table.inputs=Write a sentence.",
    "--set",
    "table.targets={text}",
    "--set",
    "table.id={id}",
    "--set",
    "table.language={lang}",
]
LID = "fasttext:lid.176.ftz"
# Language ID and a filter on its answer, nothing else: what the peers' job does.
ALONE = [
    "--set",
    "filters.enabled=false",
    "--set",
    "clean.mojibake=false",
    "--set",
    "clean.mask_private=false",
    "--set",
    "language_id.policy=reject",
    "--set",
    "language_id.min_score=0.5",
]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument(
        "--shared",
        type=Path,
        default=Path(os.environ.get("GLOTMILL_SHARED", Path(__file__).resolve().parents[2] / "shared")),
    )
    arguments.add_argument("--repeat", type=int, default=5)
    arguments.add_argument("--rows", type=int, default=200_000)
    arguments.add_argument("--only", default="lid,ingest,exact,near,linear")
    arguments.add_argument("--work", type=Path, help="where the corpora are kept; a temporary folder if not given")
    given = arguments.parse_args()
    peers = given.shared / "bench" / "peers_data"
    if not (peers / "limits.py").exists() or not (given.shared / "data" / "sib200").exists():
        sys.exit(f"no benchmark data below {given.shared}: --shared says where bench/peers_data and data/sib200 are")
    # Compiled modules belong to a normal installation; without them every start pays for compiling.
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", *(p for p in sys.path if p.endswith("site-packages"))],
        check=False,
        stdout=subprocess.DEVNULL,
    )
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(peers, given.shared, given.work or Path(temporary), given.repeat)
        print(f"{time.strftime('%Y-%m-%d')}, {_machine()}, {given.repeat} repetitions, medians\n")
        jobs: dict[str, Callable[[int], None]] = {
            "lid": bench.lid,
            "ingest": bench.ingest,
            "exact": bench.exact,
            "near": bench.near,
            "linear": bench.linear,
        }
        for name in given.only.split(","):
            jobs[name](given.rows)
        print(json.dumps(bench.results))


class Bench:
    """The jobs. Each prints a line and keeps its figures in `results`."""

    def __init__(self, peers: Path, shared: Path, work: Path, repeat: int) -> None:
        self._peers, self._shared, self._work, self._repeat = peers, shared, work, repeat
        self.results: dict[str, object] = {}

    def lid(self, rows: int) -> None:
        """Measure language ID and filter alone, compared with bare calls of the fastText library in two processes."""
        self._against_limit("lid", rows, ["--detector", LID, *ALONE])

    def ingest(self, rows: int) -> None:
        """Measure the whole default ingest with the same detector, and with the default one."""
        self._against_limit("ingest", rows, ["--detector", LID])
        self._against_limit("ingest, vote", rows, [])

    def exact(self, rows: int) -> None:
        """Measure a build without near duplicates: exact duplicates, splits, sorting by language, card."""
        ingested = self._ingested(rows)
        runs = [
            self._run("build", "--input", str(ingested), "--set", "duplicates.near=false") for _ in range(self._repeat)
        ]
        self._report("build, exact dedup", rows, runs, {"rows_out": runs[0].result["rows_out"]})

    def near(self, rows: int) -> None:
        """Measure a build with near duplicates, compared with bare MinHash of the same rows if rensa is installed."""
        ingested, shares, runs = self._ingested(rows), [], []
        for _ in range(self._repeat):
            runs.append(self._run("build", "--input", str(ingested)))
            if importlib.util.find_spec("rensa"):
                corpus = self._corpus(rows)
                limit = measure.run([sys.executable, str(self._peers / "limits.py"), "minhash", "--data", str(corpus)])
                shares.append(limit.cpu / runs[-1].cpu)
        more: dict[str, object] = {"rows_out": runs[0].result["rows_out"]}
        if shares:
            more["share of limit"] = round(statistics.median(shares), 3)
        self._report("build, near dedup", rows, runs, more)

    def _ingested(self, rows: int) -> Path:
        ingested = self._work / f"ingested-{rows}"
        if not (ingested / "manifest.json").exists():
            source = ["--source", f"table={self._corpus(rows)}", *TABLE]
            measure.run([*GLOTMILL, "ingest", *source, *ALONE, "--detector", "none", "--out", str(ingested), "--json"])
        return ingested

    def linear(self, rows: int) -> None:
        """Measure a tenth, the whole and ten times the rows in one process: cost of a row, and memory."""
        costs: dict[str, list[measure.Run]] = {"ingest": [], "build": []}
        sizes = [rows // 10, rows, rows * 10]
        for size in sizes:
            corpus = self._corpus(size)
            ingested = self._work / f"linear-{size}"
            shutil.rmtree(ingested, ignore_errors=True)
            costs["ingest"].append(
                measure.run(
                    [
                        *GLOTMILL,
                        "ingest",
                        "--source",
                        f"table={corpus}",
                        *TABLE,
                        "--detector",
                        LID,
                        "--set",
                        "run.mode=in_memory",
                        "--out",
                        str(ingested),
                        "--json",
                    ]
                )
            )
            # Near duplicates grow faster than the rows here: all corpora draw on the same 250,000 sentences.
            exact = ["--set", "duplicates.near=false", "--set", "run.mode=in_memory"]
            costs["build"].append(self._run("build", "--input", str(ingested), *exact))
            shutil.rmtree(ingested)
        for job, runs in costs.items():
            steps = [runs[i + 1].cpu / runs[i].cpu for i in range(2)]
            figures = ", ".join(
                f"{size:,} rows {run.cpu:.1f} CPU-s {run.peak} MiB" for size, run in zip(sizes, runs, strict=True)
            )
            print(f"linear, {job}: {figures}; ten times the rows cost {steps[0]:.1f} and {steps[1]:.1f} times")
            self.results[f"linear {job}"] = {
                "cpu": [round(run.cpu, 1) for run in runs],
                "mib": [run.peak for run in runs],
                "times": [round(step, 2) for step in steps],
            }

    def _against_limit(self, name: str, rows: int, options: list[str]) -> None:
        corpus = self._corpus(rows)
        ratios, runs = [], []
        for _ in range(self._repeat):
            limit = measure.run(
                [sys.executable, str(self._peers / "limits.py"), "lid", "--data", str(corpus), "--lid", _lid_model()]
            )
            ours = self._run("ingest", "--source", f"table={corpus}", *TABLE, *options)
            ratios.append(limit.cpu / ours.cpu)
            runs.append(ours)
        share = statistics.median(ratios)
        self._report(
            name, rows, runs, {"share of limit": round(share, 3), "shares": [round(ratio, 3) for ratio in ratios]}
        )

    def _run(self, *arguments: str) -> measure.Run:
        out = self._work / "out"
        shutil.rmtree(out, ignore_errors=True)
        done = measure.run([*GLOTMILL, *arguments, "--out", str(out), "--json"])
        shutil.rmtree(out)
        return done

    def _report(self, name: str, rows: int, runs: list[measure.Run], more: dict[str, object]) -> None:
        speed = rows / statistics.median(run.cpu for run in runs)
        peak = max(run.peak for run in runs)
        wall = statistics.median(run.wall for run in runs)
        print(f"{name}: {speed:,.0f} rows per CPU-second, {wall:.1f} s, {peak} MiB, {more}", flush=True)
        self.results[name] = {"rows_per_cpu_second": round(speed), "wall_s": round(wall, 1), "mib": peak, **more}

    def _corpus(self, rows: int) -> Path:
        corpus = self._work / f"corpus-{rows}"
        if not corpus.exists():
            text = self._work / "text"
            if not text.exists():
                self._script("sib_to_text.py", str(self._shared / "data" / "sib200"), str(text))
            self._script("make_corpus.py", "--text-dir", str(text), "--out", str(corpus), "--rows", str(rows))
        return corpus

    def _script(self, name: str, *arguments: str) -> None:
        subprocess.run([sys.executable, str(self._peers / name), *arguments], check=True, stdout=subprocess.DEVNULL)


def _lid_model() -> str:
    from collection.detectors.fasttext import model_path

    return str(model_path("lid.176.ftz"))


def _machine() -> str:
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
