"""The items of a task, found in folders and read: a source a language, rows as plain mappings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import xxhash

from collection.languages import Language, find
from core import tables
from core.errors import SourceError
from core.tables import hub
from eval.task import Files, Task

Row = dict[str, Any]
_MOST_FILES: Final = 200_000
RECORDS: Final = "records"


@dataclass(frozen=True)
class Source:
    """The files of a task in one language."""

    language: Language
    paths: tuple[Path, ...]  # of one split, in the shards that it comes in
    split: str = ""
    train: tuple[Path, ...] = ()
    beside: Path | None = None

    @property
    def path(self) -> Path:
        return self.paths[0]


@dataclass(frozen=True)
class Found:
    """Sources by language, and sentences on what was passed over."""

    sources: Mapping[str, Source]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tree:
    """A folder with data, and the paths of its files, relative, in order."""

    folder: Path
    files: tuple[str, ...]

    @classmethod
    def of(cls, place: str) -> Tree:
        """Of a folder, a file, or `hf://NAME`, a data set of the hub; SourceError where there is nothing."""
        folder = hub.downloaded(hub.parse_address(place)) if hub.is_address(place) else Path(place)
        if folder.is_file():
            return cls(folder.parent, (folder.name,))
        if not folder.is_dir():
            raise SourceError(f"there is no data at {place}: expected a folder, a file or hf://NAME")
        found: list[str] = []
        for parent, folders, names in os.walk(folder, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [str((Path(parent) / name).relative_to(folder).as_posix()) for name in sorted(names)]
            if len(found) > _MOST_FILES:
                raise SourceError(
                    f"{place} has more than {_MOST_FILES:,} files: name the folder of the data set itself"
                )
        return cls(folder, tuple(found))


def find_sources(task: Task, trees: Sequence[Tree]) -> Found:
    """The sources of a task in some folders, by the code of their language."""
    if task.data.format == RECORDS:
        return _collections(task, trees)
    sources: dict[str, Source] = {}
    notes: list[str] = []
    for tree in trees:
        by_language = _by_language(task, tree)
        if not any(map(find, by_language)):
            continue  # other files, of which the pattern says nothing
        for language, paths in sorted(by_language.items()):
            one, note = _source(task, tree, language, paths)
            if note:
                notes.append(note)
            if one and one.language.code in sources:
                notes.append(
                    f"{task.name}: {one.path} is of {one.language}, as {sources[one.language.code].path}: left out"
                )
            elif one:
                sources[one.language.code] = one
    return Found(dict(sorted(sources.items())), tuple(notes))


_Splits = dict[str, list[Path]]


def _by_language(task: Task, tree: Tree) -> dict[str, _Splits]:
    """Of each spelling of a language, its files by split."""
    found: dict[str, _Splits] = {}
    for pattern in map(task.pattern, task.data.files):
        for name in tree.files:
            match = pattern.fullmatch(name)
            if match is None:
                continue
            groups = match.groupdict()
            path = tree.folder / name
            if not task.data.marks or tables.FORMATS[task.data.format].mentions(path, task.data.marks):
                splits = found.setdefault(groups.get("language", ""), {})
                splits.setdefault(groups.get("split") or "", []).append(path)
    return found


def _source(task: Task, tree: Tree, spelling: str, paths: _Splits) -> tuple[Source | None, str]:
    """The source of a language, and a sentence on what is left out."""
    language = find(spelling)
    if language is None:
        near = next(iter(paths.values()))[0]
        return None, f"{task.name}: {near} is of no known language ({spelling!r}): left out"
    wanted = task.data.splits or tuple(sorted(paths))
    split = next((name for name in wanted if name in paths), None)
    if split is None:
        return None, f"{task.name}: {language} has the splits {', '.join(sorted(paths))}, not {' or '.join(wanted)}"
    # Shards lie side by side; what lies elsewhere is another copy, or another set.
    folder = paths[split][0].parent
    own = tuple(path for path in paths[split] if path.parent == folder)
    others = [path for path in paths[split] if path.parent != folder]
    note = f"{task.name}: {language} is read from {folder}; {others[0].parent} is left out" if others else ""
    train = next((paths[name] for name in task.data.train if name in paths and name != split), [])
    beside = None
    if task.data.beside:
        name = task.data.beside.replace("{language}", spelling).replace("{split}", split)
        beside = _ending(tree, name)
        if beside is None:
            return None, f"{task.name}: {language} lacks the file {name}"
        if beside == own[0]:
            return None, ""  # the language that the others stand beside
    # A split of its own folder, or of one beside it where each split has a folder.
    beside_it = tuple(path for path in train if path.parent == folder) or tuple(train)
    return Source(language, own, split, beside_it, beside), note


def _ending(tree: Tree, name: str) -> Path | None:
    return next((tree.folder / one for one in tree.files if one == name or one.endswith("/" + name)), None)


def _collections(task: Task, trees: Sequence[Tree]) -> Found:
    """A collection's rows of one split, which are of many languages, by language."""
    from collection import store

    sources: dict[str, Source] = {}
    for tree in trees:
        if "manifest.json" not in tree.files or not any(name.startswith("data/") for name in tree.files):
            continue
        for split in task.data.splits:
            for record in store.records(tree.folder, split=split):
                language = find(record.language)
                if language and language.code not in sources:
                    sources[language.code] = Source(language, (tree.folder,), split)
    return Found(dict(sorted(sources.items())))


