"""The card of a collection: a Hugging Face dataset card, computed from manifests and statistics alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from collection.languages import find
from collection.manifest import Manifest
from collection.reject import REASONS, Reason
from collection.splits import SPLITS
from collection.stats import LanguageStats, total


def render(name: str, manifest: Manifest, languages: Mapping[str, LanguageStats]) -> str:
    """Return the text of `README.md`: YAML for the Hub with one configuration for each language, then text."""
    return "\n".join([*_front_matter(name, languages), *_body(name, manifest, languages)]) + "\n"


def _front_matter(name: str, languages: Mapping[str, LanguageStats]) -> Iterator[str]:
    everything = total(languages.values())
    tags = sorted({language.tag.split("-")[0] for code in languages if (language := find(code))})
    yield "---"
    yield f"pretty_name: {_quoted(name)}"
    yield "language:"
    yield from (f"- {_quoted(tag)}" for tag in tags)
    yield "license:"
    yield from (f"- {_quoted(tag)}" for tag in sorted({license_tag(license) for license in everything.by["license"]}))
    yield f"size_categories:\n- {size_category(everything.rows)}"
    yield "task_categories:\n- text-generation"
    yield "tags:\n- instruction-tuning\n- multilingual\n- glotmill"
    yield "configs:"
    for split_files in _configs(languages):
        yield from split_files
    yield "---"


def _configs(languages: Mapping[str, LanguageStats]) -> Iterator[list[str]]:
    everything = total(languages.values())
    for config, where, stats in [
        ("default", "*", everything),
        *((code, code, languages[code]) for code in sorted(languages)),
    ]:
        lines = [f"- config_name: {config}", *(["  default: true"] if config == "default" else []), "  data_files:"]
        for split in SPLITS:
            if stats.by["split"][split]:
                lines += [f"  - split: {split}", f"    path: data/{where}/{split}-*.parquet"]
        yield lines


def _body(name: str, manifest: Manifest, languages: Mapping[str, LanguageStats]) -> Iterator[str]:
    everything = total(languages.values())
    aya = {language.aya for code in languages if (language := find(code)) and language.aya}
    yield f"\n# {name}\n"
    yield (
        f"{everything.rows:,} conversations in {len(languages)} languages ({len(aya)} of Aya's 101), "
        f"made by glotmill {manifest.glotmill} on Python {manifest.run.get('python', '')}.\n"
    )
    yield "```python\nfrom datasets import load_dataset\n"
    example = max(languages, key=lambda code: languages[code].rows, default="eng_Latn")
    yield f'rows = load_dataset("{name}", "{example}")\n```\n'
    for warning in _warnings(manifest):
        yield f"> **Warning.** {warning}\n"
    yield from _table("Sources", ("source", "origin", "licence", "rows"), _sources(languages))
    yield from _table(
        "Languages", ("language", "name", "resources", *SPLITS, "characters an answer"), _language_rows(languages)
    )
    yield from _table("What was left out", ("stage", "reason", "meaning", "rows"), _left_out(manifest))
    yield from _changes(manifest)
    yield "## How it was made\n"
    for stage in (
        *manifest.upstream,
        {
            "command": manifest.command,
            "config": manifest.config,
            "rows_in": manifest.rows_in,
            "rows_out": manifest.rows_out,
        },
    ):
        yield f"`glotmill {stage['command']}`: {stage['rows_in']:,} rows in, {stage['rows_out']:,} out, with\n"
        yield f"```json\n{json.dumps(stage['config'], ensure_ascii=False, indent=1)}\n```\n"


def _warnings(manifest: Manifest) -> list[str]:
    return [*(warning for stage in manifest.upstream for warning in stage["warnings"]), *manifest.warnings]


def _sources(languages: Mapping[str, LanguageStats]) -> list[tuple[Any, ...]]:
    # Counts of single columns cannot tell which source has which licence: rows of `source_detail` can.
    detail: Counter[str] = Counter()
    for stats in languages.values():
        detail.update(stats.by["provenance"])
    return [(*key.split("\t"), count) for key, count in sorted(detail.items())]


def _language_rows(languages: Mapping[str, LanguageStats]) -> list[tuple[Any, ...]]:
    rows = []
    for code, stats in sorted(languages.items()):
        language = find(code)
        splits = [stats.by["split"][split] for split in SPLITS]
        mean = round(stats.target_characters / stats.rows) if stats.rows else 0
        rows.append(
            (f"`{code}`", language.name if language else "", (language and language.resource) or "", *splits, mean)
        )
    return rows


def _left_out(manifest: Manifest) -> list[tuple[Any, ...]]:
    stages = [(stage["command"], stage["rejected"]) for stage in manifest.upstream] + [
        (manifest.command, manifest.rejected)
    ]
    return [
        (command, f"`{reason}`", REASONS[Reason(reason)][1], count)
        for command, rejected in stages
        for reason, count in rejected.items()
    ]


def _changes(manifest: Manifest) -> Iterator[str]:
    repaired: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    relabelled = 0
    for stage in manifest.upstream:
        repaired.update(stage["repaired"])
        masked.update(stage["masked"])
        relabelled += sum(count for _, _, count in stage["language_id"].get("relabelled", ()))
    changes = [("language relabelled", relabelled)] if relabelled else []
    changes += [(f"masked: {kind.lower()}", count) for kind, count in sorted(masked.items())]
    changes += [(f"repaired: {kind.replace('_', ' ')}", count) for kind, count in sorted(repaired.items())]
    yield from _table("What was changed", ("change", "times"), changes)
    notes = [*(note for stage in manifest.upstream for note in stage["notes"]), *manifest.notes]
    if notes:
        yield "".join(f"- {note}\n" for note in notes)


def _table(title: str, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    if rows:
        yield f"## {title}\n"
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        for row in rows:
            yield f"| {' | '.join(map(_cell, row))} |"
        yield ""


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def license_tag(spdx: str) -> str:
    """Return the Hub's name for a licence: lower case, or `other` or `unknown` if the Hub has no name for it."""
    if spdx.startswith("LicenseRef-"):
        return "other"
    return spdx.lower() if spdx else "unknown"


def size_category(rows: int) -> str:
    """Return the Hub's size class."""
    bounds = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    bounds += [(10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B")]
    return next((label for bound, label in bounds if rows < bound), "n>1B")


def _quoted(text: str) -> str:
    # JSON strings are YAML strings; `no` unquoted would be read as false.
    return json.dumps(text, ensure_ascii=False)
