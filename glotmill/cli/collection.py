"""`glotmill collection`: look at, check and export the folders that other commands wrote."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from glotmill.cli.options import Debug, Folder, Json, Language
from glotmill.cli.output import folder_name, guarded, print_json, print_table

if TYPE_CHECKING:
    from collection.record import Record
    from collection.stats import LanguageStats

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
    """Count rows, lengths, origins, sources and licences, by language and resource class.

    [dim]glotmill collection stats my-collection --html my-collection.html[/dim]
    """
    from collection import stats as statistics
    from collection.manifest import Manifest

    Manifest.read(folder)
    languages = statistics.by_language(folder)
    if html:
        from collection.stats_page import render
        from core.files import write_text

        write_text(html, render(languages, folder_name(folder)))
    if json:
        print_json(statistics.to_json(languages))
    else:
        _print_stats(languages)


def _print_stats(languages: Mapping[str, LanguageStats]) -> None:
    from collection import stats as statistics
    from collection.languages import find

    rows = []
    by_class: Counter[str] = Counter()
    aya: set[str] = set()
    for code, counts in languages.items():
        language = find(code)
        resource = (language and language.resource) or ""
        by_class[resource or "outside Aya"] += counts.rows
        aya |= {language.aya} if language and language.aya else set()
        lengths = (round(total / counts.rows) for total in (counts.prompt_characters, counts.target_characters))
        origins = " ".join(f"{origin} {count:,}" for origin, count in sorted(counts.by["origin"].items()))
        rows.append((code, language.name if language else "", resource, counts.rows, *lengths, origins))
    print_table("Languages", ("language", "name", "resources", "rows", "prompt chars", "answer chars", "origins"), rows)
    total = statistics.total(languages.values())
    sources = [(*key.split("\t"), count) for key, count in sorted(total.by["provenance"].items())]
    print_table("Sources", ("source", "origin", "licence", "rows"), sources)
    print_table("Resource classes", ("class", "rows"), sorted(by_class.items()))
    print(f"{total.rows:,} rows, {total.turns:,} turns, {len(languages)} languages, {len(aya)} of Aya's 101")


@app.command()
@guarded
def show(
    folder: Folder,
    language: Language = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="The number of rows to show.")] = 5,
    rejects: Annotated[bool, typer.Option("--rejects", help="Show rejected rows.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Show only rejects with this reason.")] = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Print rows as people read them, or rejects with their reasons.

    [dim]glotmill collection show my-collection --language sw -n 3[/dim]

    [dim]glotmill collection show work/ingested --rejects --reason wrong_script[/dim]
    """
    from collection.export import as_messages
    from glotmill.api.collections import load_collection

    collection = load_collection(folder)
    if rejects or reason:
        rejected = list(itertools.islice(collection.rejects(language, reason), count))
        if json:
            print_json(rejected)
        for row in [] if json else rejected:
            print(f"── {row['reason']} · {row['source']} · {row['location']} · {row['language']} {row['id']}")
            print("\n".join(filter(None, (row["detail"], row["raw"][:1000]))) + "\n")
        return
    records = list(itertools.islice(collection.records(language), count))
    if json:
        print_json([as_messages(record) for record in records])
    for record in [] if json else records:
        _print_record(record)


def _print_record(record: Record) -> None:
    origin = (record.source, record.dataset, record.template, record.origin, record.license)
    print("── " + " · ".join(filter(None, (record.language, *origin, record.id))))
    for message in record.messages:
        print(f"{message.role}: {message.content}")
    print()


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
    rows = {"rows_in": manifest.rows_in, "rows_out": manifest.rows_out}
    if json:
        print_json({"folder": str(folder), "sound": not found, "problems": found, **rows})
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
    from collection.export import EXPORTERS, write_rows
    from collection.splits import SPLITS
    from core.errors import UnknownNameError
    from glotmill.api.collections import load_collection

    collection = load_collection(folder)
    for kind, given, known in (("shape", shape, EXPORTERS), ("split", split or "train", SPLITS)):
        if given not in known:
            raise UnknownNameError(kind, given, known, f"expected one of {', '.join(known)}")
    rows = write_rows(EXPORTERS[shape].rows(collection, language, split), out)
    if json:
        print_json({"out": str(out), "shape": shape, "rows": rows})
    else:
        print(f"{rows:,} rows in {folder_name(out)}")
