"""`glotmill ingest` and `glotmill build`, and how a finished stage is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from glotmill.cli.options import Config, Debug, Fresh, Json, Plan, Set, folder_option
from glotmill.cli.output import folder_name, guarded, print_json, print_table

if TYPE_CHECKING:
    from collection.manifest import Manifest
    from pipelines.plan.estimate import Estimate

# What comes after -- is Beam's.
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": False}
_WORST = 20


@guarded
def ingest(
    context: typer.Context,
    out: Annotated[Path, folder_option("--out", "-o", help="The folder to write.")],
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            "-s",
            metavar="KIND=PATH",
            help="xp3x, aya, aya_collection, sharegpt or table = a file, folder, glob or hf://NAME; may be repeated.",
        ),
    ] = None,
    detector: Annotated[str, typer.Option("--detector", help="vote, cld2, fasttext:PATH or none.")] = "",
    config: Config = None,
    set: Set = None,
    plan: Plan = False,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Read sources, clean and filter them, tell their languages: records in, rejects with reasons beside them.

    [dim]glotmill ingest --source xp3x=data/xp3x --source sharegpt=chats.json --out work/ingested[/dim]

    [dim]glotmill ingest --source table=rows.csv --set table.inputs='{question}' --set table.targets='{answer}'
    --set table.language=swh_Latn --out work/rows[/dim]

    A killed run is taken up by the same command. What follows -- goes to Beam.
    """
    from core.config import build, merged, read_toml
    from core.progress import Progress
    from pipelines.ingest.job import IngestConfig, SourceConfig
    from pipelines.ingest.job import ingest as run

    resolved = build(IngestConfig, merged(read_toml(config) if config else {}, set or ()))
    given = [SourceConfig(*_pair("--source", text, "KIND=PATH", "xp3x=data/xp3x")) for text in source or ()]
    resolved = dataclasses.replace(resolved, sources=(*resolved.sources, *given))
    if detector:
        resolved = dataclasses.replace(
            resolved, language_id=dataclasses.replace(resolved.language_id, detector=detector)
        )
    if plan:
        from pipelines.plan.estimate import of_ingest

        tell_plan(of_ingest(resolved), as_json=json)
        return
    manifest = run(resolved, out, fresh=fresh, beam_args=context.args, progress=Progress.on_stderr())
    report(manifest, out, as_json=json)
    if not json:
        print(f"next: glotmill build --input {folder_name(out)} --out COLLECTION")


