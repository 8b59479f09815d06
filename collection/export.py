"""Write records in shapes that other tools read.

To add a shape, write its exporter and add one row to `EXPORTERS`.
"""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

import pyarrow as pa

from collection.preferences import preferences
from collection.record import Record
from core import files
from core.errors import ConfigError


def as_aya(record: Record) -> dict[str, Any]:
    """Return `inputs` and `targets`, as in Aya. If several turns precede the answer, each begins with its role."""
    return {
        "id": record.id,
        "inputs": _prompt(record),
        "targets": record.target,
        "language": record.language,
        "dataset_name": record.dataset,
        "template_id": record.template,
        "task_type": record.task,
        "split": record.split,
    }


def as_prompt_completion(record: Record) -> dict[str, Any]:
    """Return `prompt` and `completion`."""
    return {"id": record.id, "prompt": _prompt(record), "completion": record.target, "language": record.language}


def as_sharegpt(record: Record) -> dict[str, Any]:
    """Return `conversations` of `from` and `value`; reading it as a ShareGPT source gives the same messages again."""
    speakers = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
    turns = [{"from": speakers[role], "value": content} for role, content in record.messages]
    return {"id": record.id, "lang": record.language, "conversations": turns}


def as_messages(record: Record) -> dict[str, Any]:
    """Return every column, with messages as `role` and `content`."""
    columns = {name: getattr(record, name) for name in record.__slots__}
    return {**columns, "messages": [message._asdict() for message in record.messages]}


class ExportSource(Protocol):
    """A folder of records that is exported."""

    @property
    def path(self) -> Path:
        """Return the folder."""

    def code(self, language: str) -> str:
        """Return the code of a language that the folder has rows of, or "" for ""."""

    def records(self, language: str, split: str) -> Iterator[Record]:
        """Return the records of one language and split; "" for all."""


class Exporter(Protocol):
    """One shape of `glotmill collection export`."""

    @property
    def help(self) -> str:
        """Return what the shape is for, as a part of the help text."""

    def rows(self, source: ExportSource, language: str, split: str) -> Iterator[dict[str, Any]]:
        """Return the rows of one language and split; "" for all."""


@dataclass(frozen=True)
class RecordExporter:
    """A row for each record."""

    row: Callable[[Record], dict[str, Any]]
    help: str = ""

    def rows(self, source: ExportSource, language: str, split: str) -> Iterator[dict[str, Any]]:
        return map(self.row, source.records(language, split))


@dataclass(frozen=True)
class PreferenceExporter:
    """A row for each pair of a chosen answer and one that was passed over."""

    help: str = "for the pairs of `synthesize`"

    def rows(self, source: ExportSource, language: str, split: str) -> Iterator[dict[str, Any]]:
        if split:
            raise ConfigError("--split is for records: export preference pairs from the folder that `synthesize` wrote")
        code = source.code(language)
        return (pair.to_json() for pair in preferences(source.path) if code in ("", pair.chosen.language))


EXPORTERS: Final[Mapping[str, Exporter]] = {
    "messages": RecordExporter(as_messages),
    "aya": RecordExporter(as_aya),
    "prompt-completion": RecordExporter(as_prompt_completion),
    "sharegpt": RecordExporter(as_sharegpt),
    "preference": PreferenceExporter(),
}
SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json")


def shapes_help() -> str:
    """Return the shapes in one line, for the command's help."""
    *first, last = (f"{name} {exporter.help}".strip() for name, exporter in EXPORTERS.items())
    return f"{', '.join(first)}, or {last}."


def write_rows(rows: Iterable[dict[str, Any]], path: Path) -> int:
    """Write rows to a file with one of SUFFIXES, and return their number."""
    count = 0
    with _writer(path) as write:
        for row in rows:
            write(row)
            count += 1
    return count


def _prompt(record: Record) -> str:
    before = record.messages[:-1]
    if len(before) == 1:
        return before[0].content
    return "\n\n".join(f"{role.capitalize()}: {content}" for role, content in before)


@contextlib.contextmanager
def _writer(path: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    if not path.name.endswith(SUFFIXES):
        raise ConfigError(f"{path.name}: expected a file called *{', *'.join(SUFFIXES)}")
    with files.appearing(path) as temporary, _opened(temporary, path.suffix) as file:
        if path.suffix == ".json":
            begun = False

            def write(row: dict[str, Any]) -> None:
                nonlocal begun
                file.write((",\n" if begun else "[\n") + json.dumps(row, ensure_ascii=False))
                begun = True

            yield write
            file.write("\n]\n" if begun else "[]\n")
        else:
            yield lambda row: print(json.dumps(row, ensure_ascii=False), file=file)


@contextlib.contextmanager
def _opened(path: Path, suffix: str) -> Iterator[TextIO]:
    if suffix == ".gz":
        # No name and no time in the header: equal records give equal files.
        with open(path, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed, _text(packed) as file:
            yield file
    elif suffix == ".zst":
        with pa.output_stream(path, compression="zstd") as packed, _text(packed) as file:
            yield file
    else:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            yield file


def _text(packed: Any) -> TextIO:
    import io

    return io.TextIOWrapper(packed, encoding="utf-8", newline="\n")
