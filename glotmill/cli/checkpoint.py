"""`glotmill checkpoint`: models of other libraries in and out, what they are, and whether they compute the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glotmill.cli.options import Debug, Fresh, Json
from glotmill.cli.output import folder_name, guarded, print_json, print_table

if TYPE_CHECKING:
    from finetune.checkpoints.base import CheckpointSummary


app = typer.Typer(help="Models of Hugging Face and T5X in and out; what a checkpoint is.", no_args_is_help=True)
StepOption = Annotated[
    str | None, typer.Option("--step", metavar="N|best|last", help="Of a run: another step than the best, or newest.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")]


def parse_step(text: str | None) -> Any:
    """Return the step that --step names."""
    from core.errors import ConfigError

    if text is None or text in ("best", "last"):
        return text
    if not text.isdecimal():
        raise ConfigError(f"--step {text!r}: expected a number, best or last")
    return int(text)


@app.command("import")
@guarded
def import_(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="A folder of Hugging Face, a checkpoint of T5X, a run, a model.")
    ],
    out: Out,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", "-t", help="The tokenizer to go with it, in place of its own.")
    ] = None,
    step: StepOption = None,
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="Leave out the optimizer's state of a checkpoint of T5X.")
    ] = False,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Turn a checkpoint into a model folder: T5, mT5 and umT5 of Hugging Face, T5X, or one step of a run.

    [dim]glotmill checkpoint import mt5-base --out models/mt5-base[/dim]
    [dim]glotmill checkpoint import checkpoint_1000000 --tokenizer spiece.model --out models/mt5-xxl[/dim]
    [dim]glotmill checkpoint import runs/aya --step 30000 --out models/aya[/dim]
    """
    from finetune.checkpoints.formats import import_model, summarise

    imported = import_model(
        source, out, tokenizer=tokenizer, step=parse_step(step), weights_only=weights_only, fresh=fresh
    )
    summary = summarise(out)
    if json:
        told = summary.to_json()
        notes = list(imported.notes)
        print_json({"command": "checkpoint import", "out": str(out), "from": imported.kind, "notes": notes, **told})
        return
    for note in imported.notes:
        print(f"note: {note}")
    count = sum(summary.parameters.values())
    print(f"model: {_named(summary)}, {count:,} parameters, in {folder_name(out)}")


@app.command()
@guarded
def export(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A model, a run, or a folder of Hugging Face.")],
    format: Annotated[str, typer.Option("--format", "-f", help="hugging-face or t5x.")],
    out: Out,
    step: StepOption = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a model as others read it: a folder for transformers, with its tokenizer, or a checkpoint of T5X.

    [dim]glotmill checkpoint export runs/aya --format hugging-face --out aya-hf[/dim]
    [dim]glotmill checkpoint export models/mt5-base --format t5x --out checkpoint_1000000[/dim]
    """
    from finetune.checkpoints.formats import export_model

    exported = export_model(source, out, format, step=parse_step(step))
    names, notes = exported.names, exported.notes
    if json:
        print_json({"command": "checkpoint export", "out": str(out), "format": format, "files": names, "notes": notes})
        return
    for note in notes:
        print(f"note: {note}")
    print(f"{format}: {len(names)} files in {folder_name(out)}")


@app.command()
@guarded
def show(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A model, a run, a folder of Hugging Face, T5X's.")],
    step: StepOption = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what a checkpoint is: architecture, parameters by part, tokenizer, step.

    [dim]glotmill checkpoint show models/mt5-base[/dim]
    """
    from finetune.checkpoints.formats import summarise

    summary = summarise(path, parse_step(step))
    if json:
        print_json({"command": "checkpoint show", **summary.to_json()})
        return
    tokenizer = summary.tokenizer
    rows = [
        ("kind", summary.kind),
        ("model", _named(summary)),
        *((name.replace("_", " "), _cell(value)) for name, value in summary.architecture.to_json().items()),
        ("dtype", ", ".join(summary.dtypes)),
        ("on disk", f"{summary.bytes / 1e6:,.1f} MB"),
        ("tokenizer", f"{tokenizer.pieces:,} pieces, sha256 {tokenizer.sha256[:12]}" if tokenizer else "none"),
        ("step", "none" if summary.step is None else f"{summary.step:,}"),
    ]
    if len(summary.steps) > 1:
        rows.append(("steps there", ", ".join(map(str, summary.steps))))
    rows += [(name.replace("_", " "), str(value)) for name, value in summary.provenance.items() if name != "step"]
    print_table("Checkpoint", ("", ""), [("path", str(path)), *rows])
    counts = summary.parameters
    total = sum(counts.values())
    parts = [(part, count, count / total) for part, count in counts.items() if count]
    print_table("Parameters", ("part", "count", "share"), [*parts, ("all", total, 1.0)])


@app.command()
@guarded
def check(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Weights, and golden.npz beside them.")],
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Another checkpoint of the same model, to be checked instead.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Of encoder output and logits, over the logits' standard deviation.")
    ] = 1e-5,
    loss_tolerance: Annotated[float, typer.Option("--loss-tolerance", help="Of the loss, over the loss.")] = 1e-6,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a model over what transformers once gave for some inputs, and compare; status 1 where it differs.

    [dim]glotmill checkpoint check golden/mt5[/dim]
    [dim]glotmill checkpoint check golden/mt5 --checkpoint models/mt5[/dim]
    """
    from finetune.decoding.golden import Tolerance
    from finetune.decoding.golden import check as run

    found = run(folder, Tolerance(tolerance, loss_tolerance), checkpoint)
    failed = [one.name for one in found if not one.holds]
    if json:
        told = [one.to_json() for one in found]
        print_json({"command": "checkpoint check", "folder": str(folder), "holds": not failed, "comparisons": told})
    else:
        print_table(
            f"Against {folder / 'golden.npz'}",
            ("", "difference", "allowed", "", ""),
            [
                (one.name, f"{one.difference:.2e}", f"{one.allowed:.0e}", "ok" if one.holds else "DIFFERS", one.detail)
                for one in found
            ],
        )
        if failed:
            print(f"the model does not compute what it should: {', '.join(failed)} beyond the tolerance")
        else:
            print("the model computes what it should")
    if failed:
        raise typer.Exit(1)


def _named(summary: CheckpointSummary) -> str:
    name = f"{summary.family}, {summary.size}" if summary.size else summary.family
    return f"{name}, encoder with a head to {summary.head.kind}" if summary.head else name


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
