"""Read texts with labels, for classification and clustering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eval.data.examples import NothingToAsk, identifiers, texts
from eval.data.sources import Row, content_hash, take
from eval.task import Task


@dataclass(frozen=True)
class LabelledTexts:
    """Texts, each with a label; `data` is the hash of both."""

    ids: list[str]
    contents: list[str]
    labels: list[str]
    notes: tuple[str, ...]

    @property
    def data(self) -> str:
        return content_hash([self.contents, self.labels])

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """Return the text of each example, by id."""
        return {name: (text,) for name, text in zip(self.ids, self.contents, strict=True)}


def is_labelled(row: Row, task: Task) -> bool:
    """Return whether a row has a text and a label."""
    return bool(texts(row, "text", task) and texts(row, "label", task))


def labelled_texts(rows: Sequence[Row], task: Task, limit: int) -> LabelledTexts:
    """Return the labelled texts of at most `limit` rows; NothingToAsk where they have fewer than two labels."""
    names = identifiers(rows, task)
    chosen = take(rows, limit, lambda place: names[place])
    kept = [place for place in chosen if is_labelled(rows[place], task)]
    lost = len(chosen) - len(kept)
    notes = (f"{task.name}: {lost} of {len(chosen)} rows have no text or no label",) if lost else ()
    labels = [texts(rows[place], "label", task)[0] for place in kept]
    if len(set(labels)) < 2:
        raise NothingToAsk("its rows have fewer than two labels")
    contents = [texts(rows[place], "text", task)[0] for place in kept]
    return LabelledTexts([names[place] for place in kept], contents, labels, notes)
