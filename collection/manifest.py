"""The manifest of a stage: what went in, what came out, what was turned away and why, to the row.

`Tally` counts while rows pass; `Manifest` is the content of `manifest.json`. Rows are counted under the language that
they end up with, so that in = out + rejected holds for every language, source and the whole.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from collection.reject import Reason
from core import files
from core.errors import SourceError

KEPT = "kept"
UNDETERMINED = "und"


@dataclass
class Tally:
    """Counts of one shard or of a whole stage.

    `outcomes` by (source, language, outcome), where the outcome is KEPT or a reason; `verdicts` by (language, what
    language ID said); `relabelled` by (declared, detected); `repaired` and `masked` by kind.
    """

    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    relabelled: Counter[tuple[str, str]] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))

    @property
    def rows_in(self) -> int:
        return sum(self.outcomes.values())

    @property
    def rows_out(self) -> int:
        return sum(count for (_, _, outcome), count in self.outcomes.items() if outcome == KEPT)

    def to_json(self) -> dict[str, list[Any]]:
        """Each counter as a sorted list of [key, ..., count]."""
        return {
            name: [[*_parts(key), count] for key, count in sorted(getattr(self, name).items())] for name in _COUNTERS
        }

    @classmethod
    def from_json(cls, values: Mapping[str, list[Any]]) -> Tally:
        tally = cls()
        for name in _COUNTERS:
            for *key, count in values[name]:
                getattr(tally, name)[tuple(key) if len(key) > 1 else key[0]] = count
        return tally


_COUNTERS = tuple(f.name for f in fields(Tally))


def _parts(key: tuple[str, ...] | str) -> tuple[str, ...]:
    return key if isinstance(key, tuple) else (key,)


@dataclass(frozen=True)
class Input:
    """One file that was read: its path as given, size in bytes, xxh3-128 of its content."""

    path: str
    bytes: int
    hash: str


@dataclass(frozen=True)
class Balance:
    """Rows in, rows out, and the difference by reason."""

    rows_in: int
    rows_out: int
    rejected: dict[str, int]

    @property
    def rows_rejected(self) -> int:
        return sum(self.rejected.values())


@dataclass(kw_only=True)
class Manifest:
    """The content of `manifest.json`; docs/record.md describes every field."""

    command: str
    glotmill: str = ""
    code: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    inputs: list[Input] = field(default_factory=list)
    shards: int
    rows_in: int
    rows_out: int
    rows_rejected: int
    rejected: dict[str, int]
    languages: dict[str, Balance]
    sources: dict[str, Balance]
    language_id: dict[str, Any] = field(default_factory=dict)
    repaired: dict[str, int] = field(default_factory=dict)
    masked: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    contamination: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    upstream: list[dict[str, Any]] = field(default_factory=list)
    run: dict[str, Any] = field(default_factory=dict)
    complete: bool = False

    @classmethod
    def of(cls, command: str, tally: Tally, shards: int, **more: Any) -> Manifest:
        """Return the manifest of a stage with these counts. All sums are made from them; `more` sets other fields."""
        return cls(
            command=command,
            shards=shards,
            rows_in=tally.rows_in,
            rows_out=tally.rows_out,
            rows_rejected=tally.rows_in - tally.rows_out,
            rejected=rejected_by_reason(tally),
            languages=balances(tally, 1),
            sources=balances(tally, 0),
            repaired=dict(sorted(tally.repaired.items())),
            masked=dict(sorted(tally.masked.items())),
            **more,
        )

    def write(self, folder: Path) -> None:
        files.write_text(folder / "manifest.json", json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Return the manifest of a folder that a command wrote. Raise SourceError if it is missing or unfinished."""
        path = folder / "manifest.json"
        try:
            values = json.loads(path.read_text("utf-8"))
            values["inputs"] = [Input(**item) for item in values["inputs"]]
            for name in ("languages", "sources"):
                values[name] = {key: Balance(**item) for key, item in values[name].items()}
            manifest = cls(**values)
        except FileNotFoundError:
            what = (
                "no such folder"
                if not folder.exists()
                else "no manifest.json in it: it is not the output of a finished glotmill command"
            )
            raise SourceError(f"{folder}: {what}") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise SourceError(f"{path} cannot be read: {error}") from error
        if not manifest.complete:
            raise SourceError(f"{folder} is unfinished: run `glotmill {manifest.command}` on it again to finish it")
        return manifest


def balances(tally: Tally, by: int) -> dict[str, Balance]:
    """Return the balance of each source (`by` 0) or language (`by` 1), in the order of their names."""
    kept: Counter[str] = Counter()
    rejected: dict[str, dict[str, int]] = {}
    for key, count in tally.outcomes.items():
        name, outcome = key[by], key[2]
        reasons = rejected.setdefault(name, {})
        if outcome == KEPT:
            kept[name] += count
        else:
            reasons[outcome] = reasons.get(outcome, 0) + count
    return {
        name: Balance(kept[name] + sum(reasons.values()), kept[name], dict(sorted(reasons.items())))
        for name, reasons in sorted(rejected.items())
    }


def rejected_by_reason(tally: Tally) -> dict[str, int]:
    """Rows turned away, by reason, in the order in which Reason lists them."""
    counts: Counter[str] = Counter()
    for (_, _, outcome), count in tally.outcomes.items():
        if outcome != KEPT:
            counts[outcome] += count
    return {reason.value: counts[reason.value] for reason in Reason if counts[reason.value]}


# A language is looked at when it has this many rows; a reason when it takes this share of them.
_LEAST_ROWS, _LEAST_SHARE, _TIMES_OTHERS = 50, 0.05, 3.0


def unfair_reasons(languages: Mapping[str, Balance]) -> list[str]:
    """Return a sentence for each reason that takes far more of one language than of the others.

    Far more: the lower end of the 99% Wilson interval of the share taken is over 5%, and over three times the share
    that the reason takes of all other languages together.
    """
    seen = {code: balance for code, balance in languages.items() if code != UNDETERMINED}
    total_in = sum(balance.rows_in for balance in seen.values())
    total: Counter[str] = Counter()
    for balance in seen.values():
        total.update(balance.rejected)
    sentences = []
    for code, balance in seen.items():
        for reason, count in balance.rejected.items():
            others_in = total_in - balance.rows_in
            if balance.rows_in < _LEAST_ROWS or not others_in:
                continue
            others = (total[reason] - count) / others_in
            if _wilson_low(count, balance.rows_in) > max(_LEAST_SHARE, _TIMES_OTHERS * others):
                sentences.append(
                    f"{reason} takes {count / balance.rows_in:.0%} of {code} ({count} of {balance.rows_in} rows), "
                    f"{others:.1%} of the other languages"
                )
    return sentences


def _wilson_low(hits: int, n: int, z: float = 2.576) -> float:
    share = hits / n
    centre = share + z * z / (2 * n)
    return (centre - z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def total_of(tallies: Iterable[Tally]) -> Tally:
    """All counts together."""
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total
