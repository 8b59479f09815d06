"""Check a folder that a command wrote: compare its manifest with its files, to the row.

Everything is counted anew, batch by batch. Memory grows with nothing but the number of files, languages and sources.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collection import record, reject, stats, tokens
from collection.languages import table
from collection.manifest import KEPT, Manifest
from collection.record import ORIGINS, ROLES
from collection.reject import REASONS
from collection.splits import SPLITS
from collection.stats import LanguageStats
from collection.store import batches, parts
from core import files
from core.errors import SourceError

# The number of ids that are compared at a time: 16 bytes each, twice while they are sorted.
_IDS_AT_ONCE: Final = 1 << 24


@dataclass
class _Found:
    """The content of the files of a folder."""

    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    languages: dict[str, LanguageStats] = field(default_factory=dict)
    sound: list[Path] = field(default_factory=list)


def problems(folder: Path) -> Iterator[str]:
    """Yield a sentence for each problem of a finished folder.

    SourceError where there is no finished folder at all.
    """
    manifest = Manifest.read(folder)
    yield from _balance_problems(manifest)
    found = _Found()
    is_collection = manifest.command == "build"
    data = parts(folder) if manifest.command != tokens.COMMAND else []
    if manifest.command == tokens.COMMAND:
        yield from _token_problems(folder, found)
    for path in data:
        yield from _data_problems(path, folder, is_collection, found)
    for path in parts(folder, "rejects"):
        yield from _reject_problems(path, folder, found)
    yield from _count_problems(manifest, found)
    if is_collection:
        yield from _id_problems(found)
        # Statistics count what files hold: of damaged files nobody can say what they should be.
        yield from _stats_problems(folder, found.languages if len(found.sound) == len(data) else None)


def _balance_problems(manifest: Manifest) -> Iterator[str]:
    if manifest.rows_in != manifest.rows_out + manifest.rows_rejected:
        yield f"manifest.json: {manifest.rows_in} rows in, {manifest.rows_out} out + {manifest.rows_rejected} rejected"
    if sum(manifest.rejected.values()) != manifest.rows_rejected:
        added = sum(manifest.rejected.values())
        yield f"manifest.json: the reasons add up to {added} rejects, not {manifest.rows_rejected}"
    for what, balances in (("languages", manifest.languages), ("sources", manifest.sources)):
        reasons: Counter[str] = Counter()
        for name, balance in balances.items():
            reasons.update(balance.rejected)
            if balance.rows_in != balance.rows_out + balance.rows_rejected:
                yield (
                    f"manifest.json: {name}: {balance.rows_in} rows in, "
                    f"{balance.rows_out} out + {balance.rows_rejected} rejected"
                )
        for total, column in (
            (manifest.rows_in, "rows_in"),
            (manifest.rows_out, "rows_out"),
            (manifest.rows_rejected, "rows_rejected"),
        ):
            added = sum(getattr(balance, column) for balance in balances.values())
            if added != total:
                yield f"manifest.json: {column} of all {what} add up to {added}, not {total}"
        for reason in sorted(reasons.keys() | manifest.rejected.keys()):
            if reasons[reason] != manifest.rejected.get(reason, 0):
                yield (
                    f"manifest.json: {reason} of all {what} adds up to {reasons[reason]}, "
                    f"not {manifest.rejected.get(reason, 0)}"
                )


def _data_problems(path: Path, folder: Path, is_collection: bool, found: _Found) -> Iterator[str]:
    """Yield the problems of one file, and add its rows to the totals; a file without problems counts as sound."""
    name = path.relative_to(folder).as_posix()
    language, split = (path.parent.name, path.name.split("-")[0]) if is_collection else (None, None)
    told: set[str] = set()  # once a file, however many batches have it
    if is_collection and split not in SPLITS:
        told.add(f"no split is called {split!r}")
        yield f"{name}: no split is called {split!r}"
    try:
        for batch in batches(path):
            if batch.schema != record.SCHEMA:
                yield f"{name}: its columns are not those of a record"
                return
            batch.validate(full=True)
            _count(batch, found, KEPT)
            for problem in _batch_problems(batch, language):
                if problem not in told:
                    told.add(problem)
                    yield f"{name}: {problem}"
            if language is not None and not told:
                found.languages.setdefault(language, LanguageStats()).add(stats.measure(batch, split))
    except SourceError as error:
        yield str(error)
    except ValueError as error:
        yield f"{name}: {error}"
    else:
        if not told:
            found.sound.append(path)


def _count(batch: pa.RecordBatch, found: _Found, outcome: str | None = None) -> None:
    """Count the rows of a batch by source, language and outcome: a given outcome, or the reason in the row."""
    names = ["source", "language"] if outcome else ["source", "language", "reason"]
    counts = pa.Table.from_batches([batch]).select(names).group_by(names).aggregate([([], "count_all")])
    for row in counts.to_pylist():
        found.outcomes[row["source"], row["language"], outcome or row["reason"]] += row["count_all"]


def _batch_problems(batch: pa.RecordBatch, language: str | None) -> Iterator[str]:
    if not pc.all(pc.match_substring_regex(batch.column("id"), "^[0-9a-f]{32}$")).as_py():
        yield "an id that is not 32 hex digits"
    codes = set(batch.column("language").unique().to_pylist())
    if unknown := codes - table().keys():
        yield f"unknown languages {sorted(unknown)}"
    if language is not None and codes - {language}:
        yield f"rows of {sorted(codes - {language})} in the folder of {language}"
    if odd := set(batch.column("origin").unique().to_pylist()) - set(ORIGINS):
        yield f"unknown origins {sorted(odd)}"
    messages = batch.column("messages")
    roles, contents = messages.flatten().flatten()
    if odd := set(roles.unique().to_pylist()) - set(ROLES):
        yield f"unknown roles {sorted(map(str, odd))}"
    lengths = pc.list_value_length(messages)
    if pc.any(pc.less(lengths, 2)).as_py():
        yield "a conversation of fewer than two turns"
    else:
        last = pc.subtract(pc.subtract(messages.offsets[1:], messages.offsets[0]), 1)
        if not pc.all(pc.equal(roles.take(last), "assistant")).as_py():
            yield "a conversation whose last turn is not the assistant's"
    if pc.any(pc.equal(pc.fill_null(pc.utf8_length(contents), 0), 0)).as_py():
        yield "an empty turn"


def _token_problems(folder: Path, found: _Found) -> Iterator[str]:
    """Yield the problems of all token shards; their rows are added to what was found."""
    vocabulary = tokens.read_manifest(folder).config.get("vocabulary", 0)
    try:
        hashes = dict(json.loads((folder / "stats.json").read_text("utf-8"))["shards"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        yield f"stats.json cannot be read: {error!r}"
        return
    for path in tokens.shards(folder):
        name = path.relative_to(folder).as_posix()
        if hashes.pop(name, "") != files.content_hash(path):
            yield f"{name}: its content is not what was written: the hash in stats.json is another"
        for problem in _shard_problems(path, vocabulary, found):
            yield problem if problem.startswith(str(path)) else f"{name}: {problem}"
    for name in hashes:
        yield f"{name}: no such file"


def _shard_problems(path: Path, vocabulary: int, found: _Found) -> Iterator[str]:
    """Yield the problems of one token shard."""
    try:
        for batch in tokens.map_shard(path):
            if batch.schema != tokens.schema(vocabulary):
                yield "its columns are not those of a token shard"
                return
            batch.validate(full=True)
            _count(batch, found, KEPT)
            roles, ids = batch.column("roles"), batch.column("tokens")
            if not pc.all(pc.equal(pc.list_value_length(roles), pc.list_value_length(ids))).as_py():
                yield "a row with other numbers of roles and of messages"
            values = ids.flatten().flatten()
            if len(values) and not 0 <= pc.min(values).as_py() <= pc.max(values).as_py() < vocabulary:
                yield f"an id outside the vocabulary of {vocabulary} pieces"
    except (SourceError, ValueError) as error:
        yield str(error)


def _reject_problems(path: Path, folder: Path, found: _Found) -> Iterator[str]:
    name = path.relative_to(folder).as_posix()
    try:
        for batch in batches(path):
            if batch.schema != reject.SCHEMA:
                yield f"{name}: its columns are not those of a reject"
                return
            batch.validate(full=True)
            _count(batch, found)
            if unknown := set(batch.column("reason").unique().to_pylist()) - {reason.value for reason in REASONS}:
                yield f"{name}: unknown reasons {sorted(unknown)}"
    except SourceError as error:
        yield str(error)
    except ValueError as error:
        yield f"{name}: {error}"


def _count_problems(manifest: Manifest, counted: _Found) -> Iterator[str]:
    for what, balances, position in (("source", manifest.sources, 0), ("language", manifest.languages, 1)):
        found: Counter[tuple[str, str]] = Counter()
        for key, count in counted.outcomes.items():
            found[key[position], key[2]] += count
        expected = Counter({(name, KEPT): balance.rows_out for name, balance in balances.items()})
        expected.update(
            {(name, reason): count for name, balance in balances.items() for reason, count in balance.rejected.items()}
        )
        for name, outcome in sorted(found.keys() | expected.keys()):
            counted_rows, stated_rows = found[name, outcome], expected[name, outcome]
            if counted_rows != stated_rows:
                yield f"{what} {name}: {counted_rows} rows {outcome} in the files, {stated_rows} in the manifest"


def _id_problems(found: _Found) -> Iterator[str]:
    """How many rows of the sound files share an id. A collection too large for one look has its ids read several times,
    and another share of them looked at each time."""
    rows = sum(language.rows for language in found.languages.values())
    shares = math.ceil(rows / _IDS_AT_ONCE)
    double = 0
    for share in range(shares):
        held = [_ids(batch, share, shares) for path in found.sound for batch in batches(path, ["id"], 50_000)]
        together = np.concatenate(held) if held else np.empty(0, "S16")
        del held
        together.sort()
        double += int((together[1:] == together[:-1]).sum())
    if double:
        yield f"{double} rows have the id of another row"


def _ids(batch: pa.RecordBatch, share: int, shares: int) -> Any:
    """Those ids of a batch that fall into one of several shares, as bytes."""
    ids = np.frombuffer(bytes.fromhex("".join(batch.column("id").to_pylist())), "S16")
    return ids[ids.view("<u4")[::4] % shares == share]


def _stats_problems(folder: Path, found: Mapping[str, LanguageStats] | None) -> Iterator[str]:
    path = folder / "stats.json"
    try:
        told = json.loads(path.read_text("utf-8"))
        languages, whole = dict(told["languages"]), dict(told["total"])
        described = {code: dict(values) for code, values in languages.items()}
    except FileNotFoundError:
        yield "stats.json: no such file"
        return
    except (OSError, ValueError, TypeError, KeyError) as error:
        yield f"stats.json cannot be read: {error!r}"
        return
    if found is None:
        return
    counted = stats.to_json(found)
    for code in sorted(described.keys() | counted["languages"].keys()):
        yield from _difference(code, described.get(code, {}), counted["languages"].get(code, {}))
    yield from _difference("total", whole, counted["total"])


def _difference(name: str, told: Mapping[str, Any], counted: Mapping[str, Any]) -> Iterator[str]:
    # What describes the language comes from the table of languages, which may have changed since.
    columns: Sequence[str] = list(LanguageStats().to_json())
    if wrong := [column for column in columns if told.get(column) != counted.get(column)]:
        yield f"stats.json: {name}: {', '.join(wrong)}: not what is in the files"
