"""`glotmill template` and `glotmill translate`: new rows of rows and of task data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from cli.data import report
from cli.options import Config, Debug, Fresh, Json, Plan, Set
from cli.output import folder_name, guarded


@guarded
def template(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    templates: Annotated[
        str, typer.Option("--templates", "-t", help="A templates.yaml of PromptSource, or a folder with some below it.")
    ] = "",
    data: Annotated[
        str, typer.Option("--data", "-d", help="Task data: JSON lines, JSON, CSV, TSV, Parquet, or hf://NAME.")
    ] = "",
    language: Annotated[
        str,
        typer.Option("--language", "-l", help="Of the answers, or {column}; else what subset and path are called."),
    ] = "",
    config: Config = None,
    set: Set = None,
    plan: Plan = False,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Render PromptSource's templates over task data: a record for every row and template, or a reject.

    [dim]glotmill template --templates templates/xcopa --data data/xcopa --out work/xcopa[/dim]

    [dim]glotmill template --templates templates/tweet_eval/sentiment --data afrisenti/hau --language hausa
    --set 'select.similarity=0.95' --config configs/template.toml --out work/afrisenti[/dim]

    Templates are run in a sandbox, each with bounded time and memory. A killed run is taken up by the same command.
    """
    from glotmill.config import build, merged, read_toml
    from glotmill.errors import ConfigError
    from glotmill.progress import Progress
    from pipelines.task_data import TaskData
    from pipelines.template import TemplateConfig
    from pipelines.template import template as run

    resolved = build(TemplateConfig, merged(read_toml(config) if config else {}, set or ()))
    if bool(templates) != bool(data):
        given, other = ("--templates", "--data") if templates else ("--data", "--templates")
        raise ConfigError(f"{given} was given without {other}: a set of templates goes with its data")
    if templates:
        resolved = dataclasses.replace(resolved, sets=(*resolved.sets, TaskData(templates, data, language=language)))
    if plan:
        from cli.data import tell_plan
        from pipelines.estimate_derived import of_template

        tell_plan(of_template(resolved), as_json=json)
        return
    manifest = run(resolved, out, fresh=fresh, beam_args=context.args, progress=Progress.on_stderr())
    report(manifest, out, as_json=json)
    if not json:
        print(f"next: glotmill build --input {folder_name(out)} --out COLLECTION")
