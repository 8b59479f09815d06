"""Measure requests a second to servers, as a share of concurrency / latency, in the same run.

The server is tests/teacher.py, a separate process on loopback, which answers each chat after `--latency` seconds. Bare
libraries alternate with our transport and send the same requests, with nothing cached, counted or retried: httpx in
threads, httpx in asyncio. They show what the machine can do at the time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from collection.manifest import KEPT, Manifest, Tally
from collection.record import Message, Record
from collection.store import PartWriter
from core.remote import Account, Budget, RemoteConfig, RemoteJob, Request, Session, make_client

TEACHER = Path(__file__).resolve().parent.parent / "tests" / "teacher.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--requests", type=int, default=1600)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    limit = options.concurrency / options.latency
    with subprocess.Popen(
        [sys.executable, TEACHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        httpx.post(f"{url}/behave", json={"latency": options.latency}).raise_for_status()
        jobs: dict[str, Callable[[str], None]] = {
            "httpx, threads, bare": lambda mark: bare_threads(url, mark, options),
            "httpx, asyncio, bare": lambda mark: asyncio.run(bare_asyncio(url, mark, options)),
            "transport, openai": lambda mark: transport("openai", f"{url}/v1", mark, options),
            "transport, cohere": lambda mark: transport("cohere", url, mark, options),
            "glotmill synthesize, openai": lambda mark: command("openai", f"{url}/v1", mark, options),
            "glotmill synthesize, cohere": lambda mark: command("cohere", url, mark, options),
        }
        shares: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
        for number in range(options.repeat):
            for name, job in jobs.items():
                begun, spent = time.monotonic(), time.process_time()
                job(f"{name} {number}")
                seconds, cpu = time.monotonic() - begun, time.process_time() - spent
                shares[name].append((options.requests / seconds / limit, 1000 * cpu / options.requests))
        server.stdin.close()
    print(f"limit: {limit:,.0f} requests/s ({options.concurrency} at once, {options.latency * 1000:.0f} ms each)")
    result = {}
    for name, runs in shares.items():
        share, cpu = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
        low, high = min(run[0] for run in runs), max(run[0] for run in runs)
        print(f"{name:30} {share:.2f} of it ({low:.2f} to {high:.2f}), {cpu:.2f} ms of CPU a request")
        result[name] = {"share": round(share, 3), "low": round(low, 3), "high": round(high, 3), "cpu_ms": round(cpu, 3)}
    print(json.dumps(result))


def body(mark: str, number: int) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": f"{mark} question {number}"}], "max_tokens": 100}


def bare_threads(url: str, mark: str, options: argparse.Namespace) -> None:
    with httpx.Client(timeout=10) as client, ThreadPoolExecutor(options.concurrency) as pool:

        def ask(number: int) -> str:
            return client.post(f"{url}/v1/chat/completions", json=body(mark, number)).json()["id"]

        assert len(list(pool.map(ask, range(options.requests)))) == options.requests


async def bare_asyncio(url: str, mark: str, options: argparse.Namespace) -> None:
    async with httpx.AsyncClient(timeout=10) as client:
        gate = asyncio.Semaphore(options.concurrency)

        async def ask(number: int) -> str:
            async with gate:
                return (await client.post(f"{url}/v1/chat/completions", json=body(mark, number))).json()["id"]

        assert len(await asyncio.gather(*map(ask, range(options.requests)))) == options.requests


def transport(kind: str, url: str, mark: str, options: argparse.Namespace) -> None:
    """Measure the transport without rows: cache, counting, limits, client."""
    config = RemoteConfig(concurrency=options.concurrency)
    with tempfile.TemporaryDirectory() as out:
        job = RemoteJob.of(config, Budget(requests=10**9), Path(out))
        with Session(job) as session:
            server = session.remote(make_client(kind, url, Account(), config), Account())

            def ask(number: int) -> str:
                return server.ask(Request.chat("m", (("user", f"{mark} question {number}"),), 100)).text

            assert len(list(session.in_order(ask, range(options.requests)))) == options.requests
        assert job.spending().answers == options.requests


def command(kind: str, url: str, mark: str, options: argparse.Namespace) -> None:
    """Measure the whole job, with Beam's start, language ID and writing of rows, in a process that already runs."""
    from core.config import build
    from pipelines.augment.synthesize import SynthesizeConfig, synthesize

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "in"
        rows(folder, mark, options.requests)
        generator = {"spec": f"http:{url}", "kind": kind, "model": "m", "max_tokens": 100}
        values = {"method": "regenerate", "generator": generator, "remote": {"concurrency": options.concurrency}}
        manifest = synthesize([folder], build(SynthesizeConfig, values), Path(temporary) / "out")
        assert manifest.rows_out == options.requests, manifest.rejected


def rows(folder: Path, mark: str, count: int) -> None:
    """Write a finished stage of English questions."""
    tally = Tally()
    tally.outcomes["bench", "eng_Latn", KEPT] += count
    with PartWriter(folder, 0, 1) as part:
        part.write(
            [
                Record.of(
                    messages=(Message("user", f"{mark}: what is number {n}?"), Message("assistant", f"Number {n}.")),
                    language="eng_Latn",
                    source="bench",
                )
                for n in range(count)
            ]
        )
    Manifest.of("sample", tally, 1, complete=True).write(folder)


if __name__ == "__main__":
    main()
