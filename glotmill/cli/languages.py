"""`glotmill languages`: the table of languages, and the language that a spelling means."""

from __future__ import annotations

from typing import Annotated

import typer

from glotmill.cli.options import Debug, Json
from glotmill.cli.output import guarded, print_json, print_table


@guarded
def languages(
    spelling: Annotated[
        list[str] | None,
        typer.Argument(help="Spellings to resolve: codes, names, tags. Without any, all languages are listed."),
    ] = None,
    aya: Annotated[bool, typer.Option("--aya", help="Only Aya's 101 languages.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the languages that glotmill knows, or the languages that spellings mean.

    [dim]glotmill languages sw zh-Hant simplified_chinese[/dim]
    """
    from collection.languages import resolve, table

    listed = [resolve(text) for text in spelling] if spelling else list(table().values())
    listed = [language for language in listed if language.aya or not aya]
    if json:
        print_json(
            [
                {
                    "code": language.code,
                    "name": language.name,
                    "script": language.script.name,
                    "family": language.family,
                    "aya": language.aya,
                    "resource": language.resource,
                    "right_to_left": language.right_to_left,
                    "spaced": language.spaced,
                    "macrolanguage": language.macrolanguage,
                    "tag": language.tag,
                }
                for language in listed
            ]
        )
        return
    print_table(
        f"{len(listed)} languages",
        ("code", "name", "script", "family", "Aya", "resources", "writing"),
        [
            (
                language.code,
                language.name,
                language.script.name,
                language.family,
                language.aya or "",
                language.resource or "",
                " ".join(["right to left"] * language.right_to_left + ["without spaces"] * (not language.spaced)),
            )
            for language in listed
        ],
    )
