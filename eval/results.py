"""What an evaluation leaves: a line an example, and report.json with every score.

OUT/results/<suite>/<task>/<language>.jsonl   one example a line: what was asked, what came, its statistics by metric
OUT/report.json                               the model, every score with its signature and interval, what is missing
OUT/report.html                               the same, to be read
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from core import files
from core.errors import SourceError
from core.frames import data_frame
from eval.metrics.base import Interval, Rows

if TYPE_CHECKING:
    import pandas

REPORT: Final = "report.json"
RESULTS: Final = "results"
FORMAT: Final = 1


@dataclass(frozen=True)
class Score:
    """One number: of a model, on a task, in a language, by a metric. `signature` says all that it depends on."""

    suite: str
    task: str
    language: str
    metric: str
    score: float
    n: int
    signature: str
    interval: Interval | None = None
    main: bool = False  # the main metric of the task
    higher_is_better: bool = True
    group: str = ""  # within a task: a dimension and precision of embeddings, a pair of languages
    contaminated: float | None = None  # share of the items that are in what the model was trained on

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Score:
        bounds = values.get("interval")
        return cls(**{**values, "interval": Interval(**bounds) if bounds else None})


@dataclass(frozen=True)
class Missing:
    """A score that there is not, and why: nothing is left out in silence."""

    suite: str
    task: str
    language: str
    why: str


@dataclass(frozen=True)
class Report:
    """All of an evaluation."""

    model: Mapping[str, Any]  # spec, name, sha256, tokenizer
    scores: tuple[Score, ...]
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()
    run: Mapping[str, Any] = field(default_factory=dict)  # version, config, data, date, seconds

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "model": dict(self.model),
            "run": dict(self.run),
            "scores": [asdict(score) for score in self.scores],
            "missing": [asdict(one) for one in self.missing],
            "notes": list(self.notes),
        }

    def to_pandas(self) -> pandas.DataFrame:
        """Return the scores as a data frame, one row each, with the bounds of the interval as `low` and `high`."""
        rows = []
        for score in self.scores:
            values = asdict(score)
            bounds = values.pop("interval") or {}
            rows.append({**values, "low": bounds.get("low"), "high": bounds.get("high")})
        columns = [column.name for column in fields(Score) if column.name != "interval"]
        return data_frame(rows, [*columns, "low", "high"])

    def write(self, folder: Path) -> None:
        """Writes report.json in one piece."""
        text = json.dumps(self.to_json(), ensure_ascii=False, indent=1, allow_nan=False)
        files.write_text(folder / REPORT, text + "\n")

    @classmethod
    def read(cls, folder: Path) -> Report:
        """Of a folder that `glotmill eval run` wrote, or its report.json; SourceError for anything else."""
        path = folder / REPORT if folder.is_dir() else folder
        try:
            values = json.loads(path.read_text("utf-8"))
            if values["format"] != FORMAT:
                raise SourceError(f"{path} has the format {values['format']}, this glotmill reads {FORMAT}: update it")
            return cls(
                values["model"],
                tuple(Score.from_json(one) for one in values["scores"]),
                tuple(Missing(**one) for one in values["missing"]),
                tuple(values["notes"]),
                values["run"],
            )
        except FileNotFoundError:
            raise SourceError(f"there is no {path}: expected a folder that `glotmill eval run` wrote") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(f"{path} is not a report of glotmill: {' '.join(str(error).split())}") from error


@dataclass(frozen=True)
class Example:
    """What one item of a task came to. `statistics` has a row of numbers for each metric: [k]."""

    id: str
    statistics: Mapping[str, Sequence[float]]
    told: Mapping[str, Any] = field(default_factory=dict)  # prompt, answer, expected, ...: for people

    def to_json(self) -> dict[str, Any]:
        numbers = {name: [_short(value) for value in row] for name, row in self.statistics.items()}
        return {"id": self.id, **self.told, "statistics": numbers}


def _short(value: float) -> float | int:
    return int(value) if float(value).is_integer() else round(float(value), 9)


def examples_path(folder: Path, suite: str, task: str, language: str, group: str = "") -> Path:
    """Where the examples of a score stand."""
    return folder / RESULTS / suite / task / f"{language}{'.' + group if group else ''}.jsonl"


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """A line an example, in one piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, "".join(json.dumps(one.to_json(), ensure_ascii=False) + "\n" for one in examples))


def read_statistics(path: Path, metric: str) -> tuple[list[str], Rows]:
    """The ids of the examples of a file, and their statistics by a metric, [n, k]."""
    ids, rows = [], []
    try:
        for line in filter(None, path.read_text("utf-8").split("\n")):
            values = json.loads(line)
            if metric in values["statistics"]:
                ids.append(values["id"])
                rows.append(values["statistics"][metric])
    except FileNotFoundError:
        raise SourceError(f"there is no {path}: its evaluation was moved or is not whole; run it again") from None
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    return ids, np.array(rows, np.float64) if rows else np.empty((0, 1))
