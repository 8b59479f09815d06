"""Define options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from core.paths import as_path

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of stdout, and no tables.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Config = Annotated[Path | None, typer.Option("--config", help="A TOML file with the configuration.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one key of the configuration; may be repeated."),
]
Plan = Annotated[
    bool, typer.Option("--plan", help="Estimate from a sample what the run would read and cost; write nothing.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Discard the content of the output folder and start over.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", parser=as_path, help="A folder that a glotmill command wrote.")]


def folder_option(*names: str, help: str) -> Any:
    """Return an option that is a folder of this machine or of an object store (s3://, gs://)."""
    return typer.Option(*names, metavar="DIR", parser=as_path, help=help)


Language = Annotated[str, typer.Option("--language", "-l", help="Only this language, in any spelling.")]
