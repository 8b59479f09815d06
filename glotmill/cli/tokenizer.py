"""`glotmill tokenizer`: train one, see how fair it is, encode a collection with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glotmill.cli.options import Config, Debug, Fresh, Json, Set
from glotmill.cli.output import folder_name, guarded, print_json, print_table

if TYPE_CHECKING:
    from tokenizer.report import TokenizerReport

app = typer.Typer(help="Train tokenizers, judge them, encode with them.", no_args_is_help=True)
_WORST = 10


@app.command()
@guarded
def train(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    collection: Annotated[
        list[Path] | None,
        typer.Option("--collection", "-c", help="A folder that build, ingest or another stage wrote; may be repeated."),
    ] = None,
    text: Annotated[
        Path | None, typer.Option("--text", help="A folder of plain text, a file a language, such as swh_Latn.txt.")
    ] = None,
    vocab_size: Annotated[
        int, typer.Option("--vocab-size", min=0, help="Pieces, special ones included; rounded up to a multiple of 128.")
    ] = 0,
    parallel: Annotated[
        Path | None,
        typer.Option("--parallel", help="Parallel sentences to balance languages by, as report takes them."),
    ] = None,
    config: Config = None,
    set: Set = None,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train a SentencePiece tokenizer that costs every language about the same.

    [dim]glotmill tokenizer train --collection my-collection --vocab-size 64000 --out tokenizer[/dim]
    [dim]glotmill tokenizer train --text texts --vocab-size 32000 --set sample.rule=temperature --out tokenizer[/dim]

    The model, the same for Hugging Face, and what they were made of stand in the folder.
    """
    from core.config import load
    from core.progress import Progress
    from tokenizer.train import TokenizerConfig
    from tokenizer.train import train as run

    resolved = load(TokenizerConfig, config, set or ())
    changes: dict[str, Any] = {"collections": (*resolved.collections, *map(str, collection or ()))}
    if text:
        changes["text"] = str(text)
    if vocab_size:
        changes["vocabulary"] = dataclasses.replace(resolved.vocabulary, size=vocab_size)
    if parallel:
        changes["parity"] = dataclasses.replace(resolved.parity, parallel=str(parallel))
    values = run(dataclasses.replace(resolved, **changes), out, fresh=fresh, progress=Progress.on_stderr())
    if json:
        names = ("vocabulary", "special", "sentinels", "sha256", "parity", "warnings")
        languages = {code: one["sampled_bytes"] for code, one in values["sample"].items()}
        seconds = values["run"]["seconds"]
        told = {name: values[name] for name in names}
        print_json({"command": "tokenizer train", "out": str(out), **told, "languages": languages, "seconds": seconds})
        return
    sample = values["sample"]
    print_table(
        "The sample: languages that count most",
        ("language", "bytes there", "bytes taken", "share"),
        [
            (code, sample[code]["bytes"], sample[code]["sampled_bytes"], sample[code]["share"])
            for code in sorted(sample, key=lambda code: (-sample[code]["share"], code))[:_WORST]
        ],
    )
    if rounds := values["parity"].get("rounds"):
        print_table(
            f"Rounds of balancing, by {values['parity']['by']}",
            ("round", "dearest / mean", "cheapest / mean", "tokens a character of English"),
            [
                (number, one["dearest"], one["cheapest"], one["tokens_per_english_character"])
                for number, one in enumerate(rounds, 1)
                if one
            ],
        )
    known = sum(1 for one in sample.values() if one["sampled_lines"])
    for warning in values["warnings"]:
        print(f"warning: {warning}")
    print(
        f"tokenizer: {values['vocabulary']:,} pieces of {known} languages, {values['run']['seconds']} s, "
        f"in {folder_name(out)}"
    )
    print(f"next: glotmill tokenizer report --tokenizer {folder_name(out)} --data PARALLEL")


@app.command()
@guarded
def report(
    tokenizer: Annotated[
        list[Path],
        typer.Option(
            "--tokenizer", "-t", help="A folder that train wrote, a .model, a tokenizer.json; may be repeated."
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data", help="Parallel or labelled text: SIB-200, FLORES, a folder of <code>.txt, a glotmill folder."
        ),
    ],
    html: Annotated[Path | None, typer.Option("--html", help="Also write a page with plots.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most this many texts of each language; 0: all.")] = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Report the cost of each language: tokens a word and a byte, bytes, parity with English; the worst ten.

    [dim]glotmill tokenizer report --tokenizer mine --tokenizer bpe/tokenizer.json --data sib200 --html fair.html[/dim]
    """
    from core import files
    from tokenizer.report import judge, load, read_texts

    judged = [load(path) for path in tokenizer]
    texts = read_texts(data, limit)
    reports = [judge(one, texts) for one in judged]
    if html:
        from tokenizer.report_page import render

        files.write_text(html, render(reports, f"Tokenizers on {data}"))
    if json:
        print_json({"data": str(data), "parallel": not texts.alone, "tokenizers": [one.to_json() for one in reports]})
        return
    tell(reports)
    if texts.alone:
        print(f"no parity: {texts.alone}")
        print("costs are tokens a byte, which scripts do not share")
    if html:
        print(f"with plots in {html}")


def tell(reports: list[TokenizerReport]) -> None:
    """Tables: all tokenizers, and the worst ten languages of each."""
    rows = []
    for one in reports:
        told = one.to_json()
        names = ("mean_parity", "worst_parity", "tokens_per_text", "tokens_per_byte", "byte_share", "unknown_share")
        rows.append((one.tokenizer, one.size, told["languages"], *(_shown(told[name]) for name in names)))
    head = ("pieces", "languages", "mean parity", "worst", "tokens a text", "tokens a byte", "bytes", "unknown")
    print_table("Tokenizers", ("tokenizer", *head), rows)
    for one in reports:
        print_table(
            f"The dearest languages of {one.tokenizer}",
            ("language", "name", "parity", "tokens a word", "tokens a byte", "bytes", "unknown"),
            [
                (
                    figures.code,
                    figures.language.name if figures.language else "",
                    _shown(figures.parity),
                    _shown(figures.tokens_per_word),
                    figures.tokens_per_byte,
                    figures.byte_share,
                    figures.unknown_share,
                )
                for figures in one.worst[:_WORST]
            ],
        )


def _shown(value: float | None) -> Any:
    return "" if value is None else value


@app.command()
@guarded
def encode(
    tokenizer: Annotated[Path, typer.Option("--tokenizer", "-t", help="A folder that train wrote, or a .model.")],
    collection: Annotated[Path, typer.Option("--collection", "-c", help="A folder of records.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    config: Config = None,
    set: Set = None,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Turn a collection into token shards, for training to read: ids of every message, with its role.

    [dim]glotmill tokenizer encode --tokenizer tokenizer --collection my-collection --out work/tokens[/dim]

    A killed run is taken up by the same command.
    """
    from core.config import load
    from core.progress import Progress
    from glotmill.cli.stage import print_summary
    from tokenizer.encode import EncodeConfig
    from tokenizer.encode import encode as run

    resolved = load(EncodeConfig, config, set or ())
    manifest = run(tokenizer, collection, out, resolved, fresh=fresh, progress=Progress.on_stderr())
    print_summary(manifest, out, as_json=json)
