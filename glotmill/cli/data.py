"""`glotmill ingest` and `glotmill build`: from source files to a collection."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from glotmill.cli.options import Config, Debug, Fresh, Json, Plan, Set, folder_option
from glotmill.cli.output import folder_name, guarded
from glotmill.cli.stage import print_estimate, print_summary
from pipelines.ingest.sources import SOURCES

# Arguments after -- go to Beam.
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": False}


@guarded
def ingest(
    context: typer.Context,
    out: Annotated[Path, folder_option("--out", "-o", help="The folder to write.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            "-s",
            metavar="KIND=PATH",
            help=f"KIND: {', '.join(SOURCES)}. PATH: a file, folder, glob or hf://NAME. May be repeated.",
        ),
    ] = None,
    detector: Annotated[str, typer.Option("--detector", help="vote, cld2, fasttext:PATH or none.")] = "",
    config: Config = None,
    set: Set = None,
    plan: Plan = False,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Read sources, clean and filter their rows, identify languages; write records, and rejects with reasons.

    [dim]glotmill ingest --source xp3x=data/xp3x --source sharegpt=chats.json --out work/ingested[/dim]

    [dim]glotmill ingest --source table=rows.csv --set table.inputs='{question}' --set table.targets='{answer}'
    --set table.language=swh_Latn --out work/rows[/dim]

    The same command resumes a killed run. Arguments after -- go to Beam.
    """
    from core.config import load
    from core.progress import Progress
    from pipelines.ingest.config import IngestConfig, IngestSource
    from pipelines.ingest.job import ingest as run

    resolved = load(IngestConfig, config, set or ())
    given = [IngestSource(*_pair("--source", text, "KIND=PATH", "xp3x=data/xp3x")) for text in source or ()]
    resolved = dataclasses.replace(resolved, sources=(*resolved.sources, *given))
    if detector:
        resolved = dataclasses.replace(
            resolved, language_id=dataclasses.replace(resolved.language_id, detector=detector)
        )
    if plan:
        from pipelines.plan.ingest import of_ingest

        print_estimate(of_ingest(resolved), as_json=json)
        return
    manifest = run(resolved, out, fresh=fresh, beam_args=context.args, progress=Progress.on_stderr())
    print_summary(manifest, out, as_json=json)
    if not json:
        print(f"next: glotmill build --input {folder_name(out)} --out COLLECTION")


@guarded
def build(
    context: typer.Context,
    input: Annotated[
        list[Path], folder_option("--input", "-i", help="A folder that ingest or another stage wrote; may be repeated.")
    ],
    out: Annotated[Path, folder_option("--out", "-o", help="The collection to write.")],
    against: Annotated[
        list[Path] | None,
        folder_option("--against", help="A finished folder whose rows are not wanted again; may be repeated."),
    ] = None,
    decontaminate: Annotated[
        list[str] | None,
        typer.Option(
            "--decontaminate",
            metavar="NAME=PATH",
            help="An evaluation set whose examples must not be trained on; may be repeated.",
        ),
    ] = None,
    config: Config = None,
    set: Set = None,
    plan: Plan = False,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make one collection: without exact and near duplicates, split, Parquet by language, with a dataset card.

    [dim]glotmill build --input work/ingested --input work/translated --out my-collection[/dim]
    [dim]glotmill build --input work/new --against my-collection --out my-collection-2[/dim]

    Of equal rows, one written by a person is kept before one from a template, a translation or a model; then the first.
    """
    from core.config import load
    from core.progress import Progress
    from pipelines.build.decontaminate import EvaluationSet
    from pipelines.build.job import BuildConfig
    from pipelines.build.job import build as run

    resolved = load(BuildConfig, config, set or ())
    sets = [
        EvaluationSet(*_pair("--decontaminate", text, "NAME=PATH", "xquad=data/xquad")) for text in decontaminate or ()
    ]
    held_out = dataclasses.replace(resolved.decontaminate, sets=(*resolved.decontaminate.sets, *sets))
    resolved = dataclasses.replace(resolved, decontaminate=held_out)
    if plan:
        from pipelines.plan.build import of_build

        print_estimate(of_build(input, resolved, against or ()), as_json=json)
        return
    manifest = run(
        input,
        resolved,
        out,
        against=against or (),
        fresh=fresh,
        beam_args=context.args,
        progress=Progress.on_stderr(),
    )
    print_summary(manifest, out, as_json=json)
    if not json:
        print(f"next: read {folder_name(out / 'README.md')}; glotmill collection show {folder_name(out)}")


def _pair(option: str, text: str, form: str, example: str) -> tuple[str, str]:
    from core.errors import ConfigError

    name, equals, path = text.partition("=")
    if not equals or not path or not name:
        raise ConfigError(f"{option} {text!r}: expected {form}, such as {example}")
    return name, path
