"""Other shapes for records: what other tools read."""

from __future__ import annotations

import contextlib
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

import pyarrow as pa

from collection.preferences import Preference
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
    """`prompt` and `completion`."""
    return {"id": record.id, "prompt": _prompt(record), "completion": record.target, "language": record.language}


def as_sharegpt(record: Record) -> dict[str, Any]:
    """`conversations` of `from` and `value`; reading it as a ShareGPT source gives the same messages again."""
    speakers = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
    turns = [{"from": speakers[role], "value": content} for role, content in record.messages]
    return {"id": record.id, "lang": record.language, "conversations": turns}


def as_messages(record: Record) -> dict[str, Any]:
    """Every column, messages as `role` and `content`."""
    columns = {name: getattr(record, name) for name in record.__slots__}
    return {**columns, "messages": [message._asdict() for message in record.messages]}


SHAPES: Final[dict[str, Callable[[Record], dict[str, Any]]]] = {
    "aya": as_aya,
    "prompt-completion": as_prompt_completion,
    "sharegpt": as_sharegpt,
    "messages": as_messages,
}
PREFERENCE: Final = "preference"  # of pairs of records, not of records
SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json")


def export(records: Iterable[Record], shape: str, path: Path) -> int:
    """Write records in one of SHAPES to a file with one of SUFFIXES, and return their number."""
    count = 0
    with _writer(path) as write:
        for record in records:
            write(SHAPES[shape](record))
            count += 1
    return count


def export_preferences(pairs: Iterable[Preference], path: Path) -> int:
    """Write preference pairs to a file with one of SUFFIXES, and return their number."""
    count = 0
    with _writer(path) as write:
        for pair in pairs:
            write(pair.to_json())
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