class Reader:
    """Reads the rows of sources. A collection is read once for all of its languages."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._records: dict[tuple[Path, str], dict[str, list[Row]]] = {}
        self._kept: dict[Path, list[Row]] = {}  # of files that several languages share
        self.notes: list[str] = []

    def rows(self, source: Source) -> list[Row]:
        """The rows to judge by, in the order of the file; SourceError where it cannot be read."""
        if self._task.data.format == RECORDS:
            return self._wanted(self._of_records(source).get(source.language.code, []))
        rows = [row for path in source.paths for row in self._file(path, shared=bool(self._task.corpus))]
        if source.beside:
            rows = self._joined(rows, self._file(source.beside, shared=True), source)
        return self._wanted(rows)

    def _wanted(self, rows: list[Row]) -> list[Row]:
        where = self._task.data.where
        return [row for row in rows if all(str(row.get(name)) in values for name, values in where.items())]

    def train_rows(self, source: Source) -> list[Row]:
        """The rows to learn from; none where there is no such file."""
        return [row for path in source.train for row in self._file(path)]

    def _file(self, path: Path, *, shared: bool = False) -> list[Row]:
        if path in self._kept:
            return self._kept[path]
        rows = list(read_rows(path, self._task.data))
        if shared:
            self._kept[path] = rows
        return rows

    def _joined(self, rows: list[Row], others: list[Row], source: Source) -> list[Row]:
        join = self._task.data.join
        if not join:
            if len(rows) != len(others):
                raise SourceError(
                    f"{source.path} has {len(rows)} lines, {source.beside} has {len(others)}: expected as many"
                )
            pairs = list(zip(rows, others, strict=True))
        else:
            if lacking := next((row for row in (*rows, *others) if join not in row), None):
                raise SourceError(f"{source.path} or {source.beside} lacks the column {join}: has {', '.join(lacking)}")
            by_key = {row[join]: row for row in others}
            pairs = [(row, by_key[row[join]]) for row in rows if row[join] in by_key]
            if lost := len(rows) - len(pairs):
                self.notes.append(f"{self._task.name}: {lost} rows of {source.path} have no partner in {source.beside}")
        return [{**row, **{f"other_{name}": value for name, value in other.items()}} for row, other in pairs]

    def _of_records(self, source: Source) -> dict[str, list[Row]]:
        from collection import store

        key = (source.path, source.split)
        if key not in self._records:
            rows: dict[str, list[Row]] = {}
            several = 0
            for record in store.records(source.path, split=source.split):
                language = find(record.language)
                if len(record.messages) != 2:
                    several += 1
                    continue
                row = {
                    "id": record.id,
                    "prompt": record.prompt,
                    "target": record.target,
                    "dataset": record.dataset,
                    "task": record.task,
                }
                rows.setdefault(language.code if language else record.language, []).append(row)
            if several:
                self.notes.append(
                    f"{self._task.name}: {several} rows of {source.path} have several turns: they are not asked"
                )
            self._records[key] = rows
        return self._records[key]


def read_rows(path: Path, about: Files) -> Iterator[Row]:
    """Yield the rows of a file. SourceError where one of them cannot be read."""
    reader = tables.FORMATS[about.format].with_layout(about.columns, about.quoted)
    convert = _CONVERTERS.get(about.format)
    for row in tables.rows(path, about.format, reader):
        try:
            yield from convert(row.data) if convert else (row.data,)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{path}:{row.number} cannot be read as {about.format}: {error!r}") from error


def _without_nan(row: Row) -> Iterator[Row]:
    """Yield the row with None for NaN, which pandas writes."""
    yield {name: None if value != value else value for name, value in row.items()}


def _unpacked(row: Row) -> Iterable[Row]:
    """Return the rows of a document that holds a list of them under `data`."""
    return row["data"] if isinstance(row.get("data"), list) else (row,)


def _with_sentences(row: Row) -> Iterator[Row]:
    """Yield a question with the texts of its answers. `sentence` is the one with its answer, if breaks are given."""
    context, answers, breaks = row["context"], row["answers"], row.pop("sentence_breaks")
    start = answers[0].get("answer_start", -1) if answers else -1
    row["answers"] = [answer["text"] for answer in answers] or [""]
    row["sentence"] = next((context[a:b] for a, b in breaks if a <= start < b), "")
    row["sentences"] = [context[a:b] for a, b in breaks]
    yield row


# How the evaluation converts the rows of a format.
_CONVERTERS: Final[Mapping[str, Callable[[Row], Iterable[Row]]]] = {
    "jsonl": _without_nan,
    "json": _unpacked,
    "squad": _with_sentences,
}


def take(rows: Sequence[Any], limit: int, key: Any) -> list[int]:
    """The places of at most `limit` rows, in order: those whose keys have the smallest hashes, so that parallel sets
    in many languages give the same items, whatever their order. 0: all."""
    if not limit or len(rows) <= limit:
        return list(range(len(rows)))
    hashes = [(hashed(str(key(place))), place) for place in range(len(rows))]
    return sorted(place for _, place in sorted(hashes)[:limit])


def hashed(text: str) -> int:
    """The same number for the same text, everywhere."""
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def content_hash(values: Any) -> str:
    """16 hex digits of what items say."""
    # Not orjson, which refuses half a surrogate pair; some files hold one.
    text = json.dumps(values, ensure_ascii=True, sort_keys=True, default=str)
    return xxhash.xxh3_64_hexdigest(text.encode())