@guarded
def build(
    context: typer.Context,
    input: Annotated[
        list[Path], folder_option("--input", "-i", help="A folder that ingest or another stage wrote; may be repeated.")
    ],
    out: Annotated[Path, folder_option("--out", "-o", help="The collection to write.")],
    against: Annotated[
        list[Path] | None,
        folder_option("--against", help="A finished folder whose rows are not wanted again; may be repeated."),
    ] = None,
    decontaminate: Annotated[
        list[str] | None,
        typer.Option(
            "--decontaminate",
            metavar="NAME=PATH",
            help="An evaluation set whose items must not be trained on; may be repeated.",
        ),
    ] = None,
    config: Config = None,
    set: Set = None,
    plan: Plan = False,
    fresh: Fresh = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make one collection: exact and near duplicates out, train, validation and test, Parquet by language, a card.

    [dim]glotmill build --input work/ingested --input work/translated --out my-collection[/dim]
    [dim]glotmill build --input work/new --against my-collection --out my-collection-2[/dim]

    Of equal rows the one written by a person stays, before one from a template, a translation, a model; then the first.
    """
    from core.config import load
    from core.progress import Progress
    from pipelines.build.decontaminate import EvaluationSet
    from pipelines.build.job import BuildConfig
    from pipelines.build.job import build as run

    resolved = load(BuildConfig, config, set or ())
    sets = [
        EvaluationSet(*_pair("--decontaminate", text, "NAME=PATH", "xquad=data/xquad")) for text in decontaminate or ()
    ]
    kept_out = dataclasses.replace(resolved.decontaminate, sets=(*resolved.decontaminate.sets, *sets))
    resolved = dataclasses.replace(resolved, decontaminate=kept_out)
    if plan:
        from pipelines.plan.estimate import of_build

        tell_plan(of_build(input, resolved, against or ()), as_json=json)
        return
    manifest = run(
        input,
        resolved,
        out,
        against=against or (),
        fresh=fresh,
        beam_args=context.args,
        progress=Progress.on_stderr(),
    )
    report(manifest, out, as_json=json)
    if not json:
        print(f"next: {folder_name(out / 'README.md')} is its card; glotmill collection show {folder_name(out)}")


def tell_plan(estimate: Estimate, *, as_json: bool) -> None:
    """Tells what a run would cost: a table, or one JSON object."""
    if as_json:
        print_json({"plan": True, **dataclasses.asdict(estimate)})
        return
    about = "" if estimate.rows_are_counted else "about "
    print_table(
        f"What this {estimate.command} would cost",
        ("", ""),
        [
            ("files", f"{estimate.files:,}, {_size(estimate.bytes_in)}"),
            ("rows", f"{about}{estimate.rows:,}"),
            ("shards", f"{estimate.shards:,}"),
            ("processes", f"{estimate.processes}"),
            ("time", f"about {time_text(estimate.seconds)} ({time_text(estimate.cpu_seconds)} of CPU time)"),
            ("memory", f"about {_size(estimate.memory)}"),
            ("disk", f"about {_size(estimate.disk)}, and {_size(estimate.disk_while_running)} more while it runs"),
        ],
    )
    more = "; rows with many near duplicates cost more" if estimate.command == "build" else ""
    print(f"from a sample of {estimate.sampled_rows:,} rows{more}; nothing was written")


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def time_text(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _pair(option: str, text: str, form: str, example: str) -> tuple[str, str]:
    from core.errors import ConfigError

    name, equals, path = text.partition("=")
    if not equals or not path or not name:
        raise ConfigError(f"{option} {text!r}: expected {form}, such as {example}")
    return name, path


def summary(manifest: Manifest, out: Path) -> dict[str, Any]:
    """What --json prints for a data command."""
    return {
        "command": manifest.command,
        "out": str(out),
        "rows_in": manifest.rows_in,
        "rows_out": manifest.rows_out,
        "rows_rejected": manifest.rows_rejected,
        "rejected": manifest.rejected,
        "languages": {
            code: {"rows_in": one.rows_in, "rows_out": one.rows_out, "rejected": one.rejected}
            for code, one in manifest.languages.items()
        },
        **({"contamination": manifest.contamination} if manifest.contamination else {}),
        "warnings": manifest.warnings,
        "seconds": manifest.run.get("seconds"),
    }


def report(manifest: Manifest, out: Path, *, as_json: bool) -> None:
    """Tells a finished stage: tables, or one JSON object."""
    if as_json:
        print_json(summary(manifest, out))
        return
    from collection.languages import find
    from collection.reject import REASONS, Reason

    print_table(
        "Sources",
        ("source", "in", "kept", "rejected"),
        [(name, one.rows_in, one.rows_out, one.rows_rejected) for name, one in manifest.sources.items()],
    )
    print_table(
        "Rejected",
        ("reason", "rows", "stage", "meaning"),
        [(reason, count, *REASONS[Reason(reason)]) for reason, count in manifest.rejected.items()],
    )
    rows = [
        (
            code,
            language.name if (language := find(code)) else "undetermined",
            one.rows_in,
            one.rows_out,
            one.rows_rejected,
            ", ".join(one.rejected),
        )
        for code, one in manifest.languages.items()
    ]
    worst = sorted((row for row in rows if row[4]), key=lambda row: (-row[4] / row[2], -row[4]))[:_WORST]
    print_table("Languages that lost most", ("language", "name", "in", "kept", "rejected", "reasons"), worst)
    if manifest.contamination:
        columns = ("items", "too_short", "items_hit", "rows_dropped")
        print_table(
            "Evaluation sets kept out",
            ("set", "items", "too short to tell", "items found", "rows dropped", "languages"),
            [
                (name, *(one[column] for column in columns), ", ".join(list(one["languages"])[:8]))
                for name, one in manifest.contamination.items()
            ],
        )
    for change, counts in (("masked", manifest.masked), ("repaired", manifest.repaired)):
        if counts:
            print(f"{change}: " + ", ".join(f"{kind} {count:,}" for kind, count in counts.items()))
    moved = sum(count for _, _, count in manifest.language_id.get("relabelled", ()))
    if moved:
        print(f"relabelled: {moved:,} rows stood under another language than they are written in")
    for note in manifest.notes:
        print(f"note: {note}")
    for warning in manifest.warnings:
        print(f"warning: {warning}")
    kept = sum(1 for one in manifest.languages.values() if one.rows_out)
    print(
        f"{manifest.command}: {manifest.rows_in:,} rows in = {manifest.rows_out:,} kept + "
        f"{manifest.rows_rejected:,} rejected, {kept} languages, {manifest.run.get('seconds')} s, in {folder_name(out)}"
    )
