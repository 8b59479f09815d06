"""What a suite gives for one task in one language, before it is scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from collection.languages import Language
from eval.results import Example
from eval.task import Task


@dataclass(frozen=True)
class Outcome:
    """The examples of a task, each with its statistics by metric; the first metric is the main one."""

    task: Task
    language: Language
    metrics: tuple[str, ...]
    examples: tuple[Example, ...]
    data: str  # hash of the items
    group: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)  # further parts of the signature
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of each item, what could be contaminated
    notes: tuple[str, ...] = ()
    # Rows of statistics that are not of examples but of draws: a metric's name and its rows.
    draws: Mapping[str, tuple[tuple[float, ...], ...]] = field(default_factory=dict)
