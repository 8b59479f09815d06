"""What the batches of a run are made of: passes over every source, what was cut, how full the rows are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.data.config import DataConfig
from finetune.data.mixture import Mixture
from finetune.data.packing_plan import PackingPlan
from finetune.data.sources import DataSources

_NUMBERS: Final = ("rows", "examples", "inputs", "targets", "fuller")


@dataclass
class BatchCounts:
    """Counts over the rows of all hosts; cuts are examples, by language."""

    rows: int = 0
    examples: int = 0
    inputs: int = 0  # ids
    targets: int = 0  # ids
    fuller: float = 0.0  # rows, each as the share of its fuller side that is taken
    inputs_cut: Counter[str] = field(default_factory=Counter)
    targets_cut: Counter[str] = field(default_factory=Counter)

    def add(self, sources: DataSources, plan: PackingPlan, first: int, end: int) -> None:
        """Count the rows `first` to `end` of a plan."""
        chosen = slice(int(plan.row_starts[first]), int(plan.row_starts[end]))
        self.rows += end - first
        self.examples += int(chosen.stop - chosen.start)
        self.inputs += int(plan.lengths.inputs[chosen].sum())
        self.targets += int(plan.lengths.targets[chosen].sum())
        row = np.repeat(np.arange(end - first), np.diff(plan.row_starts[first : end + 1]))
        sides = [
            np.bincount(row, lengths[chosen], end - first) / most
            for lengths, most in (
                (plan.lengths.inputs, sources.config.inputs),
                (plan.lengths.targets, sources.config.targets),
            )
        ]
        self.fuller += float(np.maximum(*sides).sum())
        groups = plan.group[chosen]
        for cut, counts in ((plan.lengths.inputs_cut, self.inputs_cut), (plan.lengths.targets_cut, self.targets_cut)):
            for group, count in zip(*np.unique(groups[cut[chosen]], return_counts=True), strict=True):
                counts[sources.mixture.groups[group].language] += int(count)

    def times(self, factor: float) -> BatchCounts:
        """The counts of so many times as much."""
        numbers = {name: type(getattr(self, name))(getattr(self, name) * factor) for name in _NUMBERS}
        cuts = {
            name: Counter({code: round(count * factor) for code, count in getattr(self, name).items()})
            for name in ("inputs_cut", "targets_cut")
        }
        return BatchCounts(**numbers, **cuts)  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in _NUMBERS},
            "inputs_cut": dict(self.inputs_cut),
            "targets_cut": dict(self.targets_cut),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> BatchCounts:
        numbers = {name: values[name] for name in _NUMBERS}
        return cls(**numbers, inputs_cut=Counter(values["inputs_cut"]), targets_cut=Counter(values["targets_cut"]))


class Passes(NamedTuple):
    """How often the examples of a data set were seen; `dataset` is "" for all of a source."""

    source: str
    dataset: str
    use: str
    size: int
    drawn: int

    @property
    def passes(self) -> float:
        return self.drawn / self.size


def passes(mixture: Mixture, drawn: npt.NDArray[np.int64]) -> tuple[Passes, ...]:
    """The passes over each source and data set, after so many examples of each group [groups]."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for name, size, count in zip(mixture.groups, mixture.sizes.tolist(), drawn.tolist(), strict=True):
        for key in ((name.source, "", name.use), (name.source, name.dataset, name.use)):
            found = sums.setdefault(key, [0, 0])
            found[0] += size
            found[1] += count
    return tuple(Passes(*key, *numbers) for key, numbers in sorted(sums.items()))


@dataclass(frozen=True)
class DataReport:
    """`input_fill` and `target_fill` are shares of the rows' ids that are not padding; `fill` is that of each row's
    fuller side, in the mean."""

    rows: int
    examples: int
    input_fill: float
    target_fill: float
    fill: float
    inputs_cut: Mapping[str, int]
    targets_cut: Mapping[str, int]
    passes: tuple[Passes, ...]

    @classmethod
    def of(cls, config: DataConfig, counts: BatchCounts, seen: tuple[Passes, ...]) -> DataReport:
        rows = max(counts.rows, 1)
        return cls(
            counts.rows,
            counts.examples,
            counts.inputs / (rows * config.inputs),
            counts.targets / (rows * config.targets),
            counts.fuller / rows,
            dict(sorted(counts.inputs_cut.items())),
            dict(sorted(counts.targets_cut.items())),
            seen,
        )


_WASTED: Final = 0.5
_OFTEN: Final = 10.0


def length_notes(config: DataConfig, report: DataReport, longest_input: int, longest_target: int) -> list[str]:
    """A sentence for each side whose rows are more than half padding, or whose examples were cut."""
    out = []
    for name, length, fill, longest, cut in (
        ("inputs", config.inputs, report.input_fill, longest_input, report.inputs_cut),
        ("targets", config.targets, report.target_fill, longest_target, report.targets_cut),
    ):
        if fill < _WASTED:
            out.append(
                f"data.{name} = {length} is far longer than the data needs: rows are {fill:.0%} full on that side, "
                f"the longest example there has {longest} ids"
            )
        if cut and report.examples:
            worst = sorted(cut, key=lambda code: -cut[code])[:3]
            out.append(
                f"{sum(cut.values()) / report.examples:.1%} of the examples have more {name} than "
                f"data.{name} = {length} and are cut; most in {', '.join(worst)}"
            )
    return out


def repeat_notes(report: DataReport) -> list[str]:
    """A sentence for each source that is seen so often that a model learns it by heart."""
    return [
        f"{seen.source} is seen {seen.passes:.1f} times ({seen.size:,} examples): Aya overfitted a source seen 30 "
        "times; a lower weight sees it less"
        for seen in report.passes
        if not seen.dataset and seen.passes > _OFTEN
    ]
