"""Make a collection, and look at the folder of any stage."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collection import store
from collection.languages import resolve
from collection.manifest import Manifest
from collection.record import SCHEMA, Record
from collection.reject import SCHEMA as REJECT_SCHEMA
from collection.reject import Reason
from core.errors import UnknownNameError, UserError
from core.frames import data_frame
from glotmill.api.arguments import ConfigLike, Overrides, PathLike, configured, path_of, paths_of, progress_of

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Collection:
    """A folder of records that a command wrote: a collection, or the output of an earlier stage."""

    path: Path
    manifest: Manifest

    @property
    def languages(self) -> list[str]:
        """The language codes of the folder, such as `swh_Latn`."""
        return list(self.manifest.languages)

    def records(self, language: str = "", split: str = "") -> Iterator[Record]:
        """Read the records, one by one.

        Args:
            language: only this language, in any spelling: `swh_Latn`, `sw`, `Swahili`.
            split: only `train`, `validation` or `test`; for the folder of a finished collection.

        Raises:
            UserError: no such language, or no record of it in this folder.
        """
        code = self.code(language)
        return (record for record in store.records(self.path, code, split) if not code or record.language == code)

    def rejects(self, language: str = "", reason: str = "") -> Iterator[dict[str, Any]]:
        """Read the rejected rows, one by one, with reason, detail, location and the raw row.

        Raises:
            UnknownNameError: no such reason.
            UserError: no such language, or no row of it in this folder.
        """
        code = self.code(language)
        if reason and reason not in set(Reason):
            raise UnknownNameError("reason", reason, [known.value for known in Reason])
        return (
            row
            for row in store.rejects(self.path)
            if (not code or row["language"] == code) and (not reason or row["reason"] == reason)
        )

    def to_pandas(self, language: str = "", split: str = "", limit: int | None = None) -> pandas.DataFrame:
        """Return records as a data frame: the columns of a record, then `prompt` and `target` as plain text.

        Args:
            language: only this language, in any spelling.
            split: only `train`, `validation` or `test`.
            limit: at most this many rows; None reads all of them into memory.
        """
        records = itertools.islice(self.records(language, split), limit)
        return data_frame(map(_row, records), [*SCHEMA.names, "prompt", "target"])

    def rejects_to_pandas(self, language: str = "", reason: str = "", limit: int | None = None) -> pandas.DataFrame:
        """Return rejected rows as a data frame."""
        return data_frame(itertools.islice(self.rejects(language, reason), limit), REJECT_SCHEMA.names)

    def code(self, language: str) -> str:
        """Return the code of a language that this folder has rows of, or "" for "".

        Raises:
            UserError: no such language, or no row of it in this folder.
        """
        code = resolve(language).code if language else ""
        if code and code not in self.manifest.languages:
            codes = ", ".join(self.languages[:10]) + (" ..." if len(self.languages) > 10 else "")
            raise UserError(f"no row of {code} is in this folder; it has {codes or 'no rows at all'}")
        return code


def _row(record: Record) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in SCHEMA.names}
    messages = [message._asdict() for message in record.messages]
    return {**values, "messages": messages, "prompt": record.prompt, "target": record.target}


def load_collection(path: PathLike) -> Collection:
    """Open the folder of a finished stage, to read its records, rejects and counts.

    Raises:
        SourceError: the folder is missing, unfinished, or not the output of a command.
    """
    folder = path_of(path)
    return Collection(folder, Manifest.read(folder))


def ingest(
    sources: Mapping[str, PathLike | Iterable[PathLike]],
    out: PathLike,
    *,
    config: ConfigLike = None,
    overrides: Overrides = None,
    fresh: bool = False,
    progress: bool = False,
) -> Collection:
    """Read sources, clean and filter their rows, and write records and rejects, as `glotmill ingest` does.

    Args:
        sources: paths by kind, such as `{"xp3x": "data/xp3x", "table": ["a.csv", "b.csv"]}`.
        out: the folder to write. A stopped run is resumed by the same call.
        config: a TOML file, or its keys and values; docs/configuration.md lists them.
        overrides: values by dotted key, such as `{"language_id.policy": "reject"}`.
        fresh: discard what is in `out`.
        progress: print progress on stderr.

    Raises:
        UserError: a source, the configuration or `out` cannot be used.
    """
    import dataclasses

    from pipelines.ingest.config import IngestConfig, IngestSource
    from pipelines.ingest.job import ingest as run

    resolved = configured(IngestConfig, config, overrides)
    given = [IngestSource(kind, str(path)) for kind, paths in sources.items() for path in paths_of(paths)]
    resolved = dataclasses.replace(resolved, sources=(*resolved.sources, *given))
    folder = path_of(out)
    return Collection(folder, run(resolved, folder, fresh=fresh, progress=progress_of(progress)))


def build(
    inputs: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    against: Iterable[PathLike] = (),
    decontaminate: Mapping[str, PathLike] | None = None,
    config: ConfigLike = None,
    overrides: Overrides = None,
    fresh: bool = False,
    progress: bool = False,
) -> Collection:
    """Make one collection of finished folders: without duplicates, split, sorted by language, with a dataset card.

    Args:
        inputs: folders that `ingest` or another stage wrote.
        out: the collection to write. A stopped run is resumed by the same call.
        against: finished folders whose rows are not wanted again.
        decontaminate: evaluation sets by name, whose examples must not be trained on.
        config: a TOML file, or its keys and values; docs/configuration.md lists them.
        overrides: values by dotted key, such as `{"splits.test": 0.05}`.
        fresh: discard what is in `out`.
        progress: print progress on stderr.

    Raises:
        UserError: an input, the configuration or `out` cannot be used.
    """
    import dataclasses

    from pipelines.build.decontaminate import EvaluationSet
    from pipelines.build.job import BuildConfig
    from pipelines.build.job import build as run

    resolved = configured(BuildConfig, config, overrides)
    sets = [EvaluationSet(name, str(path)) for name, path in (decontaminate or {}).items()]
    held_out = dataclasses.replace(resolved.decontaminate, sets=(*resolved.decontaminate.sets, *sets))
    resolved = dataclasses.replace(resolved, decontaminate=held_out)
    folder = path_of(out)
    manifest = run(
        paths_of(inputs), resolved, folder, against=paths_of(against), fresh=fresh, progress=progress_of(progress)
    )
    return Collection(folder, manifest)
