"""Checks of a folder that a command wrote: what its manifest says against what stands in its files, to the row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collection import record, reject, stats
from collection.languages import table
from collection.manifest import KEPT, Manifest
from collection.record import ORIGINS, ROLES
from collection.reject import REASONS
from collection.splits import SPLITS
from collection.store import batches, parts
from glotmill.errors import SourceError


def problems(folder: Path) -> Iterator[str]:
    """A sentence for everything that is wrong with a finished folder; none for a sound one.

    SourceError where there is no finished folder at all.
    """
    manifest = Manifest.read(folder)
    yield from _balance_problems(manifest)
    counted: Counter[tuple[str, str, str]] = Counter()
    ids: list[Any] = []
    is_collection = (folder / "stats.json").exists()
    for path in parts(folder):
        yield from _data_problems(path, folder, is_collection, counted, ids)
    for path in parts(folder, "rejects"):
        yield from _reject_problems(path, counted)
    yield from _count_problems(manifest, counted)
    if is_collection:
        yield from _id_problems(ids)
        yield from _stats_problems(folder, manifest)


def _balance_problems(manifest: Manifest) -> Iterator[str]:
    if manifest.rows_in != manifest.rows_out + manifest.rows_rejected:
        yield f"manifest.json: {manifest.rows_in} rows in, {manifest.rows_out} out + {manifest.rows_rejected} rejected"
    if sum(manifest.rejected.values()) != manifest.rows_rejected:
        added = sum(manifest.rejected.values())
        yield f"manifest.json: the reasons add up to {added} rejects, not {manifest.rows_rejected}"
    for what, balances in (("languages", manifest.languages), ("sources", manifest.sources)):
        for total, name in (
            (manifest.rows_in, "rows_in"),
            (manifest.rows_out, "rows_out"),
            (manifest.rows_rejected, "rows_rejected"),
        ):
            found = sum(getattr(balance, name) for balance in balances.values())
            if found != total:
                yield f"manifest.json: {name} of all {what} add up to {found}, not {total}"


def _data_problems(
    path: Path, folder: Path, is_collection: bool, counted: Counter[tuple[str, str, str]], ids: list[Any]
) -> Iterator[str]:
    name = path.relative_to(folder).as_posix()
    try:
        for batch in batches(path):
            if batch.schema != record.SCHEMA:
                yield f"{name}: its columns are not those of a record"
                return
            for problem in _batch_problems(batch, path.parent.name if is_collection else None):
                yield f"{name}: {problem}"
            for language, source in zip(
                batch.column("language").to_pylist(), batch.column("source").to_pylist(), strict=True
            ):
                counted[source, language, KEPT] += 1
            if is_collection:
                ids.append(np.frombuffer(bytes.fromhex("".join(batch.column("id").to_pylist())), "S16").copy())
        if is_collection and path.name.split("-")[0] not in SPLITS:
            yield f"{name}: no split is called {path.name.split('-')[0]!r}"
    except (SourceError, ValueError) as error:
        yield str(error)


def _batch_problems(batch: pa.RecordBatch, language: str | None) -> Iterator[str]:
    codes = set(batch.column("language").to_pylist())
    if unknown := codes - table().keys():
        yield f"unknown languages {sorted(unknown)}"
    if language is not None and codes - {language}:
        yield f"rows of {sorted(codes - {language})} in the folder of {language}"
    if odd := set(batch.column("origin").to_pylist()) - set(ORIGINS):
        yield f"unknown origins {sorted(odd)}"
    messages = batch.column("messages")
    turns = messages.flatten()
    if odd := set(turns.field("role").unique().to_pylist()) - set(ROLES):
        yield f"unknown roles {sorted(map(str, odd))}"
    lengths = pc.list_value_length(messages)
    if pc.any(pc.less(lengths, 2)).as_py():
        yield "a conversation of fewer than two turns"
    else:
        last = pc.subtract(pc.subtract(messages.offsets[1:], messages.offsets[0]), 1)
        if not pc.all(pc.equal(turns.field("role").take(last), "assistant")).as_py():
            yield "a conversation whose last turn is not the assistant's"
    if pc.any(pc.equal(pc.utf8_length(turns.field("content")), 0)).as_py():
        yield "an empty turn"


def _reject_problems(path: Path, counted: Counter[tuple[str, str, str]]) -> Iterator[str]:
    try:
        for batch in batches(path):
            if batch.schema != reject.SCHEMA:
                yield f"rejects/{path.name}: its columns are not those of a reject"
                return
            for source, language, reason in zip(
                *(batch.column(name).to_pylist() for name in ("source", "language", "reason")), strict=True
            ):
                counted[source, language, reason] += 1
            if unknown := set(batch.column("reason").to_pylist()) - {reason.value for reason in REASONS}:
                yield f"rejects/{path.name}: unknown reasons {sorted(unknown)}"
    except SourceError as error:
        yield str(error)


def _count_problems(manifest: Manifest, counted: Counter[tuple[str, str, str]]) -> Iterator[str]:
    for what, balances, position in (("source", manifest.sources, 0), ("language", manifest.languages, 1)):
        found: Counter[tuple[str, str]] = Counter()
        for key, count in counted.items():
            found[key[position], key[2]] += count
        expected = Counter({(name, KEPT): balance.rows_out for name, balance in balances.items()})
        expected.update(
            {(name, reason): count for name, balance in balances.items() for reason, count in balance.rejected.items()}
        )
        for name, outcome in sorted(found.keys() | expected.keys()):
            here, told = found[name, outcome], expected[name, outcome]
            if here != told:
                yield f"{what} {name}: {here} rows {outcome} in the files, {told} in the manifest"


def _id_problems(ids: list[Any]) -> Iterator[str]:
    if ids:
        together = np.sort(np.concatenate(ids))
        double = int((together[1:] == together[:-1]).sum())
        if double:
            yield f"{double} rows have the id of another row"


def _stats_problems(folder: Path, manifest: Manifest) -> Iterator[str]:
    for code, counted in stats.by_language(folder).items():
        expected = manifest.languages[code].rows_out if code in manifest.languages else 0
        if counted.rows != expected:
            yield f"stats.json: {counted.rows} rows of {code}, {expected} in the manifest"
