"""`glotmill template` and `glotmill translate`: new rows of rows and of task data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glotmill.cli.options import Config, Debug, Fresh, Json, Plan, Set, folder_option
from glotmill.cli.output import folder_name, guarded, print_json, print_table
from glotmill.cli.stage import print_estimate, print_summary, time_text
from pipelines.augment.translators import forms

if TYPE_CHECKING:
    from pipelines.plan.translate import TranslationEstimate


@guarded
def template(
    context: typer.Context,
    out: Annotated[Path, folder_option("--out", "-o", help="The folder to write.")],
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
    from core.config import load
    from core.errors import ConfigError
    from core.progress import Progress
    from pipelines.augment.task_data import TaskData
    from pipelines.augment.template import TemplateConfig
    from pipelines.augment.template import template as run

    resolved = load(TemplateConfig, config, set or ())
    if bool(templates) != bool(data):
        given, other = ("--templates", "--data") if templates else ("--data", "--templates")
        raise ConfigError(f"{given} was given without {other}: a set of templates goes with its data")
    if templates:
        resolved = dataclasses.replace(resolved, sets=(*resolved.sets, TaskData(templates, data, language=language)))
    if plan:
        from pipelines.plan.template import of_template

        print_estimate(of_template(resolved), as_json=json)
        return
    manifest = run(resolved, out, fresh=fresh, beam_args=context.args, progress=Progress.on_stderr())
    print_summary(manifest, out, as_json=json)
    if not json:
        print(f"next: glotmill build --input {folder_name(out)} --out COLLECTION")


@guarded
def translate(
    context: typer.Context,
    input: Annotated[
        list[Path],
        folder_option("--input", "-i", help="A folder that ingest, build or another stage wrote; may be repeated."),
    ],
    out: Annotated[Path, folder_option("--out", "-o", help="The folder to write.")],
    to: Annotated[
        str, typer.Option("--to", metavar="LANGUAGES", help="Target languages, such as spa_Latn,cat_Latn.")
    ] = "",
    translator: Annotated[str, typer.Option("--translator", help=f"{forms()}.")] = "",
    budget: Annotated[
        str, typer.Option("--budget", help="The most to spend on a server, such as requests=1000,tokens=2e6,usd=5.")
    ] = "",
    config: Config = None,
    set: Set = None,
    plan: Plan = False,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Translate rows into any languages: structure kept, quality estimated, poor translations among the rejects.

    [dim]glotmill translate --input work/ingested --to spa_Latn,cat_Latn --translator apertium --out work/spa-cat[/dim]

    [dim]glotmill translate --input work/ingested --to swahili --translator http:https://api.cohere.com
    --set http.kind=cohere --set http.model=MODEL --budget usd=20 --out work/swahili[/dim]

    Keys of servers come from the environment. A killed run, or one whose budget was spent, is taken up by the same
    command, and nothing is paid for twice.
    """
    from core.config import load
    from core.progress import Progress
    from core.remote import Budget
    from pipelines.augment.translate import TranslateConfig
    from pipelines.augment.translate import translate as run

    resolved = load(TranslateConfig, config, set or ())
    if translator:
        resolved = dataclasses.replace(resolved, translator=translator)
    if to:
        resolved = dataclasses.replace(resolved, to=tuple(to.split(",")))
    limits = Budget.parse(budget)
    if plan:
        from pipelines.plan.translate import of_translate

        tell_translation_plan(of_translate(input, resolved), as_json=json)
        return
    manifest = run(
        input,
        resolved,
        out,
        budget=limits,
        fresh=fresh,
        beam_args=context.args,
        progress=Progress.on_stderr(),
    )
    print_summary(manifest, out, as_json=json)
    if not json:
        print(
            f"next: glotmill build {' '.join(f'--input {folder_name(one)}' for one in (*input, out))} --out COLLECTION"
        )


def tell_translation_plan(estimate: TranslationEstimate, *, as_json: bool) -> None:
    """Tells what a translation would cost: a table, or one JSON object."""
    if as_json:
        print_json({"plan": True, **dataclasses.asdict(estimate)})
        return
    rows: list[tuple[str, str]] = [
        ("files", f"{estimate.files:,}"),
        ("rows", f"{estimate.rows:,} into {estimate.languages} languages: {estimate.pairs:,}"),
        ("characters", f"about {estimate.characters:,} in {estimate.lines:,} lines"),
        ("pieces of work", f"{estimate.shards:,}"),
    ]
    if estimate.input_tokens:
        rows.append(("tokens", f"about {estimate.input_tokens:,} in, {estimate.output_tokens:,} out"))
    if estimate.usd is not None:
        told = f"about {estimate.usd:,.2f} US dollars" if estimate.usd else "unknown: http.account.usd_per_million is 0"
        rows.append(("cost", told))
    if estimate.seconds is not None and estimate.cpu_seconds is not None:
        rows.append(("time", f"about {time_text(estimate.seconds)} ({time_text(estimate.cpu_seconds)} of CPU time)"))
    print_table("What this translation would cost", ("", ""), rows)
    print(f"from a sample of {estimate.sampled_rows:,} rows; nothing was written")
