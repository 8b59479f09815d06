"""`glotmill synthesize`: new rows that generators write."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glotmill.cli.options import Config, Debug, Fresh, Json, Plan, Set, folder_option
from glotmill.cli.output import folder_name, guarded, print_json, print_table
from glotmill.cli.stage import print_summary

if TYPE_CHECKING:
    from pipelines.plan.synthesize import SynthesisEstimate


@guarded
def synthesize(
    context: typer.Context,
    input: Annotated[
        list[Path], folder_option("--input", "-i", help="A folder that ingest or another stage wrote; may be repeated.")
    ],
    out: Annotated[Path, folder_option("--out", "-o", help="The folder to write.")],
    method: Annotated[
        str,
        typer.Option(
            "--method",
            "-m",
            help="regenerate, rewrite, reverse, distill-safety, arbitrate, or a TOML file of your own.",
        ),
    ] = "",
    generator: Annotated[
        list[str] | None,
        typer.Option(
            "--generator",
            "-g",
            metavar="SPEC",
            help="http:URL#MODEL for a chat server, replay:PATH for recorded answers; repeated for arbitrate.",
        ),
    ] = None,
    judge: Annotated[
        str, typer.Option("--judge", metavar="SPEC", help="The generator that picks the best answer, for arbitrate.")
    ] = "",
    language: Annotated[
        str, typer.Option("--language", "-l", help="Of what is made, in any spelling; else each row's own.")
    ] = "",
    budget: Annotated[
        str,
        typer.Option(
            "--budget",
            metavar="LIMITS",
            help="The most to spend, with all resumes: requests=1000,tokens=2e6,usd=5, or some of these.",
        ),
    ] = "",
    config: Config = None,
    set: Set = None,
    plan: Plan = False,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Have models write new rows: answer prompts anew, rewrite answers, find the question to a text, arbitrate.

    [dim]glotmill synthesize --input work/chats --method regenerate
    --generator http:https://api.cohere.com#command-a-03-2025 --budget usd=5
    --set generator.account.usd_per_million.input=2.5 --set generator.account.usd_per_million.output=10
    --out work/regenerated[/dim]

    [dim]glotmill synthesize --input work/texts --method reverse --generator http:http://127.0.0.1:8000/v1#qwen3
    --set remote.concurrency=64 --out work/instructions[/dim]

    Keys come from the environment: COHERE_API_KEY and OPENAI_API_KEY for these firms' hosts, for others the variable
    that generator.account.api_key_env names. A killed run, or one whose budget was spent, is taken up by the same
    command; answers are kept in OUT/answers, also by --fresh, and never paid for twice.
    """
    from core.config import load
    from core.progress import Progress
    from core.remote import Budget
    from pipelines.augment import generators
    from pipelines.augment.synthesize import SynthesizeConfig
    from pipelines.augment.synthesize import synthesize as run

    resolved = load(SynthesizeConfig, config, set or ())
    # Words of the command line take the place of what the file says of the same thing.
    changes: dict[str, Any] = {}
    if generator:
        changes["generators"] = tuple(generators.configured(spec, resolved.generator) for spec in generator)
        changes["generator"] = dataclasses.replace(resolved.generator, spec="")
    if judge:
        base = resolved.judge if resolved.judge.model or resolved.judge.spec else resolved.generator
        changes.update(judge=generators.configured(judge, base), scorer="judge")
    changes.update({name: value for name, value in (("method", method), ("language", language)) if value})
    resolved = dataclasses.replace(resolved, **changes)
    limits = Budget.parse(budget)
    if plan:
        from pipelines.plan.synthesize import of_synthesis

        _tell_plan(of_synthesis(input, resolved, limits), as_json=json)
        return
    manifest = run(
        input, resolved, out, budget=limits, fresh=fresh, beam_args=context.args, progress=Progress.on_stderr()
    )
    print_summary(manifest, out, as_json=json)
    if not json:
        _tell_usage(manifest.usage)
        print(f"next: glotmill build --input {folder_name(out)} --out COLLECTION")


def _tell_plan(estimate: SynthesisEstimate, *, as_json: bool) -> None:
    """Tells what a run would ask for: a table, or one JSON object."""
    if as_json:
        print_json({"plan": True, **dataclasses.asdict(estimate)})
        return
    rows = [
        ("rows", f"{estimate.rows:,}"),
        ("rows asked about", f"about {estimate.rows_asked_about:,}"),
        ("requests", f"about {estimate.requests:,}, retries apart"),
        ("tokens in", f"about {estimate.input_tokens:,}"),
        ("tokens out", f"about {estimate.output_tokens:,}, at most {estimate.most_output_tokens:,}"),
    ]
    if estimate.usd is not None:
        rows.append(("cost", f"about ${estimate.usd:,.2f}, at most ${estimate.most_usd:,.2f}"))
    elif estimate.requests:
        rows.append(("cost", "unknown: set generator.account.usd_per_million.input and .output"))
    if estimate.least_seconds is not None:
        rows.append(("time", f"at least {estimate.least_seconds:,.0f} s at this rate limit"))
    if estimate.within_budget is not None:
        rows.append(("budget", "enough" if estimate.within_budget else "not enough: the rest waits for a larger one"))
    print_table("What this synthesize would ask for", ("", ""), rows)
    print(f"from a sample of {estimate.sampled_rows:,} rows; nothing was asked or written")


def _tell_usage(usage: dict[str, Any]) -> None:
    if usage:
        failed = ", ".join(f"{kind} {count:,}" for kind, count in usage["failures"].items())
        print(
            f"asked: {usage['requests']:,} requests, {usage['answers']:,} answers, {usage['cached']:,} from disk; "
            f"{usage['input_tokens']:,} tokens in, {usage['output_tokens']:,} out, ${usage['usd']:,.2f}"
            f"{f'; failed: {failed}' if failed else ''}"
        )
