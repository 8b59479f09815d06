"""`glotmill lid`: language ID on lines, and its accuracy on labelled text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from glotmill.cli.options import Debug, Json
from glotmill.cli.output import guarded, print_json, print_table

app = typer.Typer(help="Identify the language of text, and measure the accuracy.", no_args_is_help=True)
Detector = Annotated[str, typer.Option("--detector", help="vote, cld2 or fasttext:PATH.")]


@app.command()
@guarded
def detect(detector: Detector = "vote", debug: Debug = False) -> None:
    """Read lines from stdin; write language and score for each: `swh_Latn<TAB>0.98`, or `und<TAB>0.0`.

    [dim]echo "Habari ya asubuhi, rafiki yangu" | glotmill lid detect[/dim]
    """
    from collection.detectors import make_detector
    from collection.normalize import normalize

    identify = make_detector(detector).detect
    with open(sys.stdin.fileno(), encoding="utf-8", errors="replace", newline="\n", closefd=False) as lines:
        for line in lines:
            verdict = identify(normalize(line))
            print(f"{verdict.language.code}\t{verdict.score:.2f}" if verdict.language else "und\t0.0")


@app.command()
@guarded
def report(
    data: Annotated[
        Path,
        typer.Option(
            "--data", help="Labelled text: SIB-200, Tatoeba, a folder of <code>.txt, or a folder that glotmill wrote."
        ),
    ],
    detector: Detector = "vote",
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most this many texts of each language; 0: all.")] = 0,
    declared: Annotated[
        bool,
        typer.Option(
            "--declared", help="Pass the true language to the detector, as ingest does for sources that declare one."
        ),
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure accuracy and confusions by language, and texts per CPU-second, on labelled text.

    [dim]glotmill lid report --data sib200/annotated --detector cld2[/dim]
    """
    from collection import labelled
    from collection.detectors import make_detector
    from collection.lid_report import judge

    result = judge(make_detector(detector), labelled.read(data, limit), declared)
    if json:
        print_json(result.to_json())
        return
    rows = sorted(result.scores, key=lambda score: score.accuracy)
    print_table(
        f"{result.detector} on {result.texts:,} texts",
        ("language", "name", "texts", "accuracy", "taken for"),
        [
            (
                score.language.code,
                score.language.name,
                score.texts,
                score.accuracy,
                ", ".join(f"{code} {count}" for code, count in score.taken_for.most_common(4)),
            )
            for score in rows
        ],
    )
    values = result.to_json()
    print(
        f"macro accuracy over Aya's languages: {values['macro_accuracy_aya']:.4f}; "
        f"over all groups: {values['macro_accuracy']:.4f}"
    )
    print(f"{values['texts_per_cpu_second']:,} texts per CPU-second")
