"""`glotmill demo`: the built-in sample through the real commands."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glotmill.cli.options import Debug, Json
from glotmill.cli.output import folder_name, guarded, print_json, print_table

if TYPE_CHECKING:
    from glotmill.demo.model import DemoModel
    from glotmill.demo.result import DemoResult


@guarded
def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("glotmill-demo"),
    steps: Annotated[
        int | None,
        typer.Option(min=0, help="Training steps, instead of the configuration's; 0 trains no model."),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a small sample in Aya's 101 languages, then make a collection, a tokenizer and a model of it.

    It runs the real commands and needs no data.

    [dim]glotmill demo --out demo[/dim]
    [dim]glotmill demo --out demo --steps 0[/dim]
    """
    from glotmill.demo.result import DemoResult
    from glotmill.demo.steps import run_demo

    app = context.find_root().command

    def run(arguments: list[str]) -> None:
        shown = " ".join(f"'{argument}'" if '"' in argument else argument for argument in arguments)
        with contextlib.redirect_stdout(io.StringIO()) if json else contextlib.nullcontext():
            print(f"$ glotmill {shown}", flush=True)
            app.main(arguments, prog_name="glotmill", standalone_mode=False)

    started = time.monotonic()
    folder = Path(folder_name(out))
    model = run_demo(folder, steps, run)
    result = DemoResult.read(folder)
    seconds = round(time.monotonic() - started, 1)
    if json:
        scores = model.to_json() if model else {}
        print_json({"command": "demo", "out": str(out), **result.to_json(), **scores, "seconds": seconds})
        return
    _print_collection(result)
    if model:
        _print_model(model)
    print(
        f"{result.rows_out:,} rows in {len(result.languages)} languages, {sum(result.rejected.values()):,} rows "
        f"rejected for {len(result.rejected)} reasons, {seconds} s"
    )
    _print_next(folder, model is not None)


def _print_collection(result: DemoResult) -> None:
    from collection.languages import find

    splits = ("train", "validation", "test")
    print_table(
        "The collection, by language",
        ("language", "name", "resources", "rows", *splits),
        [
            (code, language.name, language.resource or "", stats.rows, *(stats.by["split"][name] for name in splits))
            for code, stats in result.languages.items()
            if (language := find(code))
        ],
    )


def _print_model(model: DemoModel) -> None:
    tasks = [(task, count, round(exact, 3)) for task, (exact, count) in model.by_task.items()]
    print_table(
        "The model, on exercises that it was not trained on",
        ("task", "answers", "exact match"),
        [*tasks, ("all", model.answers, round(model.exact_match, 3))],
    )
    classes = [(name, round(loss, 3)) for name, loss in model.by_resources.items()]
    print_table("Loss on all validation rows, by resource class", ("resources", "loss"), classes)
    print_table("Some of its answers", ("language", "prompt", "answer", "expected"), model.examples())


def _print_next(out: Path, has_model: bool) -> None:
    """Print what to look at next: a command or a path, and what it shows."""
    question = "Which name is second: Jumatatu, Machi, Ijumaa?"
    rows = [
        (f"{out / 'collection' / 'README.md'}", "the card of the collection"),
        (f"glotmill collection show {out / 'collection'} --language sw", "rows as people read them"),
        (f"glotmill collection show {out / 'ingested-xp3x'} --rejects", "rejected rows, with their reasons"),
        (f"glotmill collection show {out / 'synthesized'}", "rows that teachers wrote"),
        (f"glotmill collection stats {out / 'collection'}", "figures by language and source"),
        (f"{out / 'tokenizer'}", "a tokenizer of the collection"),
    ]
    if has_model:
        rows += [
            (f"glotmill generate --checkpoint {out / 'model'} --prompt '{question}'", "an answer of the model"),
            (f"glotmill finetune {out / 'finetune.toml'} --out other", "the same training again"),
            (f"{out / 'model'}", "loss.svg, and all answers in samples/"),
            (f"{out / 'eval' / 'report.html'}", "scores by language, with plots"),
        ]
    rows.append((f"{out / 'sample'}", "the sample, in the sources' own formats"))
    print("where to look next:")
    width = max(len(command) for command, _ in rows[:5])
    for command, shows in rows:
        print(f"  {command:<{width}}  {shows}")
