"""`glotmill collection`: look at, check and export what the other commands wrote."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glotmill.cli.options import Debug, Folder, Json, Language
from glotmill.cli.output import folder_name, guarded, print_json, print_table

if TYPE_CHECKING:
    from collection.manifest import Manifest
    from collection.record import Record

app = typer.Typer(
    help="Look at, check and export a collection, or the folder of any other stage.", no_args_is_help=True
)


@app.command()
@guarded
def stats(
    folder: Folder,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with plots to this file.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Rows, lengths, origins, sources and licences, by language and resource class.

    [dim]glotmill collection stats my-collection --html my-collection.html[/dim]
    """
    from collection import stats as statistics
    from collection.languages import find
    from collection.manifest import Manifest

    Manifest.read(folder)
    found = statistics.by_language(folder)
    values = statistics.to_json(found)
    if html:
        from collection.stats_page import render
        from core.files import write_text

        write_text(html, render(found, folder_name(folder)))
    if json:
        print_json(values)
        return
    rows = []
    for code, one in found.items():
        language = find(code)
        origins = " ".join(f"{origin} {count:,}" for origin, count in sorted(one.by["origin"].items()))
        prompt, target = (round(total / one.rows) for total in (one.prompt_characters, one.target_characters))
        rows.append(
            (
                code,
                language.name if language else "",
                (language and language.resource) or "",
                one.rows,
                prompt,
                target,
                origins,
            )
        )
    print_table("Languages", ("language", "name", "resources", "rows", "prompt chars", "answer chars", "origins"), rows)
    everything = statistics.total(found.values())
    sources = [(*key.split("\t"), count) for key, count in sorted(everything.by["provenance"].items())]
    print_table("Sources", ("source", "origin", "licence", "rows"), sources)
    by_class: dict[str, int] = {}
    for code, one in found.items():
        language = find(code)
        name = (language and language.resource) or "outside Aya"
        by_class[name] = by_class.get(name, 0) + one.rows
    print_table("Resource classes", ("class", "rows"), sorted(by_class.items()))
    aya = {language.aya for code in found if (language := find(code)) and language.aya}
    print(f"{everything.rows:,} rows, {everything.turns:,} turns, {len(found)} languages, {len(aya)} of Aya's 101")


@app.command()
@guarded
def show(
    folder: Folder,
    language: Language = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many rows.")] = 5,
    rejects: Annotated[bool, typer.Option("--rejects", help="Show rows that were turned away.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Only rejects with this reason.")] = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Print rows as people read them, or rejects with their reasons.

    [dim]glotmill collection show my-collection --language sw -n 3[/dim]

    [dim]glotmill collection show work/ingested --rejects --reason wrong_script[/dim]
    """
    from collection import export, store
    from collection.manifest import Manifest

    code = _code(Manifest.read(folder), language)
    if rejects or reason:
        found = list(itertools.islice(_rejects(folder, code, reason), count))
        if json:
            print_json(found)
        for line in [] if json else found:
            print(f"── {line['reason']} · {line['source']} · {line['location']} · {line['language']} {line['id']}")
            print("\n".join(filter(None, (line["detail"], line["raw"][:1000]))) + "\n")
        return
    records = list(
        itertools.islice(
            (record for record in store.records(folder, code) if not code or record.language == code), count
        )
    )
    if json:
        print_json([export.as_messages(record) for record in records])
    for record in [] if json else records:
        where = " · ".join(
            filter(
                None,
                (
                    record.language,
                    record.source,
                    record.dataset,
                    record.template,
                    record.origin,
                    record.license,
                    record.id,
                ),
            )
        )
        print(f"── {where}")
        for message in record.messages:
            print(f"{message.role}: {message.content}")
        print()


def _code(manifest: Manifest, language: str) -> str:
    """The code of a language that a folder has rows of, "" for none given; UserError where it has none."""
    from collection.languages import resolve
    from core.errors import UserError

    code = resolve(language).code if language else ""
    if code and code not in manifest.languages:
        has = ", ".join(list(manifest.languages)[:10]) + (" ..." if len(manifest.languages) > 10 else "")
        raise UserError(f"no row of {code} is in this folder; it has {has or 'no rows at all'}")
    return code


def _rejects(folder: Path, code: str, reason: str) -> Iterator[dict[str, Any]]:
    from collection import store
    from collection.reject import Reason
    from core.errors import UnknownNameError

    if reason and reason not in set(Reason):
        raise UnknownNameError("reason", reason, [one.value for one in Reason])
    for line in store.rejects(folder):
        if (not code or line["language"] == code) and (not reason or line["reason"] == reason):
            yield line


@app.command()
@guarded
def validate(folder: Folder, json: Json = False, debug: Debug = False) -> None:
    """Prove that in = out + rejected, that files and manifest agree to the row, and that every row is sound.

    [dim]glotmill collection validate my-collection[/dim]
    """
    from collection.manifest import Manifest
    from collection.validate import problems
    from core.errors import UserError

    found = list(problems(folder))
    manifest = Manifest.read(folder)
    if json:
        print_json(
            {
                "folder": str(folder),
                "sound": not found,
                "problems": found,
                "rows_in": manifest.rows_in,
                "rows_out": manifest.rows_out,
            }
        )
    elif found:
        print("\n".join(found))
    if found:
        raise UserError(f"{folder_name(folder)} is not sound: {len(found)} problems, the first: {found[0]}")
    if not json:
        print(
            f"{folder_name(folder)} is sound: {manifest.rows_in:,} rows in = {manifest.rows_out:,} out + "
            f"{manifest.rows_rejected:,} rejected"
        )


@app.command()
@guarded
def export(
    folder: Folder,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file to write: .jsonl, .jsonl.gz, .jsonl.zst or .json.")
    ],
    shape: Annotated[
        str,
        typer.Option(
            "--shape", help="messages, aya, prompt-completion, sharegpt, or preference for the pairs of `synthesize`."
        ),
    ] = "messages",
    language: Language = "",
    split: Annotated[str, typer.Option("--split", help="Only train, validation or test.")] = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write records in a shape that other tools read.

    [dim]glotmill collection export my-collection --shape sharegpt --split train --out train.jsonl.gz[/dim]

    [dim]glotmill collection export work/arbitrated --shape preference --out pairs.jsonl[/dim]
    """
    from collection import store
    from collection.export import PREFERENCE, SHAPES, export_preferences
    from collection.export import export as write
    from collection.manifest import Manifest
    from collection.splits import SPLITS
    from core.errors import ConfigError, UnknownNameError

    manifest = Manifest.read(folder)
    for kind, given, known in (("shape", shape, [*SHAPES, PREFERENCE]), ("split", split or "train", SPLITS)):
        if given not in known:
            raise UnknownNameError(kind, given, known, f"expected one of {', '.join(known)}")
    code = _code(manifest, language)
    if shape == PREFERENCE:
        if split:
            raise ConfigError(
                "--split is for records: pairs stand in the folder that `synthesize` wrote, before a build"
            )
        from collection.preferences import preferences

        rows = export_preferences((one for one in preferences(folder) if code in ("", one.chosen.language)), out)
    else:
        records: Iterator[Record] = (
            record for record in store.records(folder, code, split) if not code or record.language == code
        )
        rows = write(records, shape, out)
    if json:
        print_json({"out": str(out), "shape": shape, "rows": rows})
    else:
        print(f"{rows:,} rows in {folder_name(out)}")
