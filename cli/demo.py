"""`glotmill demo`: the built-in sample through the real commands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Debug, Json
from cli.output import folder_name, guarded, print_json, print_table


@guarded
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("glotmill-demo"),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a small sample in Aya's 101 languages and make a collection of it, with the real commands. Needs no data.

    [dim]glotmill demo --out demo[/dim]
    """
    from collection.languages import find
    from collection.manifest import Manifest
    from collection.stats import by_language
    from pipelines.sample import write_sample

    begun = time.monotonic()
    places = {kind: folder_name(path) for kind, path in write_sample(out / "sample").items()}
    prompted, chats, finished = (folder_name(out / name) for name in ("ingested-xp3x", "ingested", "collection"))
    others = [
        argument
        for kind in ("aya", "aya_collection", "sharegpt")
        for argument in ("--source", f"{kind}={places[kind]}")
    ]
    wanted = ["--set", 'languages=["aya"]']
    # xP3x says of every row which language it is: what is written in another is turned away here, and relabelled below.
    _run(
        [
            "ingest",
            "--source",
            f"xp3x={places['xp3x']}",
            *wanted,
            "--set",
            "language_id.policy=reject",
            "--out",
            prompted,
        ],
        json,
    )
    _run(["ingest", *others, *wanted, "--out", chats], json)
    splits = ["--set", "splits.validation=0.05", "--set", "splits.test=0.05"]
    _run(
        [
            "build",
            *("--input", prompted, "--input", chats),
            *("--decontaminate", f"quiz={places['evaluation']}"),
            *splits,
            *("--set", "name=glotmill-demo", "--out", finished),
        ],
        json,
    )
    _run(["collection", "validate", finished], json)

    manifests = [Manifest.read(out / name) for name in ("ingested-xp3x", "ingested", "collection")]
    stats = by_language(out / "collection")
    rejected: dict[str, int] = {}
    for manifest in manifests:
        for reason, count in manifest.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + count
    seconds = round(time.monotonic() - begun, 1)
    if json:
        languages = {code: one.rows for code, one in stats.items()}
        rows_in = manifests[0].rows_in + manifests[1].rows_in
        rows_out = manifests[-1].rows_out
        print_json(
            {
                "command": "demo",
                "out": str(out),
                "rows_in": rows_in,
                "rows_out": rows_out,
                "rows_rejected": rows_in - rows_out,
                "rejected": rejected,
                "languages": languages,
                "seconds": seconds,
            }
        )
        return
    print_table(
        "The collection, by language",
        ("language", "name", "resources", "rows", "train", "validation", "test"),
        [
            (
                code,
                language.name,
                language.resource or "",
                one.rows,
                *(one.by["split"][split] for split in ("train", "validation", "test")),
            )
            for code, one in stats.items()
            if (language := find(code))
        ],
    )
    print(
        f"{manifests[-1].rows_out:,} rows in {len(stats)} languages, {sum(rejected.values()):,} rows turned away "
        f"for {len(rejected)} reasons, {seconds} s"
    )
    print("where to look next:")
    print(f"  {finished}/README.md                                 the card of the collection")
    print(f"  glotmill collection show {finished} --language sw    rows as people read them")
    print(f"  glotmill collection show {prompted} --rejects        what was turned away, and why")
    print(f"  glotmill collection stats {finished}")
    print(f"  {places['xp3x']}                                     the sample, in the sources' own formats")


def _run(arguments: list[str], quiet: bool) -> None:
    """Runs a command as the user would, showing it first."""
    import contextlib
    import io

    from cli.main import app

    shown = " ".join(f"'{argument}'" if '"' in argument else argument for argument in arguments)
    with contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext():
        print(f"$ glotmill {shown}", flush=True)
        app(arguments, standalone_mode=False)
