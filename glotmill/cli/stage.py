"""Print the summary of a finished stage, or the estimate of one that has not run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glotmill.cli.output import folder_name, print_json, print_table

if TYPE_CHECKING:
    from collection.manifest import Manifest
    from pipelines.plan.estimate import Estimate

# The number of languages in the table of those that lost the most rows.
_WORST = 20


def summary(manifest: Manifest, out: Path) -> dict[str, Any]:
    """Return the object that --json prints for a data command."""
    return {
        "command": manifest.command,
        "out": str(out),
        "rows_in": manifest.rows_in,
        "rows_out": manifest.rows_out,
        "rows_rejected": manifest.rows_rejected,
        "rejected": manifest.rejected,
        "languages": {
            code: {"rows_in": balance.rows_in, "rows_out": balance.rows_out, "rejected": balance.rejected}
            for code, balance in manifest.languages.items()
        },
        **({"contamination": manifest.contamination} if manifest.contamination else {}),
        "warnings": manifest.warnings,
        "seconds": manifest.run.get("seconds"),
    }


def print_summary(manifest: Manifest, out: Path, *, as_json: bool) -> None:
    """Print a finished stage as tables, or as one JSON object."""
    if as_json:
        print_json(summary(manifest, out))
        return
    _print_tables(manifest)
    for change, counts in (("masked", manifest.masked), ("repaired", manifest.repaired)):
        if counts:
            print(f"{change}: " + ", ".join(f"{kind} {count:,}" for kind, count in counts.items()))
    if moved := sum(count for _, _, count in manifest.language_id.get("relabelled", ())):
        print(f"relabelled: {moved:,} rows declared another language than they are written in")
    for note in manifest.notes:
        print(f"note: {note}")
    for warning in manifest.warnings:
        print(f"warning: {warning}")
    kept = sum(1 for balance in manifest.languages.values() if balance.rows_out)
    print(
        f"{manifest.command}: {manifest.rows_in:,} rows in = {manifest.rows_out:,} kept + "
        f"{manifest.rows_rejected:,} rejected, {kept} languages, {manifest.run.get('seconds')} s, in {folder_name(out)}"
    )


def _print_tables(manifest: Manifest) -> None:
    from collection.reject import REASONS, Reason

    sources = [(name, count.rows_in, count.rows_out, count.rows_rejected) for name, count in manifest.sources.items()]
    print_table("Sources", ("source", "in", "kept", "rejected"), sources)
    reasons = [(reason, count, *REASONS[Reason(reason)]) for reason, count in manifest.rejected.items()]
    print_table("Rejected", ("reason", "rows", "stage", "meaning"), reasons)
    head = ("language", "name", "in", "kept", "rejected", "reasons")
    print_table("Languages that lost most", head, _worst_languages(manifest))
    columns = ("items", "too_short", "items_hit", "rows_dropped")
    print_table(
        "Evaluation sets kept out",
        ("set", "items", "too short to check", "items found", "rows dropped", "languages"),
        [
            (name, *(counts[column] for column in columns), ", ".join(list(counts["languages"])[:8]))
            for name, counts in manifest.contamination.items()
        ],
    )


def _worst_languages(manifest: Manifest) -> list[tuple[str, str, int, int, int, str]]:
    """Return a row for each language with rejects, those with the largest share of rejects first."""
    from collection.languages import find

    rows = []
    for code, balance in manifest.languages.items():
        language = find(code)
        name = language.name if language else "undetermined"
        counts = (balance.rows_in, balance.rows_out, balance.rows_rejected)
        rows.append((code, name, *counts, ", ".join(balance.rejected)))
    return sorted((row for row in rows if row[4]), key=lambda row: (-row[4] / row[2], -row[4]))[:_WORST]


def print_estimate(estimate: Estimate, *, as_json: bool) -> None:
    """Print the estimated cost of a run as a table, or as one JSON object."""
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
    """Return a duration in seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"
