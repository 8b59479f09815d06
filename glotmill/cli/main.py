"""List the commands. This module imports no large library, so that `glotmill --help` answers within half a second."""

from __future__ import annotations

import typer

from glotmill import __version__
from glotmill.cli import (
    augment,
    checkpoint,
    collection,
    data,
    demo,
    finetune,
    generate,
    languages,
    lid,
    synthesize,
    tokenizer,
)
from glotmill.cli import eval as evaluation

app = typer.Typer(
    name="glotmill",
    help="Mill multilingual sources into one instruction collection in 100+ languages.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)

app.command("demo")(demo.demo)
app.command("ingest", context_settings=data.PASS_ON)(data.ingest)
app.command("template", context_settings=data.PASS_ON)(augment.template)
app.command("translate", context_settings=data.PASS_ON)(augment.translate)
app.command("synthesize", context_settings=data.PASS_ON)(synthesize.synthesize)
app.command("build", context_settings=data.PASS_ON)(data.build)
app.command("finetune")(finetune.finetune)
app.command("generate")(generate.generate)
app.command("languages")(languages.languages)
app.add_typer(collection.app, name="collection")
app.add_typer(lid.app, name="lid")
app.add_typer(tokenizer.app, name="tokenizer")
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(evaluation.app, name="eval")


def _version(requested: bool) -> None:
    if requested:
        print(f"glotmill {__version__}")
        raise typer.Exit


@app.callback()
def glotmill(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Mill multilingual sources into one instruction collection in 100+ languages."""


def main() -> None:
    """Run the command line."""
    app()
